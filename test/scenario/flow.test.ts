// The flows that a user is told to type, as they are told: a run under caps, then the list, one session, and its replay.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { collect, openPlace, type Place, program, type Ran } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("flow");
  // `python` is what the line says; a machine that has python3 alone calls it that here
  mkdirSync(join(place.workspace, "bin"));
  symlinkSync("/usr/bin/python3", join(place.workspace, "bin", "python"));
});
after(() => place?.close());

/** A line as it is typed into a shell whose PATH has sallyport. */
function typed(line: string): Promise<Ran> {
  const child = spawn("bash", ["-c", line], {
    cwd: place.workspace,
    env: {
      ...process.env,
      PATH: `${dirname(program)}:${join(place.workspace, "bin")}:${process.env.PATH}`,
      SALLYPORT_HOME: place.home,
      NO_COLOR: "1",
    },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return collect(child);
}

test("a run under caps, the list, the session and the replay, as they are typed", async () => {
  writeFileSync(
    join(place.workspace, "agent.py"),
    "import sys, time\nfor n in range(5):\n    print('out', n, flush=True)\n    print('err', n, file=sys.stderr, flush=True)\n    time.sleep(0.2)\n",
  );
  const ran = await typed("sallyport run --max-runtime 300 --max-output-lines 10000 -- python agent.py");
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, "out 0\nout 1\nout 2\nout 3\nout 4\n");

  const listed = await typed("sallyport sessions list");
  const [heading = "", row = ""] = listed.stdout.split("\n");
  assert.equal(heading.split(/ {2,}/).join(" "), "ID STARTED AGENT COMMAND DURATION EXIT TERMINATION ALLOWED DENIED");
  const [id = ""] = row.split(" ");
  assert.match(row, /python agent\.py/);

  const shown = await typed(`sallyport sessions show ${id}`);
  assert.equal(shown.code, 0, shown.stderr);
  for (const said of [id, "python agent.py", "intact"]) assert.ok(shown.stdout.includes(said), said);

  const replayed = await typed(`sallyport replay ${id}`);
  assert.equal(replayed.code, 0, replayed.stderr);
  assert.deepEqual(replayed.bytes.stdout, place.file(id, "stdout.log"));
  assert.deepEqual(replayed.bytes.stderr, place.file(id, "stderr.log"));
});

test("a replay keeps the pace, and the two streams in the order that they came in", async () => {
  const begun = performance.now();
  const replayed = await typed("sallyport replay last 2>&1");
  const took = performance.now() - begun;
  const turns = replayed.stdout.trimEnd().split("\n");
  assert.equal(turns.length, 10);
  // what is written 0.2 s apart was recorded, and is replayed, in that order; within a turn the two pipes have none
  for (let n = 0; n < 5; n++) assert.deepEqual(turns.slice(n * 2, n * 2 + 2).sort(), [`err ${n}`, `out ${n}`]);
  assert.ok(took >= 800, `${took} ms for what took 0.8 s at least`);
  const quick = performance.now();
  assert.equal((await typed("sallyport replay last --no-delay 2>&1")).stdout, replayed.stdout);
  assert.ok(performance.now() - quick < took);
});

const caps: readonly (readonly [
  string,
  string,
  number,
  { kind: string; threshold: number; observed: number | null },
])[] = [
  ["sallyport run --max-runtime 1s -- sleep 60", "", 124, { kind: "max_runtime", threshold: 1, observed: null }],
  [
    "sallyport run --max-output-lines 2 -- seq 1 100000",
    "1\n2\n",
    123,
    { kind: "max_output_lines", threshold: 2, observed: 3 },
  ],
  [
    "sallyport run --max-output-bytes 1kB -- yes",
    "y\n".repeat(500),
    123,
    { kind: "max_output_bytes", threshold: 1000, observed: 1001 },
  ],
  [
    "sallyport run --max-output-bytes 1KiB -- yes",
    "y\n".repeat(512),
    123,
    { kind: "max_output_bytes", threshold: 1024, observed: 1025 },
  ],
  [
    'sallyport run --allow example.invalid --max-requests 2 -- sh -c "for n in 1 2 3 4; do curl -s -o /dev/null http://example.invalid/; done; sleep 60"',
    "",
    122,
    { kind: "max_requests", threshold: 2, observed: 3 },
  ],
];
for (const [line, stdout, code, { kind, threshold, observed }] of caps) {
  test(`${line}: exit ${code}`, async () => {
    const ran = await typed(line);
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(ran.stdout, stdout);
    const found = place.record().termination as { kind: string; threshold: number; observed: number };
    assert.deepEqual([found.kind, found.threshold], [kind, threshold]);
    if (observed !== null) assert.equal(found.observed, observed);
    if (kind === "max_requests") {
      const reasons = place.events().map((event) => event.decision?.deny_reason);
      assert.ok(reasons.includes("requests_exhausted"));
    }
  });
}

test("a cap that is reached by the very last line is not exceeded", async () => {
  const ran = await typed("sallyport run --quiet --max-output-lines 3 -- seq 1 3");
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stdout, "1\n2\n3\n");
  assert.equal(place.record().termination, null);
});

test("a violation that ends the run is named with its event; a name that is only looked up is none", async () => {
  const policy = place.policy("[execution]\nterminate_on_policy_violation = true\n");
  const looked = await typed(`sallyport run --policy ${policy} -- getent hosts example.com`);
  assert.notEqual(looked.code, 121, looked.stderr);
  assert.equal(place.record().termination, null);
  const ran = await typed(`sallyport run --policy ${policy} -- sh -c "curl -s http://example.com/x; sleep 60"`);
  assert.equal(ran.code, 121, ran.stderr);
  const { kind, threshold, observed, seq } = place.record().termination as { [name: string]: unknown };
  const denied = place.events().find((event) => event.action?.kind === "http");
  assert.deepEqual(
    { kind, threshold, observed, seq },
    { kind: "policy_violation", threshold: 0, observed: 1, seq: denied?.seq },
  );
});
