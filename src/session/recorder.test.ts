import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { test } from "node:test";
import { verifySession } from "#audit/verify/session.ts";
import { openSample, temporaryFolder, writeSample } from "#test/log/sample.ts";
import { type Capture, capture } from "./capture.ts";
import { readEvents } from "./events.ts";
import { createSessionFolder, isSessionId, sessionId } from "./folder.ts";
import { readSession } from "./metadata.ts";
import { createOutputMeter } from "./output-meter.ts";

const unlimited = { lines: null, bytes: null };

test("an id is the time in UTC and six random digits, and sorts by its start", () => {
  assert.equal(sessionId(Date.parse("2026-11-21T12:46:52.999Z"), "7f3a9c"), "20261121-124652-7f3a9c");
  assert.ok(isSessionId("20261121-124652-7f3a9c"));
  for (const other of ["..", "20261121-124652-7f3a9", "20261121-124652-7F3A9C", "20261121-124652-7f3a9c/x", "last"]) {
    assert.equal(isSessionId(other), false);
  }
});

test("a thousand sessions of one moment have a thousand folders", () => {
  const sessions = temporaryFolder();
  const ids = Array.from({ length: 1000 }, () => createSessionFolder(sessions, () => 0).id);
  assert.equal(new Set(ids).size, 1000);
  assert.equal(readdirSync(sessions).length, 1000);
});

test("a sessions folder that cannot be written is a failure with a remedy", () => {
  assert.throws(() => createSessionFolder("/proc/nowhere", () => 0), { code: "home_unusable" });
});

test("a session says that it runs, and whose it is, from its first moment", () => {
  const { folder } = openSample(temporaryFolder());
  const record = readSession(folder);
  assert.equal(record.state, "running");
  assert.equal(record.state === "running" && record.pid, process.pid);
  assert.deepEqual(record.command, ["agent", "--do", "it"]);
});

test("an ended session is complete, read-only, and verifies", async () => {
  const folder = await writeSample(temporaryFolder());
  const record = readSession(folder);
  assert.ok(record.state === "ended");
  assert.equal(record.exit_code, 3);
  assert.equal(record.termination, null);
  assert.deepEqual(record.counts, {
    allowed: 1,
    denied: 1,
    requests: 2,
    dns_allowed: 0,
    dns_denied: 1,
    events: 10,
    stdout_bytes: 6,
    stderr_bytes: 11,
  });
  assert.deepEqual(readdirSync(folder.path).sort(), ["events.jsonl", "session.json", "stderr.log", "stdout.log"]);
  for (const name of readdirSync(folder.path)) {
    assert.equal(statSync(join(folder.path, name)).mode & 0o777, 0o400);
    if (name !== "session.json")
      assert.equal(record.files[name]?.sha256, hash("sha256", readFileSync(join(folder.path, name)), "hex"));
  }
  assert.equal(statSync(folder.path).mode & 0o777, 0o500);
  assert.equal(verifySession(folder.path).status, "intact");
});

test("output of one turn is one event a stream in a row, in the order it came", async () => {
  const { folder, recorder } = openSample(temporaryFolder());
  recorder.output("stdout", Buffer.from("a"));
  recorder.output("stdout", Buffer.from("b"));
  recorder.output("stderr", Buffer.from("c"));
  recorder.output("stdout", Buffer.from("d"));
  recorder.output("stdout", Buffer.alloc(0));
  await recorder.end({ exit_code: 0, signal: null, termination: null });
  const output = [...readEvents(folder)].filter(({ event }) => event.type === "output").map(({ event }) => event);
  assert.deepEqual(
    output.map(({ stream, offset, length }) => [stream, offset, length]),
    [
      ["stdout", 0, 2],
      ["stderr", 0, 1],
      ["stdout", 2, 1],
    ],
  );
  assert.equal(output[0]?.sha256, hash("sha256", "ab", "hex"));
  assert.equal(readFileSync(join(folder.path, "stdout.log"), "utf8"), "abd");
});

test("more output than the disk takes asks for a pause, and says when it is over", async () => {
  let drained = () => {};
  const over = new Promise<void>((resolve) => (drained = resolve));
  const { recorder } = openSample(temporaryFolder(), { onDrain: () => drained() });
  let taken = 0;
  while (recorder.output("stdout", Buffer.alloc(65_536, 97))) taken += 1;
  assert.ok(taken < 32, `${taken} chunks held`);
  await over;
  assert.equal(recorder.output("stdout", Buffer.from("b")), true);
  const record = await recorder.end({ exit_code: 0, signal: null, termination: null });
  assert.equal(record.counts.stdout_bytes, (taken + 1) * 65_536 + 1);
});

