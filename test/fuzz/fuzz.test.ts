import assert from "node:assert/strict";
import { test } from "node:test";
import { createRandom, type FuzzTarget, fuzz } from "./fuzzer.ts";
import { loadTargets } from "./targets.ts";

const milliseconds = 2000;

for (const target of await loadTargets()) {
  test(`${target.name} holds its promises on whatever bytes`, (t) => {
    const seed = Date.now() % 2 ** 32;
    const { runs, finding } = fuzz(target, seed, milliseconds);
    t.diagnostic(`seed ${seed}, ${runs} inputs`);
    if (finding === null) return;
    const input = Buffer.from(finding.input).toString("base64");
    assert.fail(new Error(`node test/fuzz/run.ts ${target.name} --input ${input}`, { cause: finding.error }));
  });
}

test("the fuzzer finds what is there to be found, and finds it again from the same seed", () => {
  const target: FuzzTarget = {
    name: "trap",
    seeds: [Buffer.from("hello world")],
    dictionary: [Buffer.from("needle")],
    run(input) {
      if (Buffer.from(input).includes("needlewor")) throw new Error("found");
    },
  };
  const one = fuzz(target, 1, 20_000);
  assert.ok(one.finding !== null);
  assert.deepEqual(fuzz(target, 1, 20_000), one);
  const slow: FuzzTarget = {
    name: "slow",
    seeds: [Buffer.alloc(1)],
    run() {
      for (const end = performance.now() + 60; performance.now() < end; );
    },
  };
  assert.match(String(fuzz(slow, 1, 1000).finding?.error), /50 ms/);
  const [random, again] = [createRandom(7), createRandom(7)];
  for (let i = 0; i < 100; i++) assert.equal(random(1000), again(1000));
});
