import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import type { Failure } from "#core/failure.ts";
import { watchRevocations } from "./revocation-watch.ts";
import { addRevocation, currentEpoch, type Revocation, revocationsSince } from "./revocations.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-revoked-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const time = "2026-11-21T15:00:00.000Z";
const agent = (agent_id: string) => ({ kind: "agent", agent_id }) as const;

test("epochs rise by one from 1, and what came after one is told in order", () => {
  assert.equal(currentEpoch(folder), 0);
  for (const id of ["a", "b", "c"]) addRevocation(folder, agent(id), time);
  assert.equal(currentEpoch(folder), 3);
  assert.deepEqual(
    revocationsSince(folder, 1).map(({ epoch, revoked }) => [epoch, revoked]),
    [
      [2, agent("b")],
      [3, agent("c")],
    ],
  );
});

const damages: readonly { title: string; damage: () => void }[] = [
  { title: "a revocation that is missing", damage: () => rmSync(join(folder, "000000001.json")) },
  { title: "one that is no JSON", damage: () => spoil("{") },
  { title: "one of a kind that nobody knows", damage: () => spoil('{"epoch":1,"time":"x","revoked":{"kind":"all"}}') },
  { title: "one that lacks what it revokes", damage: () => spoil('{"epoch":1,"time":"x","revoked":{"kind":"agent"}}') },
  {
    title: "one under another's number",
    damage: () => spoil('{"epoch":2,"time":"x","revoked":{"kind":"agent","agent_id":"a"}}'),
  },
];

function spoil(text: string): void {
  rmSync(join(folder, "000000001.json"));
  writeFileSync(join(folder, "000000001.json"), text);
}

for (const { title, damage } of damages) {
  test(`${title} is damage, never nothing`, () => {
    addRevocation(folder, agent("a"), time);
    addRevocation(folder, agent("b"), time);
    damage();
    assert.throws(
      () => revocationsSince(folder, 0),
      (error: Failure) => error.code === "home_damaged",
    );
  });
}

test("a folder that is gone, or holds fewer than were seen, is damage", () => {
  addRevocation(folder, agent("a"), time);
  const damaged = (error: Failure) => error.code === "home_damaged";
  assert.throws(() => revocationsSince(folder, 2), damaged);
  assert.throws(() => currentEpoch(join(folder, "gone")), damaged);
  assert.throws(() => revocationsSince(join(folder, "gone"), 0), damaged);
});

test("a watcher hears of those before it began, of new ones, and of none twice", async () => {
  addRevocation(folder, agent("a"), time);
  const heard: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const watch = watchRevocations(folder, 0, {
    revoked(revocations: readonly Revocation[]) {
      heard.push(...revocations.map(({ epoch }) => epoch));
      if (heard.includes(3)) resolve();
    },
    unreadable: (error) => assert.fail(error),
  });
  assert.deepEqual(heard, [1]);
  const alive = setInterval(() => {}, 1000); // the watcher by itself keeps no process alive
  addRevocation(folder, agent("b"), time);
  addRevocation(folder, agent("c"), time);
  await promise;
  clearInterval(alive);
  watch.close();
  assert.deepEqual(heard, [1, 2, 3]);
});

test("a watcher that cannot read says so", async () => {
  const { promise, resolve } = Promise.withResolvers<Error>();
  const watch = watchRevocations(folder, 0, { revoked: () => assert.fail("nothing is revoked"), unreadable: resolve });
  const alive = setInterval(() => {}, 1000);
  writeFileSync(join(folder, "000000001.json"), "{");
  const error = await promise;
  clearInterval(alive);
  watch.close();
  assert.match(error.message, /not what sallyport writes/);
});
