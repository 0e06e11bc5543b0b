// Runs that outlive the command that started them: started, listed, watched, and ended as a person does it.

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { collect, openPlace, type Place, program, type Ran } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("detached");
});
afterEach(async () => {
  await place.run(["kill", "--all"]);
});
after(() => place?.close());

/** Says that it runs, and does so until it is ended. */
const staying = ["sh", "-c", "echo ready; while :; do sleep 0.1; done"];

async function detach(command: readonly string[], flags: readonly string[] = []): Promise<string> {
  const ran = await place.run(["run", "--quiet", "--detach", ...flags, "--", ...command]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^\d{8}-\d{6}-[0-9a-f]{6}\n$/);
  return ran.stdout.trim();
}

async function until<T>(what: string, look: () => T | Promise<T>): Promise<NonNullable<T>> {
  for (const end = Date.now() + 15_000; ; ) {
    const found = await look();
    if (found) return found as NonNullable<T>;
    assert.ok(Date.now() < end, `never: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const printed = (id: string, text: string) =>
  until(`${id} prints ${text}`, () => place.file(id, "stdout.log").toString().includes(text));

interface Listed {
  readonly id: string;
  readonly state: string;
  readonly pid: number | null;
  readonly [name: string]: unknown;
}

async function list(...flags: readonly string[]): Promise<Listed[]> {
  const ran = await place.run(["ps", "--json", ...flags]);
  assert.equal(ran.code, 0, ran.stderr);
  return JSON.parse(ran.stdout) as Listed[];
}

const listed = async (id: string, ...flags: readonly string[]) => (await list(...flags)).find((one) => one.id === id);

/** Processes that work in this place, or were given something of it. */
function left(): string[] {
  const found: string[] = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      if (words !== "" && (readlinkSync(`/proc/${pid}/cwd`).startsWith(place.root) || words.includes(place.root)))
        found.push(`${pid} ${words}`);
    } catch (error) {
      assert.ok(["ENOENT", "ESRCH", "EACCES"].includes((error as NodeJS.ErrnoException).code ?? ""));
    }
  }
  return found;
}

function failure(ran: Ran): { code: string; place: string; remedy: string } {
  return (JSON.parse(ran.stderr.trim().split("\n").at(-1) ?? "") as { error: ReturnType<typeof failure> }).error;
}

test("run --detach comes back with the session's id when the agent runs, in a session of its own without our streams", async () => {
  const id = await detach(staying);
  await printed(id, "ready");
  const { pid } = (await listed(id)) as Listed;
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
  assert.deepEqual(
    [fields[2], fields[3], fields[4]],
    [String(pid), String(pid), "0"],
    "it leads its session, and has no terminal",
  );
  for (const fd of [0, 1]) assert.equal(readlinkSync(`/proc/${pid}/fd/${fd}`), "/dev/null");
  process.kill(pid as number, "SIGHUP");
  const stopped = await place.run(["stop", id]);
  assert.deepEqual([stopped.code, stopped.stdout], [0, `${id}\n`]);
  assert.equal((place.record(id).termination as { kind: string }).kind, "killed");
  assert.deepEqual(left(), []);
});

test("run --detach --json says the id, the process and the folder", async () => {
  const ran = await place.run(["run", "--json", "--detach", "--", "true"]);
  const { id, pid, folder } = JSON.parse(ran.stdout) as { id: string; pid: number; folder: string };
  assert.equal(folder, join(place.home, "sessions", id));
  assert.ok(Number.isInteger(pid));
});

const beginnings: readonly (readonly [
  title: string,
  flags: string[],
  command: string[],
  code: number,
  said: RegExp,
])[] = [
  ["no such program", [], ["no-such-program"], 127, /program_not_found/],
  ["a policy that cannot be read", ["--policy", "/no/such.toml"], ["true"], 125, /policy_unreadable/],
  ["no session to look at", ["--no-session"], ["true"], 125, /usage/],
  ["a folder that is no workspace", [], ["true"], 125, /workspace_refused/],
];
for (const [title, flags, command, code, said] of beginnings)
  test(`what goes wrong at the start of a detached run is told before it comes back: ${title}`, async () => {
    const cwd = said.source === "workspace_refused" ? { cwd: "/" } : {};
    const ran = await place.run(["run", "--detach", ...flags, "--", ...command], cwd);
    assert.deepEqual([ran.code, ran.stdout], [code, ""], ran.stderr);
    assert.match(ran.stderr, said);
  });

test("a notice about the start is told too, and a policy may come on stdin", async () => {
  const ran = await place.run(["run", "-d", "--env", "NOT_SET_HERE", "--policy", "-", "--", "true"], {
    input: '# zero_trust.runtime.v1\n[network]\nallow = ["example.com"]\n',
  });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /NOT_SET_HERE/);
});

test("ps shows what each run has asked for, ps --all how others ended, and ps --quiet ids alone", async () => {
  const done = await detach(["sh", "-c", "exit 3"]);
  await until("it ends", () => place.record(done).state === "ended");
  const asking = 'curl -s -o /dev/null http://example.com/ http://example.org/; echo asked; exec "$@"';
  const id = await detach(["sh", "-c", asking, "sh", ...staying]);
  await printed(id, "asked");
  const shown = await place.run(["ps"]);
  const [head = "", row = "", ...more] = shown.stdout.trimEnd().split("\n");
  assert.match(head, /^ID +AGENT +COMMAND +TIME +REQUESTS +ALLOWED\/DENIED +STATE$/);
  assert.match(row, new RegExp(`^${id} +local +sh -c .* +[\\d.]+m?s +2 +0/2 +running$`));
  assert.deepEqual(more, []);
  const { state, requests, allowed, denied, attached, terminal } = (await listed(id)) as Listed;
  assert.deepEqual(
    { state, requests, allowed, denied, attached, terminal },
    { state: "running", requests: 2, allowed: 0, denied: 2, attached: 0, terminal: false },
  );
  const all = await place.run(["ps", "--all"]);
  assert.match(all.stdout, new RegExp(`${done} .* exit 3\n`));
  assert.equal((await listed(done, "--all"))?.exit_code, 3);
  assert.equal((await place.run(["ps", "-q"])).stdout, `${id}\n`);
});

test("logs prints what was printed to the streams that it went to: all, the end, one of them, since", async () => {
  const id = await detach([
    "sh",
    "-c",
    "for i in 1 2 3; do echo out $i; echo err $i >&2; sleep 0.1; done; printf last",
  ]);
  const logs = async (...flags: readonly string[]) => {
    const { stdout, stderr, code } = await place.run(["logs", ...flags, id]);
    assert.equal(code, 0, stderr);
    return [stdout, stderr];
  };
  assert.deepEqual(await logs("--follow"), ["out 1\nout 2\nout 3\nlast", "err 1\nerr 2\nerr 3\n"]);
  assert.deepEqual(await logs(), ["out 1\nout 2\nout 3\nlast", "err 1\nerr 2\nerr 3\n"]);
  assert.deepEqual(await logs("-n", "1"), ["last", ""]);
  assert.deepEqual(await logs("-n", "3"), ["out 3\nlast", "err 3\n"]);
  assert.deepEqual(await logs("-n", "100"), await logs());
  assert.deepEqual(await logs("--stderr", "-n", "2"), ["", "err 2\nerr 3\n"]);
  assert.deepEqual(await logs("--stdout", "--stderr"), await logs());
  assert.deepEqual(await logs("--since", "1h"), await logs());
  assert.deepEqual(await logs("--since", "2100-01-01"), ["", ""]);
  const [chunks = ""] = await logs("--json", "--stdout");
  const bytes = chunks
    .trimEnd()
    .split("\n")
    .map((line) => Buffer.from((JSON.parse(line) as { base64: string }).base64, "base64"));
  assert.equal(Buffer.concat(bytes).toString(), "out 1\nout 2\nout 3\nlast");
  for (const wrong of [
    ["--since", "yesterday"],
    ["-n", "0"],
    ["-n", "x"],
  ])
    assert.equal((await place.run(["logs", ...wrong, id])).code, 125);
  assert.equal(failure(await place.run(["logs", "--json", "nothing"])).code, "session_unknown");
});

test("attach without a terminal passes on both streams and ends as the run does", async () => {
  const id = await detach(["sh", "-c", "while ! [ -e go ]; do sleep 0.05; done; echo out; echo err >&2; exit 7"]);
  const watching = collect(place.start(["attach", id]));
  await until("somebody is attached", async () => (await listed(id))?.attached === 1);
  writeFileSync(join(place.workspace, "go"), "");
  const ran = await watching;
  assert.deepEqual([ran.code, ran.stdout, ran.stderr], [7, "out\n", "err\n"]);
  const events = place.events(id).filter(({ type }) => type === "control.received");
  assert.deepEqual(
    events.map(({ detail }) => (detail as { verb: string }).verb),
    ["attach"],
  );
});

test("a signal ends the watching and not the run; two may watch at once", async () => {
  const id = await detach(staying);
  const [first, second] = [place.start(["attach", id]), place.start(["attach", "--no-input", "last"])];
  const [one, other] = [collect(first), collect(second)];
  await until("both are attached", async () => (await listed(id))?.attached === 2);
  first.kill("SIGINT");
  assert.equal((await one).code, 130);
  await until("one has gone", async () => (await listed(id))?.attached === 1);
  const killed = await place.run(["kill", id]);
  assert.deepEqual([killed.code, killed.stdout], [0, `${id}\n`]);
  assert.equal((await other).code, 120);
  assert.deepEqual(left(), []);
});

test("a watcher that takes nothing holds the agent up for seconds and not for ever, and is told so", async () => {
  const id = await detach(["sh", "-c", 'while ! [ -e flood ]; do sleep 0.05; done; exec yes "$(seq 1000)"']);
  const child = place.start(["attach", id]);
  const ended = collect(child);
  const attached = async () => (await listed(id))?.attached;
  await until("it is attached", async () => (await attached()) === 1);
  child.kill("SIGSTOP");
  writeFileSync(join(place.workspace, "flood"), "");
  await until("it is let go", async () => (await attached()) === 0);
  const size = () => statSync(join(place.home, "sessions", id, "stdout.log")).size;
  const before = size();
  await until("the agent prints on", () => size() > before);
  child.kill("SIGCONT");
  assert.equal((await ended).code, 1);
  assert.match((await ended).stderr, /taken nothing for too long.*session_unreachable/);
  assert.equal((await place.run(["kill", id])).code, 0);
});

test("whoever watches a run whose sallyport is killed is told that it is gone", async () => {
  const id = await detach(staying);
  const ended = collect(place.start(["attach", id]));
  const { pid } = await until("it is attached", async () => (await list()).find(({ attached }) => attached === 1));
  process.kill(pid as number, "SIGKILL");
  const { code, stderr } = await ended;
  assert.equal(code, 1);
  assert.match(stderr, /its boundary is gone.*session_not_running/);
});

test("stop gives the grace that it is told, and an agent that uses it has its last word", async () => {
  const id = await detach(["sh", "-c", "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.1; done"]);
  await printed(id, "ready");
  const stopped = await place.run(["stop", "--grace", "1m", "--json", id.slice(0, -1)]);
  assert.deepEqual(JSON.parse(stopped.stdout), [{ id, state: "killed" }]);
  assert.match(place.file(id, "stdout.log").toString(), /bye/);
  const [event] = place.events(id).filter(({ type }) => type === "control.received");
  assert.deepEqual(event?.detail, { verb: "stop", grace: 60 });
});

test("kill ends an agent that ignores SIGTERM at once, with everything that it has started", async () => {
  const id = await detach([
    "sh",
    "-c",
    "trap '' TERM; (setsid sleep 1000 &) ; nohup sleep 1000 & echo ready; while :; do sleep 1; done",
  ]);
  await printed(id, "ready");
  const begun = performance.now();
  const killed = await place.run(["kill", id]);
  assert.equal(killed.code, 0, killed.stderr);
  assert.ok(performance.now() - begun < 4_000, "no grace was given");
  assert.equal((place.record(id).termination as { kind: string }).kind, "killed");
  assert.equal(existsSync(join(place.home, "sessions", id, "control.sock")), false);
  assert.deepEqual(left(), []);
});

test("a second stop without grace ends the grace of the first", async () => {
  const id = await detach(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"]);
  await printed(id, "ready");
  const first = collect(place.start(["stop", "--grace", "10m", id]));
  await until("it is ending", async () => (await listed(id))?.ending === "killed");
  assert.match((await place.run(["ps"])).stdout, /ending\n/);
  assert.equal((await place.run(["stop", "--grace", "0", id])).code, 0);
  assert.deepEqual([(await first).code, (await first).stdout], [0, `${id}\n`]);
});

test("kill --all ends all, stop takes several, and one that is not there does not keep the others", async () => {
  const ids = [await detach(staying), await detach(staying), await detach(staying)];
  const [first = "", second = "", third = ""] = ids;
  const stopped = await place.run(["stop", first, "nothing", first]);
  assert.deepEqual([stopped.code, stopped.stdout], [1, `${first}\n`]);
  assert.match(stopped.stderr, /nothing.*session_unknown/);
  const killed = await place.run(["kill", "--all"]);
  assert.deepEqual([killed.code, killed.stdout.trim().split("\n").sort()], [0, [second, third].sort()]);
  assert.deepEqual(await list(), []);
  assert.deepEqual(left(), []);
});

test("a run that is stopped does not answer: ps says so, stop says what to do, kill ends it", async () => {
  const id = await detach(staying);
  const { pid } = (await listed(id)) as Listed;
  process.kill(pid as number, "SIGSTOP");
  assert.equal((await listed(id))?.state, "no_answer");
  assert.match((await place.run(["ps"])).stdout, /no answer\n/);
  const stopped = await place.run(["stop", "--json", id]);
  assert.equal(stopped.code, 1);
  assert.equal(failure(stopped).code, "session_unreachable");
  assert.match(failure(stopped).remedy, new RegExp(`sallyport kill ${id}`));
  const attached = await place.run(["attach", id]);
  assert.equal(attached.code, 1);
  assert.match(attached.stderr, /session_unreachable/);
  const killed = await place.run(["kill", id]);
  assert.deepEqual([killed.code, killed.stdout], [0, `${id}\n`], killed.stderr);
  assert.equal((await listed(id, "--all"))?.state, "lost");
  await until("nothing is left", () => left().length === 0);
});

test("a run whose sallyport was killed is lost, and no other process is ever taken for it", async () => {
  const id = await detach(staying);
  const { pid } = (await listed(id)) as Listed;
  process.kill(pid as number, "SIGKILL");
  await until("its cell is gone", () => left().length === 0);
  assert.deepEqual(await list(), []);
  assert.match((await place.run(["ps", "--all"])).stdout, new RegExp(`${id} .* lost\n`));
  // As if its number had been given to another process since: this one, which stays alive.
  const file = join(place.home, "sessions", id, "session.json");
  writeFileSync(file, readFileSync(file, "utf8").replace(`"pid": ${pid}`, `"pid": ${process.pid}`));
  for (const verb of ["stop", "kill", "attach"]) {
    const ran = await place.run([verb, id, ...(verb === "attach" ? [] : ["--json"])]);
    assert.equal(ran.code, 1);
    assert.match(ran.stderr, /session_not_running/);
    assert.match(ran.stderr, /lost/);
  }
  assert.deepEqual(await list(), []);
});

test("which run is meant must be clear: an id, the beginning of exactly one, or last", async () => {
  const [first, second] = [await detach(staying), await detach(staying)];
  const both = await place.run(["stop", "20", "--json"]);
  assert.deepEqual([both.code, failure(both).code], [1, "session_unknown"]);
  const none = await place.run(["kill", "--json"]);
  assert.deepEqual([none.code, failure(none).code], [125, "usage"]);
  const much = await place.run(["kill", "--all", first, "--json"]);
  assert.deepEqual([much.code, failure(much).code], [125, "usage"]);
  assert.equal((await place.run(["kill", "last"])).stdout, `${[first, second].sort().at(-1)}\n`);
  const over = await place.run(["stop", "--json", (await list())[0]?.id === first ? second : first]);
  assert.deepEqual([over.code, failure(over).code], [1, "session_not_running"]);
});

test("a run in somebody's hands is listed and ended like one in nobody's", async () => {
  const child = place.start(["run", "--quiet", "--", ...staying]);
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  const over = collect(child);
  const one = await until("it is listed", async () => (await list())[0]);
  assert.equal(one?.pid, child.pid);
  await until("it answers", async () => (await listed(one?.id ?? ""))?.state === "running");
  assert.equal((await place.run(["kill", "last"])).code, 0);
  assert.equal((await over).code, 120);
});

test("a run that is kept as no session is listed, watched and ended like any other", async () => {
  const child = place.start(["run", "--quiet", "--no-session", "--", ...staying]);
  const over = collect(child);
  const one = await until("it is listed", async () => (await list())[0]);
  assert.deepEqual([one.pid, one.state, one.command], [child.pid, "running", staying]);
  assert.match((await place.run(["ps"])).stdout, new RegExp(`${one.id} +local +sh -c .* +0/0 +running\n`));
  const stopped = await place.run(["stop", "--json", "last"]);
  assert.deepEqual(JSON.parse(stopped.stdout), [{ id: one.id, state: "ended" }]);
  assert.equal((await over).code, 120);
  assert.deepEqual(await list(), []);
  const lost = place.start(["run", "--quiet", "--no-session", "--", ...staying]);
  const gone = collect(lost);
  await until("it is listed", async () => (await list())[0]);
  lost.kill("SIGKILL");
  await gone;
  assert.deepEqual(await list(), [], "nobody answers there any more");
  assert.equal((await place.run(["kill", "--all"])).code, 0);
});

test("a home deeper than a socket's path may be long changes nothing", async () => {
  const home = join(place.root, "a-home-that-is-deeper".repeat(5), "than-most".repeat(10));
  mkdirSync(home, { recursive: true, mode: 0o700 });
  const env = { SALLYPORT_HOME: home };
  const ran = await place.run(["run", "-q", "-d", "--", ...staying], { env });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match((await place.run(["ps"], { env })).stdout, new RegExp(`${ran.stdout.trim()} .* running\n`));
  assert.equal((await place.run(["kill", "last"], { env })).stdout, ran.stdout);
  for (const id of readdirSync(join(home, "sessions"))) await place.run(["sessions", "show", id], { env });
});

test("no cell sees a control socket, its own or another's", async () => {
  const id = await detach(staying);
  const socket = join(place.home, "sessions", id, "control.sock");
  const dial = `import socket,sys
s = socket.socket(socket.AF_UNIX)
try: s.connect(sys.argv[1])
except OSError as error: print(type(error).__name__)
else: print("connected")`;
  const ran = await place.run([
    "run",
    "-q",
    "--",
    "sh",
    "-c",
    'ls "$1"; exec python3 -c "$2" "$3"',
    "sh",
    place.home,
    dial,
    socket,
  ]);
  assert.equal(ran.stdout, "FileNotFoundError\n", ran.stderr);
  assert.ok(existsSync(socket));
});

test("each of these commands says how it is used", async () => {
  for (const name of ["ps", "logs", "attach", "stop", "kill"]) {
    const ran = await place.run([name, "--help"]);
    assert.equal(ran.code, 0, program);
    assert.match(ran.stdout, new RegExp(`^Usage: sallyport ${name} `));
    assert.match(ran.stdout, /Exit code|bytes are what|STATE:/);
    const wrong = await place.run([name, "--no-such-flag"]);
    assert.equal(wrong.code, 125);
    assert.match(wrong.stderr, /no-such-flag/);
  }
});
