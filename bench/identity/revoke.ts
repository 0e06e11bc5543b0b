// How long a revocation takes, by kind of connection.
//
//   npm run bench:identity [-- --cells 50]
//
// Measured from the time in the revocation's event to the last byte, or the end of the connection, that either side saw: the client in the cell by its own
// clock, the upstream here. Every cell is live for the whole time; one after the other is revoked by the command that a person would type. First with
// `on_revoke = "cut"`, each cell holding a connection of every kind; then with "kill", each holding a fifo of the workspace, whose end says that the last process of
// the cell is gone; then agents that an agent has spawned, revoked by the parent's grant.

import { type ChildProcess, execFileSync } from "node:child_process";
import { constants, copyFileSync, mkdirSync, openSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { type AddressInfo, createServer as createTcpServer, Socket } from "node:net";
import { cpus, loadavg, release } from "node:os";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openPlace } from "#test/scenario/program.ts";
import { createTestAuthority } from "#test/servers/certificate-authority.ts";
import { placedPolicy } from "#test/servers/placed.ts";

const { values } = parseArgs({ options: { cells: { type: "string", default: "50" } } });
const cells = Number(values.cells);
/** Milliseconds. */
const wanted = 50;
const place = openPlace("bench-revoke");
const names = ["api.example.test", "raw.example.test"] as const;

/** When each side last saw something of a connection, milliseconds since 1970, by `<kind> <cell>`. */
const seen = new Map<string, number[]>();
const saw = (kind: string, cell: string, at: number) =>
  seen.set(`${kind} ${cell}`, [...(seen.get(`${kind} ${cell}`) ?? []), at]);
const clock = () => performance.timeOrigin + performance.now();

/** The upstream's side: what it last read or could write, and when the connection ended. */
function watchSocket(socket: Socket, kind: string, cell: string): void {
  socket.on("error", () => socket.destroy());
  socket.once("close", () => saw(kind, cell, clock()));
}

const authority = createTestAuthority(place.root);
const tunnelled = createTcpServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.once("data", (name: Buffer) => {
    watchSocket(socket, "tunnel", String(name).trim());
    socket.write("begun\n");
  });
});
const server = createServer(authority.issue([...names]), (request: IncomingMessage, response: ServerResponse) => {
  const { pathname, search } = new URL(request.url ?? "/", "https://upstream");
  const kind =
    { "/idle": "idle", "/stream": "stream", "/upload": "upload", "/wait": "waiting", "/child": "child" }[pathname] ??
    "";
  watchSocket(request.socket, kind, search.slice(1));
  response.on("error", () => response.destroy());
  if (kind === "idle") response.end("done\n");
  if (kind === "stream" || kind === "child") {
    const writing = setInterval(() => response.write("more\n"), 10);
    response.once("close", () => clearInterval(writing));
  }
  request.resume();
});
server.keepAliveTimeout = 0;
server.requestTimeout = 0;
const listening = async (one: typeof server | typeof tunnelled) => {
  await new Promise<void>((resolve) => one.listen(0, "127.0.0.1", resolve));
  return (one.address() as AddressInfo).port;
};

const hosts = { [names[0]]: await listening(server), [names[1]]: await listening(tunnelled) };
const tunnelRule = `\n[[network.rule]]\nid = "raw"\nhost = "${names[1]}"\nport = 5000\nprotocol = "tcp"\nprivate = ["127.0.0.1"]\n`;
const policy = (more: string) =>
  place.policy(placedPolicy({ caFile: authority.caFile, hosts, more: `${tunnelRule}${more}` }));
