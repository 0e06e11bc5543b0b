// Lives and deaths: how a run is ended from outside while its agent does everything to stay, and what is left then.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import type { TestContext } from "node:test";
import { gather, newCanary, type Quarter, start, worldFile } from "./cell.ts";

export interface Life {
  readonly title: string;
  /** What the program does by itself when it is ready. */
  readonly program: "stay" | "end" | "stop-first";
  readonly flags?: readonly string[];
  /** Sent to sallyport once the program is ready. */
  readonly signal?: NodeJS.Signals;
  readonly code?: number;
}

export const lives: readonly Life[] = [
  { title: "the agent ends and leaves daemons behind", program: "end", code: 0 },
  { title: "sallyport is killed (SIGKILL)", program: "stay", signal: "SIGKILL" },
  { title: "sallyport is asked to end (SIGTERM)", program: "stay", signal: "SIGTERM", code: 120 },
  { title: "sallyport's terminal goes away (SIGHUP)", program: "stay", signal: "SIGHUP", code: 120 },
  { title: "sallyport dies of a fault (SIGSEGV)", program: "stay", signal: "SIGSEGV" },
  { title: "the time is up", program: "stay", flags: ["--max-runtime", "1"], code: 124 },
  {
    title: "the agent has stopped the cell's first process, and the time is up",
    program: "stop-first",
    flags: ["--max-runtime", "1"],
    code: 124,
  },
  {
    title: "the agent has stopped the cell's first process, and sallyport is killed",
    program: "stop-first",
    signal: "SIGKILL",
  },
];

/** The pid of sallyport itself: `start` execs all the way to it. */
export async function live(quarter: Quarter, life: Life, flags: readonly string[]): Promise<void> {
  const { world } = quarter;
  const canary = newCanary();
  const mounts = world.mounts();
  await world.seen([]);
  const child = start(quarter, {
    flags: [...flags, ...(life.flags ?? [])],
    argv: ["/usr/bin/python3", "attack/lingering.py", worldFile(quarter, canary), life.program],
  });
  const ended = gather(child, 30_000);
  await until(child, "ready");
  if (life.signal !== undefined) child.kill(life.signal);
  const result = await ended;
  if (life.code !== undefined) assert.equal(result.code, life.code, result.stderr);
  await nothingLeft(quarter);
  assert.equal(world.mounts(), mounts, "mounts are left");
  const seen = await world.seen([canary]);
  assert.deepEqual(seen.hits, [], "the outside saw its canary");
}

/** Kills sallyport at many moments of its start: nothing may be left of any. */
export async function killedWhileStarting(quarter: Quarter, flags: readonly string[], t: TestContext): Promise<void> {
  for (const milliseconds of [0, 10, 20, 30, 40, 55, 70, 85, 100, 120, 140, 160, 200, 260]) {
    await t.test(`killed after ${milliseconds} ms`, async () => {
      const child = start(quarter, {
        flags,
        argv: ["/usr/bin/python3", "attack/lingering.py", worldFile(quarter, newCanary()), "stay"],
      });
      const ended = gather(child, 30_000);
      await once(child, "spawn");
      const timer = setTimeout(() => child.kill("SIGKILL"), milliseconds);
      await ended;
      clearTimeout(timer);
      await nothingLeft(quarter);
    });
  }
}

/** Stops the boundary (SIGSTOP) while the agent dials: it fails closed. */
export async function frozen(quarter: Quarter, flags: readonly string[]): Promise<void> {
  const { world } = quarter;
  const canary = newCanary();
  await world.seen([]);
  const child = start(quarter, {
    flags,
    argv: ["/usr/bin/python3", "attack/frozen.py", worldFile(quarter, canary)],
    stdin: "pipe",
  });
  const ended = gather(child, 30_000);
  await until(child, "ready");
  child.stdin?.write("go\n");
  child.kill("SIGSTOP");
  // The program's own time limits run out while nobody answers it; what it says is read once the boundary goes on.
  const seen = await world.seen([canary]);
  assert.deepEqual(seen.hits, []);
  child.kill("SIGCONT");
  await until(child, "dialled");
  child.stdin?.end("go\n");
  const result = await ended;
  assert.ok(!result.stdout.includes('"escaped"'), result.stdout);
  const after = await world.seen([canary]);
  // What was said to the boundary before it stopped is judged when it goes on: a literal address is denied then, too.
  assert.deepEqual(after.hits, []);
  await nothingLeft(quarter);
}

async function until(child: ChildProcess, word: string): Promise<void> {
  assert.ok(child.stdout);
  const output = createInterface({ input: child.stdout });
  const found = new Promise<void>((resolve, reject) => {
    output.on("line", (line) => {
      if (line === word) resolve();
    });
    child.once("close", (code, signal) => reject(new Error(`it ended (${code} ${signal}) before it said ${word}`)));
  });
  await found;
}

/** Waits, as long as a promise of the product lasts, for the last process to go; then asserts that there is none. */
export async function nothingLeft(quarter: Quarter): Promise<void> {
  const until = Date.now() + 1000;
  let left = quarter.world.left();
  while (left.length > 0 && Date.now() < until) {
    await new Promise(setImmediate);
    left = quarter.world.left();
  }
  assert.deepEqual(left, [], "processes are left");
  const temporary = path.join(quarter.person.home, "tmp");
  assert.deepEqual(fs.readdirSync(temporary), [], "temporary files are left");
}
