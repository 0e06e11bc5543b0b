import assert from "node:assert/strict";
import { test } from "node:test";
import { Deadlines } from "./deadlines.ts";
import { QuietMoment } from "./quiet-moment.ts";

test("a crowd is cleaned up behind once, after a quiet while", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const deadlines = new Deadlines();
  let acted = 0;
  const quiet = new QuietMoment(deadlines, () => {
    acted += 1;
  });
  const seconds = (count: number) => t.mock.timers.tick(count * 1_000);
  for (let i = 0; i < 999; i++) quiet.moved();
  seconds(10);
  assert.equal(acted, 0);
  quiet.moved();
  seconds(4);
  quiet.moved();
  seconds(4);
  assert.equal(acted, 0);
  seconds(1);
  assert.equal(acted, 1);
  quiet.moved();
  seconds(60);
  assert.equal(acted, 1);
  deadlines.close();
});