const command = async (...args: string[]): Promise<string> => {
  const ran = await place.run(args);
  if (ran.code !== 0) throw new Error(`${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout;
};

async function grant(agent: string, policyId: string): Promise<{ token: string; jti: string }> {
  return JSON.parse(await command("auth", "issue-token", "--json", "--agent-id", agent, "--policy-id", policyId));
}

interface Cell {
  readonly name: string;
  readonly jti: string;
  readonly child: ChildProcess;
}

/** Starts a run and resolves when its agent has everything open. */
async function start(name: string, policyId: string, agent: readonly string[]): Promise<Cell> {
  const { token, jti } = await grant("worker", policyId);
  const child = place.start(["run", "--quiet", "--", ...agent], { env: { SALLYPORT_TOKEN: token } });
  let text = "";
  let trouble = "";
  child.stderr?.on("data", (chunk: Buffer) => (trouble += String(chunk)));
  await new Promise<void>((resolve, reject) => {
    child.once("exit", () => reject(new Error(`${name} ended: ${trouble}`)));
    child.stdout?.on("data", (chunk: Buffer) => {
      const lines = (text + String(chunk)).split("\n");
      text = lines.pop() ?? "";
      for (const line of lines) {
        const [kind = "", at] = line.split(" ");
        if (at !== undefined) saw(kind, name, Number(at) * 1000);
        else if (kind === "ready") resolve();
      }
    });
  });
  return { name, jti, child };
}

/** Revokes one after the other; milliseconds from each one's event to the last that anybody saw, by kind. */
async function measure(live: readonly Cell[], kinds: readonly string[], sides: number): Promise<void> {
  const taken = new Map<string, number[]>(kinds.map((kind) => [kind, []]));
  for (const { name, jti } of live) {
    const { time } = JSON.parse(await command("auth", "revoke-token", "--json", "--jti", jti)) as { time: string };
    for (const kind of kinds) {
      const key = `${kind} ${name}`;
      for (let waited = 0; (seen.get(key)?.length ?? 0) < sides; waited += 1) {
        if (waited > 1000) throw new Error(`${key}: no end was seen within 10 s of its revocation`);
        await after(10);
      }
      taken.get(kind)?.push(Math.max(...(seen.get(key) ?? [])) - Date.parse(time));
    }
  }
  for (const [kind, all] of taken) {
    const sorted = all.sort((one, other) => one - other);
    const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]?.toFixed(1);
    console.log(`${kind.padEnd(8)} p50 ${at(0.5)} ms, p99 ${at(0.99)} ms (wanted ≤ ${wanted}), ${sorted.length} times`);
  }
}

const client = (workspace: string) =>
  copyFileSync(join(import.meta.dirname, "client.py"), join(workspace, "client.py"));

/** Ends what these runs still have, and waits for it. */
async function end(live: readonly Cell[]): Promise<void> {
  await Promise.all(
    live.map(({ child }) => {
      if (child.exitCode !== null || child.signalCode !== null) return null;
      const ended = new Promise((resolve) => child.once("exit", resolve));
      child.kill("SIGTERM");
      return ended;
    }),
  );
}

/** As many at once as there are processors: what is measured begins afterwards. */
async function startAll(count: number, one: (name: string) => Promise<Cell>): Promise<readonly Cell[]> {
  const live: Cell[] = [];
  for (let at = 0; at < count; at += 2)
    live.push(
      ...(await Promise.all([at, at + 1].filter((index) => index < count).map((index) => one(`cell-${index}`)))),
    );
  return live;
}

try {
  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node.js ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)}`,
  );
  client(place.workspace);
  await command("auth", "init");
  for (const agent of ["worker", "helper"])
    await command("auth", "create-agent", "--agent-id", agent, "--owner", "you@example.com");
  const create = (id: string, more: string) =>
    command("auth", "create-policy", "--policy-id", id, "--file", policy(more));
  await create("cut", '[violation]\non_revoke = "cut"\n');
  await create("kill", "");
  await create("parent", '[execution]\nspawn = ["helper"]\n');

  console.log(`${cells} cells, each with a connection of every kind; one revoked after the other:`);
  const connected = await startAll(cells, (name) => start(name, "cut", ["python3", "client.py", "connections", name]));
  await measure(connected, ["idle", "stream", "upload", "waiting", "tunnel"], 2);
  await end(connected);

  console.log(`${cells} cells, from the event to the end of the last process:`);
  mkdirSync(join(place.workspace, "fifos"));
  const trees = await startAll(cells, async (name) => {
    const fifo = join(place.workspace, "fifos", name);
    execFileSync("mkfifo", [fifo]);
    // Open before the cell's side is, which waits for it; read once somebody holds the other end.
    const fd = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK);
    const cell = await start(name, "kill", ["python3", "client.py", "tree", name, `fifos/${name}`]);
    const held = new Socket({ fd, writable: false });
    held.once("end", () => saw("tree", name, clock()));
    held.resume();
    return cell;
  });
  await measure(trees, ["tree"], 1);
  await end(trees);

  const parents = Math.ceil(cells / 2);
  console.log(`${parents} cells that have spawned one each, by the parent's grant, to the end of the child's stream:`);
  const families = await startAll(parents, (name) =>
    start(name, "parent", [
      "sh",
      "-c",
      `sallyport spawn --agent-id helper --allow ${names[0]} -- sh -c 'curl -sSN https://${names[0]}/child?${name} | { read line; echo ready; cat >/dev/null; }'`,
    ]),
  );
  await measure(families, ["child"], 1);
  await end(families);
} finally {
  server.closeAllConnections();
  server.close();
  tunnelled.close();
  place.close();
}
