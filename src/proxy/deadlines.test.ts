import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Deadlines, never, type Timed } from "./deadlines.ts";

test("a crowd that is late at once is ended in pieces, each of it once", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const deadlines = new Deadlines();
  const ended = new Map<Timed, number>();
  const perTurn: number[] = [];
  const crowd: Timed[] = Array.from({ length: 1_000 }, () => ({
    deadline: 0,
    expired() {
      ended.set(this, (ended.get(this) ?? 0) + 1);
      deadlines.forget(this);
    },
  }));
  for (const one of crowd) deadlines.watch(one);
  t.mock.timers.tick(1_000);
  for (let before = 0; before < ended.size; ) {
    perTurn.push(ended.size - before);
    before = ended.size;
    await nextTurn();
  }
  assert.equal(ended.size, 1_000);
  assert.deepEqual(new Set(ended.values()), new Set([1]));
  assert.ok(Math.max(...perTurn) <= 50, `${Math.max(...perTurn)} in one turn`);
  assert.equal(deadlines.size, 0);
  deadlines.close();
});

test("who is not late is left alone", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const deadlines = new Deadlines();
  const told: number[] = [];
  for (const deadline of [never, 1, 2]) deadlines.watch({ deadline, expired: () => void told.push(deadline) });
  t.mock.timers.tick(2_000);
  assert.deepEqual(told, [1]);
  deadlines.close();
});
