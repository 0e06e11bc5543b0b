import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSample, temporaryFolder, writeSample } from "#test/log/sample.ts";
import { finishRemovals, type Prunable, planPrune, prunable, removeSession } from "./prune.ts";
import { openSession, type SessionState } from "./store.ts";

const day = 86_400_000;
const now = Date.parse("2026-11-21T00:00:00Z");

/** Sessions of `days` ago, each of 100 bytes. */
function aged(...days: readonly (readonly [number, SessionState] | number)[]): Prunable[] {
  return days.map((one, index) => {
    const [age, state] = typeof one === "number" ? ([one, "ended"] as const) : one;
    const id = `20260101-000000-00000${index}`;
    return { folder: { id, path: `/${id}` }, state, time: now - age * day, bytes: 100 };
  });
}

const plans: readonly {
  readonly title: string;
  readonly sessions: readonly Prunable[];
  readonly days?: number;
  readonly maxBytes?: number;
  /** Ages of those that go, in days. */
  readonly gone: readonly number[];
}[] = [
  { title: "those that are older go", sessions: aged(1, 40, 31, 30), days: 30, gone: [40, 31] },
  { title: "the oldest go until the rest fits", sessions: aged(1, 4, 2, 3), maxBytes: 200, gone: [4, 3] },
  { title: "what fits stays", sessions: aged(1, 4, 2, 3), maxBytes: 400, gone: [] },
  { title: "nothing at all fits into 0", sessions: aged(1, 2), maxBytes: 0, gone: [2, 1] },
  { title: "both limits hold", sessions: aged(1, 40, 2, 3), days: 30, maxBytes: 200, gone: [40, 3] },
  {
    title: "a running one never goes, though it counts",
    sessions: aged([90, "running"], 2, 1),
    days: 1,
    maxBytes: 100,
    gone: [2, 1],
  },
  {
    title: "one that lost its boundary goes as any other",
    sessions: aged([90, "boundary_lost"], 2),
    days: 30,
    gone: [90],
  },
  {
    title: "a damaged one goes, unless it may still be beginning",
    sessions: aged([90, "damaged"], [0, "damaged"]),
    maxBytes: 0,
    gone: [90],
  },
];
for (const { title, sessions, days, maxBytes, gone } of plans) {
  test(title, () => {
    const limits = { before: days === undefined ? null : now - days * day, maxBytes: maxBytes ?? null };
    assert.deepEqual(
      planPrune(sessions, limits, now).map(({ time }) => (now - time) / day),
      gone,
    );
  });
}

test("a session's size is what it takes on disk, and its time is its end", async () => {
  const sessions = temporaryFolder();
  const { id } = await writeSample(sessions, { now: () => Date.parse("2026-03-01T00:00:00Z") });
  const found = prunable(openSession(sessions, id));
  assert.equal(found.state, "ended");
  assert.equal(found.time, Date.parse("2026-03-01T00:00:00Z"));
  assert.ok(found.bytes >= 4 * 4096, String(found.bytes));
});

test("a sealed folder is removed with all that is in it, and nothing that a link in it leads to", async () => {
  const sessions = temporaryFolder();
  const outside = temporaryFolder();
  writeFileSync(join(outside, "mine"), "");
  const { id, path } = await writeSample(sessions);
  chmodSync(path, 0o700);
  mkdirSync(join(path, "workspace", "locked"), { recursive: true });
  symlinkSync(outside, join(path, "workspace", "locked", "link"));
  chmodSync(join(path, "workspace", "locked"), 0);
  chmodSync(path, 0o500);
  assert.equal(removeSession(sessions, id), true);
  assert.deepEqual(readdirSync(sessions), []);
  assert.ok(existsSync(join(outside, "mine")));
  assert.equal(removeSession(sessions, id), false, "it has gone");
});

test("a session that runs is not removed, whatever the plan says", () => {
  const sessions = temporaryFolder();
  const { folder } = openSample(sessions);
  assert.equal(removeSession(sessions, folder.id), false);
  assert.ok(existsSync(folder.path));
});

test("killed within a removal, the session is whole or it is none, and the next removal finishes", async () => {
  const sessions = temporaryFolder();
  const { id, path } = await writeSample(sessions);
  chmodSync(path, 0o700);
  const script = `import { removeSession } from ${JSON.stringify(join(import.meta.dirname, "prune.ts"))};
    removeSession(${JSON.stringify(sessions)}, ${JSON.stringify(id)}, () => process.kill(process.pid, "SIGKILL"));`;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "ignore" });
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGKILL");
  const [left = ""] = readdirSync(sessions);
  assert.match(left, /^\.removing-/);
  assert.ok(readFileSync(join(sessions, left, "session.json")).length > 0);
  finishRemovals(sessions);
  assert.deepEqual(readdirSync(sessions), []);
});
