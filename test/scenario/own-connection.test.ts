// The program itself opens no connection that an allowed action did not ask for. strace writes down what each thread of each
// process connects or sends to; those of sallyport's own process may only go to where the policy placed the allowed name.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, program, type Ran } from "./program.ts";
import { openScene, type Scene } from "./scene.ts";

let place: Scene;

before(async () => {
  place = await openScene("strace");
});
after(() => place?.close());

interface Trace {
  readonly ran: Ran;
  /** `address:port` that sallyport's own process connected to. */
  readonly own: readonly string[];
  /** The same that it sent datagrams to: its answers to the cell's name lookups, on sockets of the cell. */
  readonly answered: readonly string[];
  /** What every other process connected or sent to, the agent's among them. */
  readonly others: readonly string[];
}

const address =
  /sa_family=AF_INET6?, sin6?_port=htons\((\d+)\).*?(?:inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)")/;

/** Addresses that only a cell has: 198.18.0.0/15 and a ULA prefix. Nothing outside answers to them. */
const synthetic = /^(198\.1[89]\.|f[cd][0-9a-f]{2}:)/;

async function traced(name: string, args: readonly string[]): Promise<Trace> {
  const folder = join(place.root, name);
  mkdirSync(folder);
  const calls = "trace=connect,sendto,sendmsg,sendmmsg,clone,clone3,fork,vfork";
  const child = spawn(
    "strace",
    ["-ff", "-qq", "-v", "-s", "64", "-e", calls, "-o", join(folder, "t"), program, ...args],
    {
      cwd: place.workspace,
      env: { ...process.env, SALLYPORT_HOME: place.home },
      stdio: ["pipe", "pipe", "pipe"],
    },
  );
  const ran = await collect(child);
  const traces = new Map(
    readdirSync(folder).map((file) => [file.slice(2), readFileSync(join(folder, file), "latin1").split("\n")]),
  );

  // strace's first child is sallyport (its shell part execs); its threads are those that its threads made with CLONE_THREAD
  const first = [...traces.keys()].map(Number).sort((a, b) => a - b)[0];
  const own = new Set<string>([String(first)]);
  for (const thread of own) {
    for (const line of traces.get(thread) ?? []) {
      if (/^clone3?\(/.test(line) && line.includes("CLONE_THREAD")) own.add(/= (\d+)$/.exec(line)?.[1] ?? "");
    }
  }
  const peers = (threads: Iterable<string>, call = /./): readonly string[] =>
    [...threads].flatMap((thread) =>
      (traces.get(thread) ?? []).flatMap((line) => {
        const peer = call.test(line) ? address.exec(line) : null;
        return peer ? [`${peer[2] ?? peer[3]}:${peer[1]}`] : [];
      }),
    );
  return {
    ran,
    own: peers(own, /^connect\(/),
    answered: peers(own, /^send/),
    others: peers([...traces.keys()].filter((thread) => !own.has(thread))),
  };
}

test("a run whose agent asks for nothing opens no connection at all", async () => {
  const { ran, own, answered, others } = await traced("nothing", ["run", "--policy", place.served, "--", "true"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual(own, []);
  assert.deepEqual(answered, []);
  assert.deepEqual(others, []);
});

test("a run whose agent makes one allowed call and one denied opens one connection, to where the policy says", async () => {
  const script = "curl -sS https://api.example.com/one; curl -sS https://example.com/x";
  const { ran, own, answered, others } = await traced("one", [
    "run",
    "--policy",
    place.served,
    "--",
    "sh",
    "-c",
    script,
  ]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.deepEqual([...new Set(own)], [`127.0.0.1:${place.server.port}`]);
  assert.equal(place.server.requests.filter((request) => request.url === "/one").length, 1);
  for (const peer of answered) assert.match(peer, synthetic, peer);
  // the agent dials synthetic addresses and the cell's name server; nothing else of the tree dials anything
  for (const peer of others) assert.match(peer, synthetic, peer);
});

test("commands that read, check and explain open none", async () => {
  const session = place.sessions().at(-1) ?? "";
  const commands = [
    ["policy", "check", place.served],
    ["sessions", "list"],
    ["sessions", "show", session],
    ["replay", session, "--no-delay"],
    ["audit", "verify", session],
  ];
  for (const [index, args] of commands.entries()) {
    const { ran, own, others } = await traced(`read-${index}`, args);
    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual([...own, ...others], [], args.join(" "));
  }
});
