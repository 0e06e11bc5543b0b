// An agent's dev server in the host's browser: `--publish`, with real servers inside and real clients outside.

import assert from "node:assert/strict";
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdirSync } from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { collect, openPlace, type Place, program, type Ran } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("publish");
});
after(() => place?.close());

/** A free port of the host; somebody else may take it, but hardly within a second. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

interface Running {
  readonly child: ChildProcess;
  readonly ran: Promise<Ran>;
  /** Ends the run and gives what it said. */
  end(): Promise<Ran>;
}

/** Starts a run and waits until its agent has said `ready`. */
async function running(args: readonly string[]): Promise<Running> {
  const child = place.start(args);
  const ran = collect(child);
  await new Promise<void>((resolve, reject) => {
    let said = "";
    child.stdout?.on("data", (chunk) => {
      said += chunk;
      if (said.includes("ready")) resolve();
    });
    void ran.then(({ stderr }) => reject(new Error(`it ended: ${stderr}`)));
  });
  return {
    child,
    ran,
    end: () => {
      child.kill("SIGTERM");
      return ran;
    },
  };
}

const curl = async (...args: string[]): Promise<string> =>
  (await promisify(execFile)("curl", ["-sS", "--noproxy", "*", "--max-time", "20", ...args])).stdout;

const fetchFails = async (url: string): Promise<string> => {
  const failed = await promisify(execFile)("curl", ["-sS", "--noproxy", "*", "--max-time", "20", url]).then(
    () => assert.fail(`${url} answered`),
    (error: { code: number; stderr: string }) => error,
  );
  return failed.stderr;
};

const node = (script: string) => ["--", process.execPath, "-e", script];

/** Servers as people start them, on each of the addresses that they choose by themselves. */
const servers: readonly [name: string, command: readonly string[]][] = [
  [
    "python -m http.server on every address",
    [
      "--",
      "/usr/bin/python3",
      "-c",
      "print('ready', flush=True)\nimport runpy,sys\nsys.argv=['x','8000']\nrunpy.run_module('http.server',run_name='__main__')",
    ],
  ],
  [
    "node on 127.0.0.1",
    node(`require("http").createServer((q,s)=>s.end("hello")).listen(8000,"127.0.0.1",()=>console.log("ready"))`),
  ],
  [
    "node on ::1 alone",
    node(`require("http").createServer((q,s)=>s.end("hello")).listen(8000,"::1",()=>console.log("ready"))`),
  ],
];

for (const [name, command] of servers) {
  test(`a server of the agent's is reached from the host: ${name}`, async () => {
    const port = await freePort();
    const run = await running(["run", "--publish", `${port}:8000`, ...command]);
    assert.match(await curl(`http://127.0.0.1:${port}/`), /hello|Directory listing/);
    assert.match(await curl(`http://[::1]:${port}/`), /hello|Directory listing/);
    const { stderr } = await run.end();
    assert.match(stderr, new RegExp(`sallyport: published: localhost:${port} leads to port 8000 in the cell\n`));
    const events = place.events().filter(({ type }) => type.startsWith("publish."));
    assert.deepEqual(events[0]?.detail, { addresses: ["127.0.0.1", "::1"], port, cell_port: 8000 });
    assert.deepEqual(
      events.slice(1).map(({ detail }) => (detail as { outcome: string }).outcome),
      ["connected", "connected"],
    );
    assert.equal((await place.run(["audit", "verify", "last"])).code, 0);
  });
}

test("a server that starts later is waited for", async () => {
  const port = await freePort();
  const script = `console.log("ready"); process.stdin.once("data",()=>require("http").createServer((q,s)=>s.end("late")).listen(8000))`;
  const child = place.start(["run", "--publish", `${port}:8000`, ...node(script)]);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const answer = curl(`http://127.0.0.1:${port}/`);
  child.stdin?.write("go\n");
  assert.equal(await answer, "late");
  child.kill("SIGTERM");
  await once(child, "close");
});

test("where nothing listens the connection is refused after a moment, and the log says so", async () => {
  const port = await freePort();
  const run = await running([
    "run",
    "--publish",
    `${port}:8000`,
    ...node(`console.log("ready");setInterval(()=>{},1e6)`),
  ]);
  assert.match(await fetchFails(`http://127.0.0.1:${port}/`), /reset|refused|Empty reply/i);
  await run.end();
  const last = place.events().findLast(({ type }) => type === "publish.connection");
  assert.equal((last?.detail as { outcome?: string } | undefined)?.outcome, "nothing_listens");
});

test("a hundred connections at once all arrive, each half ends by itself, and megabytes pass unchanged", async () => {
  const port = await freePort();
  const echo = `require("net").createServer({allowHalfOpen:true},s=>s.pipe(s)).listen(8000,"127.0.0.1",()=>console.log("ready"))`;
  const run = await running(["run", "--publish", `${port}:8000`, ...node(echo)]);
  const payload = Buffer.alloc(256 * 1024, "0123456789abcdef");
  const all = Array.from({ length: 100 }, async () => {
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end(payload);
    const back: Buffer[] = [];
    for await (const chunk of socket) back.push(chunk as Buffer);
    return Buffer.concat(back).equals(payload);
  });
  assert.ok((await Promise.all(all)).every(Boolean));
  await run.end();
});

test("a port that another program has ends the run before the agent starts", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const ran = await place.run(["run", "--json", "--publish", `${port}:80`, "--", "sh", "-c", "echo it ran"]);
  server.close();
  assert.equal(ran.code, 125);
  assert.equal(ran.stdout, "");
  assert.match(ran.stderr, /^\{.*"port_unavailable"/m);
  assert.match(ran.stderr, /another program has it/);
  assert.deepEqual(
    place.events().map(({ type }) => type),
    ["spawn.requested", "identity.verified", "policy.loaded", "session.ended"],
  );
});

