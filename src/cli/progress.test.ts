import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type ProgressPlace, startProgress } from "./progress.ts";

function place(context: TestContext, more: Partial<ProgressPlace> & { isTTY?: boolean } = {}) {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { isTTY = true, env = { TERM: "xterm" }, ...rest } = more;
  const written: string[] = [];
  const stream = { isTTY, write: (text: string) => written.push(text) > 0 } as unknown as ProgressPlace["stream"];
  return { written, progress: startProgress("waiting", { stream, env, ...rest }) };
}

test("nothing is said within a second", (context) => {
  const { written, progress } = place(context);
  context.mock.timers.tick(999);
  progress.end();
  context.mock.timers.tick(5_000);
  assert.deepEqual(written, []);
});

test("what takes longer is said on one row, and erased", (context) => {
  const { written, progress } = place(context);
  context.mock.timers.tick(1_000);
  assert.equal(written.length, 1);
  assert.match(written[0] ?? "", /^\r\S*.*sallyport: waiting …/);
  assert.ok(!written[0]?.includes("\n"));
  progress.end();
  progress.end();
  assert.deepEqual(written.slice(1), ["\r\u001b[K"]);
});

test("it makes way for something else, and comes back a second later", (context) => {
  const { written, progress } = place(context);
  context.mock.timers.tick(1_000);
  progress.clear();
  assert.equal(written.at(-1), "\r\u001b[K");
  context.mock.timers.tick(1_000);
  assert.equal(written.length, 3);
  progress.end();
});

for (const [title, more] of [
  ["no terminal is there", { isTTY: false }],
  ["the terminal is dumb", { env: { TERM: "dumb" } }],
  ["it is CI", { env: { TERM: "xterm", CI: "true" } }],
  ["something draws", { visible: () => false }],
] as const)
  test(`nothing is said where ${title}`, (context) => {
    const { written, progress } = place(context, more);
    context.mock.timers.tick(5_000);
    progress.clear();
    progress.end();
    assert.deepEqual(written, []);
  });
