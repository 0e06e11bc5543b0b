import assert from "node:assert/strict";
import { test } from "node:test";
import { type Child, type ChildLine, spawnChild } from "./child.ts";

const start = (script: string, input = "") =>
  spawnChild({
    program: "/bin/sh",
    args: ["-c", script],
    cwd: "/",
    env: { ONLY: "this", PATH: process.env.PATH ?? "" },
    input: Buffer.from(input),
  });

async function read(child: Child): Promise<{ stdout: string; stderr: string; exit: number | null }> {
  const text = { stdout: "", stderr: "" };
  let exit: number | null = null;
  for await (const line of child.lines as AsyncIterable<ChildLine>) {
    if ("exit" in line) exit = line.exit;
    else text[line.stream] += line.data;
  }
  return { ...text, exit };
}

test("it has its input, the environment that was made for it, and gives its output and code", async () => {
  assert.ok(process.env.HOME);
  const ran = await read(start('cat; echo "$ONLY-$HOME"; echo oops >&2; exit 7', "in\n"));
  assert.deepEqual(ran, { stdout: "in\nthis-\n", stderr: "oops\n", exit: 7 });
});

test("what it tells of itself is kept; what it never told is not known", async () => {
  const silent = start("exit 0");
  await read(silent);
  assert.deepEqual(silent.said(), { session: null, requests: null });
  const told = start(`echo '{"session":"s","requests":null}' >&3; echo '{"session":"s","requests":4}' >&3`);
  await read(told);
  assert.deepEqual(told.said(), { session: "s", requests: 4 });
});

test("its lifeline ends when it is to end", async () => {
  const child = start("cat <&3; echo over");
  child.end();
  assert.equal((await read(child)).stdout, "over\n");
  await child.ended;
});

test("one that is killed has a code of its own", async () => {
  assert.equal((await read(start("kill -9 $$"))).exit, 137);
});