const wrong: readonly [flag: string, says: RegExp][] = [
  ["http", /no \[ADDRESS:\]PORT/],
  ["*:3000", /0\.0\.0\.0 or \[::\]/],
  ["example.com:3000", /no literal address/],
  ["70000", /1 to 65535/],
  ["3000:0", /1 to 65535/],
  ["1:2:3", /no \[ADDRESS:\]PORT/],
  ["", /no \[ADDRESS:\]PORT/],
];
for (const [flag, says] of wrong) {
  test(`--publish ${JSON.stringify(flag)} is a wrong use, told with the right one`, async () => {
    const before = place.sessions().length;
    const ran = await place.run(["run", "--publish", flag, "--", "true"]);
    assert.equal(ran.code, 125);
    assert.match(ran.stderr, says);
    assert.equal(place.sessions().length, before);
  });
}

test("port 0 is any that is free, and the terminal names it", async () => {
  const run = await running([
    "run",
    "--publish",
    "0:8000",
    ...node(`require("http").createServer((q,s)=>s.end("any")).listen(8000,()=>console.log("ready"))`),
  ]);
  const opened = place.events().find(({ type }) => type === "publish.opened");
  const { port } = (opened?.detail ?? {}) as { port?: number };
  assert.equal(await curl(`http://127.0.0.1:${port}/`), "any");
  assert.match((await run.end()).stderr, new RegExp(`localhost:${port} leads`));
});

test("an address of the machine is listened on alone, and other machines are warned of", async () => {
  const port = await freePort();
  const serve = node(`require("http").createServer((q,s)=>s.end("wide")).listen(8000,()=>console.log("ready"))`);
  const narrow = await running(["run", "--publish", `127.0.0.1:${port}:8000`, ...serve]);
  assert.equal(await curl(`http://127.0.0.1:${port}/`), "wide");
  assert.match(await fetchFails(`http://[::1]:${port}/`), /refused|connect/i);
  assert.doesNotMatch((await narrow.end()).stderr, /other machines/);
  const wide = await running(["run", "--publish", `0.0.0.0:${port}:8000`, ...serve]);
  assert.equal(await curl(`http://127.0.0.1:${port}/`), "wide");
  assert.match((await wide.end()).stderr, /also for other machines/);
});

test("nothing listens on the host any more when the run is over", async () => {
  const port = await freePort();
  await place.run(["run", "--publish", String(port), "--", "true"]);
  assert.match(await fetchFails(`http://127.0.0.1:${port}/`), /refused|connect/i);
});

test("a port is shown while the run is there, by its id, and gone with it", async () => {
  const port = await freePort();
  const run = await running([
    "run",
    ...node(`require("http").createServer((q,s)=>s.end("later")).listen(8000,()=>console.log("ready"))`),
  ]);
  assert.match(await fetchFails(`http://127.0.0.1:${port}/`), /refused|connect/i);
  const published = await eventually(() => place.run(["publish", "last", `${port}:8000`]));
  assert.equal(published.stdout, `published: localhost:${port} leads to port 8000 in the cell\n`, published.stderr);
  assert.equal(await curl(`http://127.0.0.1:${port}/`), "later");
  const json = await place.run(["publish", "--json", "last", "0:8000"]);
  const [opened] = JSON.parse(json.stdout) as { port: number; cell_port: number }[];
  assert.equal(opened?.cell_port, 8000);
  assert.equal(await curl(`http://127.0.0.1:${opened?.port}/`), "later");
  const taken = await place.run(["publish", "--json", "last", String(port)]);
  assert.equal(taken.code, 125);
  assert.match(taken.stderr, /"port_unavailable"/);
  assert.equal((await place.run(["publish", "last", "nonsense"])).code, 125);
  await run.end();
  const types = place.events().map(({ type }) => type);
  assert.equal(types.filter((type) => type === "publish.opened").length, 2);
  assert.match(await fetchFails(`http://127.0.0.1:${port}/`), /refused|connect/i);
  const over = await place.run(["publish", "last", "8000"]);
  assert.equal(over.code, 1);
  assert.match(over.stderr, /not running/);
});

test("what root can do here an ordinary user can, too", async (t) => {
  if (process.geteuid?.() !== 0) return t.diagnostic("all the tests above were an ordinary user's");
  const uid = 61_500 + (process.pid % 100);
  const port = await freePort();
  const home = join(place.root, "ordinary");
  mkdirSync(join(home, "work"), { recursive: true });
  mkdirSync(join(home, "kept"), { mode: 0o700 });
  for (const path of [place.root, home, join(home, "work"), join(home, "kept")]) chownSync(path, uid, uid);
  const serve = `require("http").createServer((q,s)=>s.end("ordinary")).listen(8000,()=>console.log("ready"))`;
  const child = spawn(program, ["run", "--publish", `${port}:8000`, ...node(serve)], {
    uid,
    gid: uid,
    cwd: join(home, "work"),
    env: { PATH: process.env.PATH, HOME: home, SALLYPORT_HOME: join(home, "kept") },
    stdio: ["pipe", "pipe", "pipe"],
  });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  assert.equal(await curl(`http://127.0.0.1:${port}/`), "ordinary");
  child.kill("SIGTERM");
  await once(child, "close");
});

/** A run's socket is there a moment after its agent. */
async function eventually(attempt: () => Promise<Ran>): Promise<Ran> {
  for (let left = 20; ; left--) {
    const ran = await attempt();
    if (ran.code === 0 || left === 0) return ran;
  }
}