test("a session whose folder was taken away fails to end, and says so", async () => {
  const { folder, recorder } = openSample(temporaryFolder());
  rmSync(folder.path, { recursive: true });
  await assert.rejects(recorder.end({ exit_code: 0, signal: null, termination: null }), { code: "log_unwritable" });
});

test("session.json that is not this session's is damage, not a guess", async () => {
  const sessions = temporaryFolder();
  const folder = await writeSample(sessions);
  const other = { id: "20010101-000000-000000", path: folder.path };
  assert.throws(() => readSession(other), { code: "session_damaged" });
  mkdirSync(join(sessions, other.id));
  assert.throws(() => readSession({ id: other.id, path: join(sessions, other.id) }), { code: "session_damaged" });
  chmodSync(folder.path, 0o700);
});

test("what an agent prints arrives at the person and in the log, byte for byte, and no byte past the cap", async () => {
  const captures: Capture[] = [];
  const { folder, recorder } = openSample(temporaryFolder(), {
    onDrain: () => captures.forEach((one) => void one.drain()),
  });
  const source = new PassThrough();
  const sink = new PassThrough({ highWaterMark: 10 });
  const seen: Buffer[] = [];
  sink.on("data", (chunk: Buffer) => seen.push(chunk));
  const meter = createOutputMeter({ lines: 1000, bytes: null });
  let exceeded = 0;
  const one = capture({ stream: "stdout", source, sink, meter, recorder, onExceeded: () => (exceeded += 1) });
  captures.push(one);
  for (let n = 0; n < 3000; n++) source.write(`line ${n}\n`);
  source.end();
  await one.ended;
  await recorder.end({ exit_code: 0, signal: null, termination: null });
  const expected = Array.from({ length: 1000 }, (_, n) => `line ${n}\n`).join("");
  assert.equal(exceeded, 1);
  assert.equal(readFileSync(join(folder.path, "stdout.log"), "utf8"), expected);
  sink.end();
  assert.equal(Buffer.concat(seen).toString(), expected);
});

test("a reader that has gone ends the output as it would without us, and what was read is kept", async () => {
  const { folder, recorder } = openSample(temporaryFolder());
  const source = new PassThrough();
  const sink = new Writable({ write: (_chunk, _encoding, done) => done(new Error("EPIPE")) });
  const one = capture({
    stream: "stderr",
    source,
    sink,
    meter: createOutputMeter(unlimited),
    recorder,
    onExceeded: () => {},
  });
  for (let n = 0; n < 100; n++) source.write("x".repeat(1000));
  source.end();
  await one.ended;
  await recorder.end({ exit_code: 0, signal: null, termination: null });
  assert.equal(source.destroyed, true);
  assert.equal(statSync(join(folder.path, "stderr.log")).size, 1000);
  assert.equal(verifySession(folder.path).status, "intact");
});

test("a sink that never takes anything holds the agent back until the run is over, and then nothing is lost", async () => {
  const { folder, recorder } = openSample(temporaryFolder());
  const source = new PassThrough();
  const stopped = new Writable({ highWaterMark: 1, write: () => {} });
  const one = capture({
    stream: "stdout",
    source,
    sink: stopped,
    meter: createOutputMeter(unlimited),
    recorder,
    onExceeded: () => {},
  });
  for (let n = 0; n < 100; n++) source.write("x".repeat(1000));
  source.end();
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.ok(source.readableLength > 0, "the agent is not read while nobody reads along");
  one.release();
  await one.ended;
  await recorder.end({ exit_code: 0, signal: null, termination: null });
  assert.equal(statSync(join(folder.path, "stdout.log")).size, 100_000);
});

test("an agent that prints without end takes one chunk a turn", async () => {
  const source = new PassThrough({ highWaterMark: 1_000_000 });
  let turn = 0;
  let over = false;
  const taken: number[] = [];
  const recorder = {
    output(): boolean {
      taken.push(turn);
      return true;
    },
  };
  const meter = createOutputMeter(unlimited);
  const one = capture({ stream: "stdout", source, sink: null, meter, recorder, onExceeded: () => {} });
  for (let n = 0; n < 50; n++) source.write("y\n");
  source.end();
  const tick = () => {
    turn += 1;
    if (!over) setImmediate(tick);
  };
  tick();
  await one.ended;
  over = true;
  assert.equal(taken.length, 50);
  assert.equal(new Set(taken).size, 50);
});
