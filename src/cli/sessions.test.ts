// The commands that read a home, as a person runs them.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSample, temporaryFolder, writeSample } from "#test/log/sample.ts";
import { openHome } from "./home.ts";

const program = join(import.meta.dirname, "../../bin/sallyport.ts");

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function sallyport(home: string, ...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    const env = { PATH: process.env.PATH, HOME: home, SALLYPORT_HOME: home };
    const child = execFile(process.execPath, [program, ...args], { env }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

function emptyHome(): { path: string; sessions: string } {
  return openHome({ SALLYPORT_HOME: temporaryFolder() });
}

test("a home without sessions lists none", async () => {
  const { code, stdout } = await sallyport(emptyHome().path, "sessions", "list");
  assert.equal(code, 0);
  assert.equal(stdout, "ID  STARTED  AGENT  COMMAND  DURATION  EXIT  TERMINATION  ALLOWED  DENIED\n");
});

test("sessions list shows what ran, runs, and was lost, newest first", async () => {
  const { path, sessions } = emptyHome();
  const ended = await writeSample(sessions, { now: () => Date.parse("2026-01-01T00:00:00Z") });
  const lost = await writeSample(sessions, { end: false, now: () => Date.parse("2026-01-02T00:00:00Z") });
  const file = join(lost.path, "session.json");
  writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), pid_start: "1" }));
  const running = openSample(sessions, {
    now: () => Date.parse("2026-01-03T00:00:00Z"),
    command: ["sh", "-c", "echo \u001b[31m'"],
  });
  const { stdout } = await sallyport(path, "sessions", "list");
  const rows = stdout
    .trimEnd()
    .split("\n")
    .map((line) => line.split(/ {2,}/));
  assert.deepEqual(rows[0], [
    "ID",
    "STARTED",
    "AGENT",
    "COMMAND",
    "DURATION",
    "EXIT",
    "TERMINATION",
    "ALLOWED",
    "DENIED",
  ]);
  assert.deepEqual(rows[1]?.toSpliced(4, 1), [
    running.folder.id,
    "2026-01-03 00:00:00",
    "local",
    "sh -c 'echo \\u001b[31m'\\'''",
    "-",
    "running",
    "-",
    "-",
  ]);
  assert.deepEqual(rows[2], [
    lost.id,
    "2026-01-02 00:00:00",
    "local",
    "agent --do it",
    "-",
    "-",
    "boundary_lost",
    "-",
    "-",
  ]);
  assert.deepEqual(rows[3]?.toSpliced(4, 1), [
    ended.id,
    "2026-01-01 00:00:00",
    "local",
    "agent --do it",
    "3",
    "-",
    "1",
    "1",
  ]);

  const listed = JSON.parse((await sallyport(path, "sessions", "list", "--json", "-n", "2")).stdout);
  assert.deepEqual(
    listed.map(({ id, state }: { id: string; state: string }) => [id, state]),
    [
      [running.folder.id, "running"],
      [lost.id, "boundary_lost"],
    ],
  );
  assert.equal(listed[1].termination.kind, "boundary_lost");
  assert.deepEqual(JSON.parse((await sallyport(path, "sessions", "list", "--json", "--agent", "other")).stdout), []);
  assert.equal((await sallyport(path, "sessions", "list", "-n", "0")).code, 125);
});

test("sessions show says who, what, how it ended, what each host was asked, and whether the log holds", async () => {
  const { path, sessions } = emptyHome();
  const { id } = await writeSample(sessions);
  const { code, stdout } = await sallyport(path, "sessions", "show", "last");
  assert.equal(code, 0);
  for (const line of [
    new RegExp(`^session +${id}$`, "m"),
    /^agent +local, answered for by you@example.com$/m,
    /^exit +3$/m,
    /^log +intact, 10 events$/m,
    /^HOST +ALLOWED +DENIED +LOOKUPS +REASONS$/m,
    /^evil\.example +0 +1 +1 +domain_not_allowed$/m,
    /^example\.com +1 +0 +0 +-$/m,
  ]) {
    assert.match(stdout, line);
  }
  const shown = JSON.parse((await sallyport(path, "sessions", "show", id.slice(0, 17), "--json")).stdout);
  assert.equal(shown.verification.status, "intact");
  assert.deepEqual(shown.hosts[0], {
    host: "evil.example",
    allowed: 0,
    denied: 1,
    lookups: 1,
    reasons: { domain_not_allowed: 1 },
  });
});

