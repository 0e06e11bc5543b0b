// How a run that has to end does: everything in the cell hears SIGTERM, has its grace, and is gone after it, whatever it does.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("grace");
});
after(() => place?.close());

const said = (): string =>
  existsSync(join(place.workspace, "said")) ? readFileSync(join(place.workspace, "said"), "utf8") : "";

/** Command lines of this machine's processes that have the word. */
function alive(word: string): readonly string[] {
  return readdirSync("/proc").flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const line = readFileSync(`/proc/${entry}/cmdline`, "latin1").replaceAll("\0", " ");
      return line.includes(word) ? [line] : [];
    } catch {
      return []; // it ended while it was looked at
    }
  });
}

interface Case {
  readonly title: string;
  readonly script: string;
  readonly grace: string;
  /** What the processes of the cell wrote when they heard of the end. */
  readonly says: readonly string[];
  /** Seconds that the run takes at least and at most; the cap is one second. */
  readonly seconds: readonly [number, number];
}

const cases: readonly Case[] = [
  {
    title: "an agent that ends at SIGTERM has ended at once, its last words kept",
    script: "trap 'echo agent >> said; exit 0' TERM; while :; do sleep 0.1; done",
    grace: "20",
    says: ["agent"],
    seconds: [1, 18],
  },
  {
    title: "an agent that ignores SIGTERM is killed when its grace is over",
    script: "trap '' TERM; while :; do sleep 0.1; done",
    grace: "2",
    says: [],
    seconds: [3, 60],
  },
  {
    title: "without grace nobody is asked",
    script: "trap 'echo agent >> said; exit 0' TERM; while :; do sleep 0.1; done",
    grace: "0",
    says: [],
    seconds: [1, 60],
  },
  {
    title: "a daemon in a session of its own hears of it too, and is gone with the rest",
    script:
      "setsid -f sh -c \"trap 'echo daemon >> said; exit 0' TERM; while :; do sleep 0.1; done\" grace-daemon; trap '' TERM; while :; do sleep 0.1; done",
    grace: "2",
    says: ["daemon"],
    seconds: [3, 60],
  },
  {
    title: "a stopped process is told when it goes on",
    script:
      "sh -c \"trap 'echo stopped >> said; exit 0' TERM; kill -STOP \\$\\$; while :; do sleep 0.1; done\" & trap '' TERM; while :; do sleep 0.1; done",
    grace: "2",
    says: ["stopped"],
    seconds: [3, 60],
  },
  {
    title: "one that forks while it is ended leaves nothing",
    script: "f() { (f) & (f) & sleep 0.2; }; trap 'f' TERM; while :; do sleep 0.1; done",
    grace: "1",
    says: [],
    seconds: [2, 60],
  },
];

for (const { title, script, grace, says, seconds } of cases) {
  test(title, async () => {
    rmSync(join(place.workspace, "said"), { force: true });
    const word = `grace-${process.pid}-${Math.random().toString(36).slice(2)}`;
    writeFileSync(join(place.workspace, "agent.sh"), script);
    const begun = performance.now();
    const args = ["run", "--quiet", "--max-runtime", "1", "--grace", grace, "--", "bash", "agent.sh", word];
    const ran = await place.run(args);
    const took = (performance.now() - begun) / 1000;
    assert.equal(ran.code, 124, ran.stderr);
    assert.deepEqual(said().split("\n").filter(Boolean), says);
    assert.ok(took >= seconds[0] && took <= seconds[1], `${took} s`);
    assert.deepEqual(alive(word), []);
    assert.deepEqual(alive("grace-daemon"), []);
    const { termination } = place.record() as { termination: { kind: string; threshold: number; observed: number } };
    assert.equal(termination.kind, "max_runtime");
    assert.equal(termination.threshold, 1);
    assert.ok(termination.observed >= 1 && termination.observed < 2, String(termination.observed));
  });
}
