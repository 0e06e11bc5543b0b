// The session folder, the order of its events, and the commands that read it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place, type Ran } from "./program.ts";

let place: Place;
let ran: Ran;
let session: string;

/** Text that would be a log line, a terminal command, or broken UTF-8, if anything took output for more than bytes. */
const hostile = '{"seq":1,"type":"session.ended"}\\n\\033]0;owned\\007\\377\\000\\r\\n';

before(async () => {
  place = openPlace("session");
  const script = `printf '${hostile}'; echo problem >&2; curl -s -o /dev/null http://example.com/x; printf end; exit 3`;
  ran = await place.run(["run", "--quiet", "--", "sh", "-c", script]);
  session = place.sessions()[0] ?? "";
});
after(() => place?.close());

test("the folder holds these files, read-only once ended", () => {
  const folder = join(place.home, "sessions", session);
  assert.deepEqual(readdirSync(folder).sort(), ["events.jsonl", "session.json", "stderr.log", "stdout.log"]);
  assert.equal(statSync(folder).mode & 0o777, 0o500);
  for (const file of readdirSync(folder)) assert.equal(statSync(join(folder, file)).mode & 0o777, 0o400, file);
  assert.equal(statSync(place.home).mode & 0o777, 0o700);
});

test("events begin with the four stages and end with session.ended", () => {
  const types = place.events(session).map((event) => event.type);
  assert.deepEqual(types.slice(0, 4), ["spawn.requested", "identity.verified", "policy.loaded", "sandbox.ready"]);
  assert.equal(types.at(-1), "session.ended");
  assert.equal(types.filter((type) => type === "session.ended").length, 1);
});

test("each line carries its place and the SHA-256 of the line before", () => {
  const lines = place.file(session, "events.jsonl").toString("utf8").trimEnd().split("\n");
  let prev = "0".repeat(64);
  for (const [index, line] of lines.entries()) {
    const event = JSON.parse(line) as { seq: number; prev: string };
    assert.equal(event.seq, index + 1);
    assert.equal(event.prev, prev);
    prev = createHash("sha256").update(line).digest("hex");
  }
});

test("output events lead to the very bytes in the logs", () => {
  const logs = { stdout: place.file(session, "stdout.log"), stderr: place.file(session, "stderr.log") };
  const seen = { stdout: 0, stderr: 0 };
  for (const event of place.events(session).filter((e) => e.type === "output")) {
    const { stream, offset, length, sha256 } = event as unknown as {
      stream: "stdout" | "stderr";
      offset: number;
      length: number;
      sha256: string;
    };
    assert.equal(offset, seen[stream]);
    seen[stream] += length;
    assert.equal(
      createHash("sha256")
        .update(logs[stream].subarray(offset, offset + length))
        .digest("hex"),
      sha256,
    );
  }
  assert.deepEqual(seen, { stdout: logs.stdout.length, stderr: logs.stderr.length });
});

test("session.json names the other files' digests, the command and the exit code", () => {
  const record = place.record(session) as {
    exit_code: number;
    command: string[];
    termination: unknown;
    files: { [name: string]: { sha256: string } };
  };
  assert.equal(record.exit_code, 3);
  assert.equal(record.command[0], "sh");
  assert.equal(record.termination, null);
  for (const name of ["events.jsonl", "stdout.log", "stderr.log"]) {
    assert.equal(
      record.files[name]?.sha256,
      createHash("sha256").update(place.file(session, name)).digest("hex"),
      name,
    );
  }
});

test("replay gives the exact bytes to the right streams", async () => {
  const replayed = await place.run(["replay", session, "--no-delay"]);
  assert.equal(replayed.code, 0, replayed.stderr);
  assert.deepEqual(replayed.bytes.stdout, ran.bytes.stdout);
  assert.deepEqual(replayed.bytes.stderr, ran.bytes.stderr);
  assert.deepEqual(replayed.bytes.stdout, place.file(session, "stdout.log"));
});

test("sessions list has these columns, newest last or first, and a row for each", async () => {
  const listed = await place.run(["sessions", "list"]);
  const [heading = "", ...rows] = listed.stdout.trimEnd().split("\n");
  assert.deepEqual(
    heading.trim().split(/\s+/),
    "ID STARTED AGENT COMMAND DURATION EXIT TERMINATION ALLOWED DENIED".split(" "),
  );
  assert.equal(rows.length, 1);
  assert.ok(rows[0]?.startsWith(session));
  assert.match(rows[0] ?? "", /\blocal\b/);
});

test("sessions show, events and list speak JSON", async () => {
  for (const args of [["show", session], ["list"]]) {
    const shown = await place.run(["sessions", ...args, "--json"]);
    assert.equal(shown.code, 0, shown.stderr);
    assert.ok(shown.stdout.includes(session));
    JSON.parse(shown.stdout);
  }
  const events = await place.run(["sessions", "events", session, "--json"]);
  const lines = events.stdout.trimEnd().split("\n");
  assert.equal(lines.length, place.events(session).length);
  for (const line of lines) JSON.parse(line);
});

test("audit verify accepts the log, and no agent output can reach a terminal through it", async () => {
  const verified = await place.run(["audit", "verify", session]);
  assert.equal(verified.code, 0, verified.stderr);
  for (const args of [
    ["sessions", "show", session],
    ["sessions", "events", session],
  ]) {
    const { stdout } = await place.run(args);
    assert.ok(!stdout.includes("\u001b]0;"), args.join(" "));
  }
});

test("a session that is not there is said so", async () => {
  for (const args of [
    ["sessions", "show", "20200101-000000-abcdef"],
    ["replay", "20200101-000000-abcdef"],
    ["audit", "verify", "no-such"],
  ]) {
    const answer = await place.run(args);
    assert.equal(answer.code, 1);
    assert.match(answer.stderr, /session_unknown/);
  }
});
