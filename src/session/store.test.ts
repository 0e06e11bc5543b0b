import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSample, temporaryFolder, writeSample } from "#test/log/sample.ts";
import { findSession, openSession, sessionIds, terminationOf } from "./store.ts";

test("sessions are listed newest first, and nothing else that lies there is", async () => {
  const sessions = temporaryFolder();
  const at = (time: string) => writeSample(sessions, { now: () => Date.parse(time) });
  const old = await at("2025-01-01T00:00:00Z");
  const young = await at("2026-01-01T00:00:00Z");
  mkdirSync(join(sessions, ".tmp"));
  writeFileSync(join(sessions, "20261121-124652-7f3a9c.bak"), "");
  assert.deepEqual(sessionIds(sessions), [young.id, old.id]);
  assert.equal(findSession(sessions, "last").id, young.id);
  assert.equal(findSession(sessions, "2025").id, old.id);
  assert.equal(findSession(sessions, young.id).id, young.id);
  assert.throws(() => findSession(sessions, "20"), { code: "session_unknown" });
  assert.throws(() => findSession(sessions, "2024"), { code: "session_unknown" });
  assert.throws(() => findSession(sessions, ""), { code: "session_unknown" });
  assert.throws(() => findSession(sessions, "../sessions"), { code: "session_unknown" });
});

test("of sessions that began in one second, the last is the one that began last", async () => {
  for (const turn of [1, 2, 3, 4, 5, 6]) {
    const sessions = temporaryFolder();
    const first = await writeSample(sessions, { now: () => Date.parse(`2026-01-01T00:00:0${turn}.100Z`) });
    const second = await writeSample(sessions, { now: () => Date.parse(`2026-01-01T00:00:0${turn}.200Z`) });
    assert.notEqual(first.id, second.id);
    assert.equal(findSession(sessions, "last").id, second.id);
  }
});

test("there is no last session in an empty home", () => {
  assert.throws(() => findSession(temporaryFolder(), "last"), { code: "session_unknown" });
});

test("a session of a living process runs", () => {
  const sessions = temporaryFolder();
  const { folder } = openSample(sessions);
  const session = openSession(sessions, folder.id);
  assert.equal(session.state, "running");
  assert.equal(terminationOf(session), null);
});

test("a session of a killed process is boundary_lost, not running", async () => {
  const sessions = temporaryFolder();
  const appender = join(import.meta.dirname, "../../test/log/appender.ts");
  const child = spawn(process.execPath, [appender, sessions], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  const [id] = sessionIds(sessions);
  assert.equal(openSession(sessions, String(id)).state, "running");
  child.kill("SIGKILL");
  await once(child, "close");
  const session = openSession(sessions, String(id));
  assert.equal(session.state, "boundary_lost");
  assert.equal(terminationOf(session)?.kind, "boundary_lost");
});

const others: readonly (readonly [title: string, change: object])[] = [
  ["the pid is another process's by now", { pid_start: "1" }],
  ["the machine was started again", { boot_id: "00000000-0000-0000-0000-000000000000" }],
];

for (const [title, change] of others) {
  test(`a session is boundary_lost when ${title}`, () => {
    const sessions = temporaryFolder();
    const { folder } = openSample(sessions);
    const file = join(folder.path, "session.json");
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, "utf8")), ...change }));
    assert.equal(openSession(sessions, folder.id).state, "boundary_lost");
  });
}

test("a session without a record that can be believed is damaged", () => {
  const sessions = temporaryFolder();
  const { folder } = openSample(sessions);
  writeFileSync(join(folder.path, "session.json"), "{}");
  assert.equal(openSession(sessions, folder.id).state, "damaged");
});