test("sessions events prints the log, chosen by type and decision, and no control character of the agent's", async () => {
  const { path, sessions } = emptyHome();
  const { path: folder } = await writeSample(sessions);
  const whole = await sallyport(path, "sessions", "events", "last", "--json");
  assert.equal(whole.stdout, readFileSync(join(folder, "events.jsonl"), "utf8"));
  const denied = await sallyport(path, "sessions", "events", "last", "--denied");
  const [name, request] = denied.stdout.trimEnd().split("\n");
  assert.match(String(name), / 6 {2}denied {2}DNS A evil\.example \(domain_not_allowed\)$/);
  assert.match(String(request), / 7 {2}denied {2}GET https:\/\/evil\.example:443\/x \(domain_not_allowed\)$/);
  const output = await sallyport(path, "sessions", "events", "last", "--type", "output");
  assert.match(output.stdout, /stdout 6 bytes at 0\n.*stderr 11 bytes at 0\n$/);
});

test("sessions events --follow goes on until the session ends", async () => {
  const { path, sessions } = emptyHome();
  const { log, recorder, folder } = openSample(sessions);
  const env = { SALLYPORT_HOME: path, HOME: path };
  const child = spawn(process.execPath, [program, "sessions", "events", folder.id, "-f"], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  let text = "";
  const saw = (what: string) =>
    new Promise<void>((resolve) => {
      const look = () => text.includes(what) && resolve();
      child.stdout.on("data", look);
      look();
    });
  child.stdout.on("data", (chunk: Buffer) => (text += chunk));
  await saw("sandbox.ready");
  log.append({ type: "boundary.failed", detail: { why: "a test" } });
  await saw("boundary.failed");
  await recorder.end({ exit_code: 0, signal: null, termination: null });
  const [code] = await closed;
  assert.equal(code, 0);
  assert.match(text, /session\.ended/);
});

test("replay gives the exact bytes to the right streams", async () => {
  const { path, sessions } = emptyHome();
  await writeSample(sessions);
  const { stdout, stderr, code } = await sallyport(path, "replay", "last", "--no-delay");
  assert.deepEqual({ stdout, stderr, code }, { stdout: "hello\n", stderr: "oh\u001b[31m no\n", code: 0 });
  const chunks = (await sallyport(path, "replay", "last", "--json")).stdout
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    chunks.map(({ stream, base64 }) => [stream, Buffer.from(base64, "base64").toString()]),
    [
      ["stdout", "hello\n"],
      ["stderr", "oh\u001b[31m no\n"],
    ],
  );
  assert.equal((await sallyport(path, "replay", "last", "--speed", "0")).code, 125);
});

test("a replay that nobody reads to its end ends quietly", async () => {
  const { path, sessions } = emptyHome();
  const { recorder } = openSample(sessions);
  for (let n = 0; n < 40; n++) recorder.output("stdout", Buffer.alloc(65_536, 97));
  await recorder.end({ exit_code: 0, signal: null, termination: null });
  const child = spawn(process.execPath, [program, "replay", "last", "--no-delay"], {
    env: { SALLYPORT_HOME: path, HOME: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk));
  await once(child.stdout, "data");
  child.stdout.destroy();
  const [code] = await once(child, "close");
  assert.equal(errors, "");
  assert.equal(code, 141, "as if by SIGPIPE");
});

test("audit verify tells intact, broken and cut by its exit code, and where", async () => {
  const { path, sessions } = emptyHome();
  const intact = await writeSample(sessions);
  const first = await sallyport(path, "audit", "verify", "last");
  assert.equal(first.code, 0);
  assert.match(first.stdout, /^intact: 10 events/);

  chmodSync(intact.path, 0o700);
  const file = join(intact.path, "events.jsonl");
  chmodSync(file, 0o600);
  writeFileSync(file, readFileSync(file, "utf8").replace('"/a"', '"/b"'));
  const second = await sallyport(path, "audit", "verify", intact.id);
  assert.equal(second.code, 1);
  assert.match(second.stdout, /^broken: .*\n {2}events\.jsonl:6: .*\(link_broken\)/);
  assert.equal(JSON.parse((await sallyport(path, "audit", "verify", intact.path, "--json")).stdout).status, "broken");

  const cut = await writeSample(sessions, { end: false });
  const record = join(cut.path, "session.json");
  const text = readFileSync(record, "utf8");
  assert.match((await sallyport(path, "audit", "verify", cut.id)).stdout, /^not ended: .*still running/);
  writeFileSync(record, JSON.stringify({ ...JSON.parse(text), pid_start: "1" }));
  const third = await sallyport(path, "audit", "verify", cut.id);
  assert.equal(third.code, 3);
  assert.match(third.stdout, /^cut tail: /);
});

for (const args of [["sessions", "show"], ["sessions", "events"], ["replay"], ["audit", "verify"]]) {
  test(`${args.join(" ")} of a session that is not there says how to find one`, async () => {
    const { code, stderr } = await sallyport(emptyHome().path, ...args, "2026", "--json");
    assert.equal(code, 1);
    const { error } = JSON.parse(stderr);
    assert.equal(error.code, "session_unknown");
    assert.equal(error.place, "2026");
    assert.match(error.remedy, /sallyport sessions list/);
  });
}
