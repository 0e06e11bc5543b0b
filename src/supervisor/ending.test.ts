import assert from "node:assert/strict";
import { test } from "node:test";
import { createEnding } from "./ending.ts";

function fakeCell() {
  const heard: string[] = [];
  return { heard, signalAll: (s: string) => void heard.push(s), kill: async () => void heard.push("kill") };
}

test("the first cause wins and a later one changes nothing", () => {
  const begun: string[] = [];
  const ending = createEnding(0, (t) => void begun.push(t.kind));
  ending.begin({ kind: "max_runtime", threshold: 1, observed: 1 });
  ending.begin({ kind: "killed", threshold: null, observed: null });
  assert.equal(ending.termination?.kind, "max_runtime");
  assert.deepEqual(begun, ["max_runtime"]);
});

test("without grace the tree is killed at once, without a signal before", () => {
  const cell = fakeCell();
  const ending = createEnding(0, () => {});
  ending.attach(cell);
  ending.begin({ kind: "killed", threshold: null, observed: null });
  assert.deepEqual(cell.heard, ["kill"]);
});

test("a cause that came before the cell was there ends the cell as soon as it is", () => {
  const cell = fakeCell();
  const ending = createEnding(60_000, () => {});
  ending.begin({ kind: "revoked", threshold: null, observed: null });
  ending.attach(cell);
  assert.deepEqual(cell.heard, ["SIGTERM", "SIGCONT"]);
  ending.close();
});

test("what ignores SIGTERM is killed when its grace is over", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const cell = fakeCell();
  const ending = createEnding(5_000, () => {});
  ending.attach(cell);
  ending.begin({ kind: "max_runtime", threshold: 300, observed: 300 });
  context.mock.timers.tick(4_999);
  assert.deepEqual(cell.heard, ["SIGTERM", "SIGCONT"]);
  context.mock.timers.tick(1);
  assert.deepEqual(cell.heard, ["SIGTERM", "SIGCONT", "kill"]);
});

test("a later cause without grace ends the grace of the first, which stays the cause", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const cell = fakeCell();
  const ending = createEnding(5_000);
  ending.attach(cell);
  ending.begin({ kind: "max_runtime", threshold: 300, observed: 300 });
  ending.begin({ kind: "killed", threshold: null, observed: null });
  assert.deepEqual(cell.heard, ["SIGTERM", "SIGCONT"]);
  ending.begin({ kind: "killed", threshold: null, observed: null }, 0);
  ending.begin({ kind: "killed", threshold: null, observed: null }, 0);
  assert.deepEqual(cell.heard, ["SIGTERM", "SIGCONT", "kill"]);
  assert.equal(ending.termination?.kind, "max_runtime");
  ending.close();
});

test("a cause may bring a grace of its own, also before the cell is there", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const cell = fakeCell();
  const told: number[] = [];
  const ending = createEnding(5_000, (_, graceMs) => void told.push(graceMs));
  ending.begin({ kind: "killed", threshold: null, observed: null }, 1_000);
  ending.attach(cell);
  context.mock.timers.tick(1_000);
  assert.deepEqual(cell.heard, ["SIGTERM", "SIGCONT", "kill"]);
  assert.deepEqual(told, [1_000]);
});
