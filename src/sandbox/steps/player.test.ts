// The player on this machine: lists of system calls are performed as they are written. For the other processor the words are
// compared with what an assembler made of the same text (llvm-mc, aarch64; under qemu-aarch64 this file's lists ran too).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type Architecture, firstStep, playerProgram } from "./player.ts";
import { anyResult, argument, memory, Steps, text, texts } from "./steps.ts";

const here = process.arch as Architecture;
let folder = "";
before(() => {
  folder = mkdtempSync(join(tmpdir(), "player-"));
});
after(() => rmSync(folder, { recursive: true, force: true }));

/** What the list does: exit code, and what is said on standard output and on descriptor 4. */
function perform(steps: Steps): { code: number | null; out: string; words: string } {
  const file = join(folder, "player");
  writeFileSync(file, playerProgram(here, steps.bytes()));
  chmodSync(file, 0o755);
  const done = spawnSync(file, [], { stdio: ["ignore", "pipe", "ignore", "ignore", "pipe"], timeout: 10_000 });
  return { code: done.status, out: String(done.output[1] ?? ""), words: String(done.output[4] ?? "") };
}

const say = (steps: Steps, words: string) => steps.call("write", [1, memory(Buffer.from(words)), words.length]);

test("steps are performed in order, and the last one ends it", () => {
  const steps = new Steps(here, firstStep);
  say(steps, "one ");
  say(steps, "two");
  steps.call("exit_group", [7]);
  assert.deepEqual(perform(steps), { code: 7, out: "one two", words: "" });
});

test("a result outside its bounds ends it with the error's number, and says the step's words", () => {
  for (const [bounds, code] of [
    [{ words: "no such folder\n" }, 2],
    [{ least: -1, words: "no such folder\n" }, 2],
    [{ least: -5, most: -3, words: "no such folder\n" }, 2],
  ] as const) {
    const steps = new Steps(here, firstStep);
    steps.call("openat", [-100, text("/nowhere/at/all"), 0], bounds);
    say(steps, "not reached");
    steps.call("exit_group", [0]);
    assert.deepEqual(perform(steps), { code, out: "", words: "no such folder\n" });
  }
});

test("a result may be whatever it is where a step says so", () => {
  const steps = new Steps(here, firstStep);
  steps.call("openat", [-100, text("/nowhere/at/all"), 0], anyResult);
  steps.call("exit_group", [3]);
  assert.equal(perform(steps).code, 3);
});

test("a result fills the argument of a later step", () => {
  const file = join(folder, "written");
  writeFileSync(file, "");
  const steps = new Steps(here, firstStep);
  steps.writeFile(file, "content", "cannot write\n");
  const parent = steps.call("getppid", [], {}, argument(steps.length + 1, 0));
  assert.equal(parent, 2);
  steps.call("exit_group", [0]);
  assert.equal((perform(steps).code ?? 0) & 0xff, process.pid & 0xff);
  assert.equal(readFileSync(file, "utf8"), "content");
});

test("steps are left out where a result is not 0: a fork's two sides go different ways", () => {
  const steps = new Steps(here, firstStep);
  steps.call("clone", [17, 0, 0, 0, 0], { skip: 2 });
  say(steps, "child ");
  steps.call("exit_group", [0]);
  steps.call("exit_group", [5]);
  const done = perform(steps);
  assert.deepEqual([done.code, done.out], [5, "child "]);
});

test("it becomes another program, with these words and this environment alone", () => {
  const steps = new Steps(here, firstStep);
  const words = ["sh", "-c", 'echo "$1|$GIVEN|$HOME"', "sh", "a b"];
  steps.call("execve", [text("/bin/sh"), texts(words), texts(["GIVEN=yes"])]);
  assert.deepEqual(perform(steps), { code: 0, out: "a b|yes|\n", words: "" });
});

test("a list that is longer than the player's memory is refused", () => {
  const steps = new Steps(here, firstStep);
  steps.call("write", [1, memory(Buffer.alloc(5 * 2 ** 20)), 1]);
  assert.throws(() => steps.bytes(), { code: "sandbox_failed" });
});

test("the machine code of both processors is the one that was assembled", () => {
  const digest = (architecture: Architecture) => {
    const program = playerProgram(architecture, Buffer.alloc(0));
    return createHash("sha256").update(program.subarray(0, 512)).digest("hex").slice(0, 16);
  };
  assert.deepEqual([digest("x64"), digest("arm64")], ["60d899d9e23ec06b", "fd04059448d68bf8"]);
});
