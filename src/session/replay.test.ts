import assert from "node:assert/strict";
import { chmodSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openSample, settled, temporaryFolder, writeSample } from "#test/log/sample.ts";
import type { SessionFolder } from "./folder.ts";
import { type Chunk, replay } from "./replay.ts";

/** Replays with a clock of its own: sleeping is what moves it. */
async function played(folder: SessionFolder, speed: number): Promise<{ chunks: Chunk[]; slept: number[] }> {
  let time = 0;
  const chunks: Chunk[] = [];
  const slept: number[] = [];
  await replay({
    folder,
    speed,
    clock: () => time,
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
      time += milliseconds;
    },
    write: async (chunk) => void chunks.push(chunk),
  });
  return { chunks, slept };
}

/** Three chunks, each a second after the one before. */
async function paced(): Promise<SessionFolder> {
  let time = 1_795_265_212_000;
  const { folder, log, recorder } = openSample(temporaryFolder(), { now: () => time });
  await settled(log);
  for (const [stream, text] of [
    ["stdout", "a\u001b["],
    ["stderr", "b"],
    ["stdout", "31mc"],
  ] as const) {
    time += 1000;
    const before = log.seq;
    recorder.output(stream, Buffer.from(text));
    while (log.seq === before) await new Promise(setImmediate);
  }
  await recorder.end({ exit_code: 0, signal: null, termination: null });
  return folder;
}

test("a replay gives the exact bytes to the stream they came from, at the pace they came in", async () => {
  const { chunks, slept } = await played(await paced(), 1);
  assert.deepEqual(
    chunks.map(({ stream, bytes, at }) => [stream, bytes.toString(), at]),
    [
      ["stdout", "a\u001b[", 1000],
      ["stderr", "b", 2000],
      ["stdout", "31mc", 3000],
    ],
  );
  assert.deepEqual(slept, [1000, 1000, 1000]);
});

test("a replay at twice the speed takes half the time, and without delay none", async () => {
  const folder = await paced();
  assert.deepEqual((await played(folder, 2)).slept, [500, 500, 500]);
  assert.deepEqual((await played(folder, Number.POSITIVE_INFINITY)).slept, []);
});

test("a session that was killed replays what is there", async () => {
  const { chunks } = await played(await writeSample(temporaryFolder(), { end: false }), Number.POSITIVE_INFINITY);
  assert.deepEqual(
    chunks.map(({ bytes }) => bytes.toString()),
    ["hello\n", "oh\u001b[31m no\n"],
  );
});

const damages: readonly (readonly [title: string, damage: (folder: string) => void])[] = [
  ["output that was changed", (folder) => writeFileSync(join(folder, "stdout.log"), "hallo\n")],
  ["output that was cut", (folder) => truncateSync(join(folder, "stdout.log"), 2)],
  ["a log that is no log", (folder) => writeFileSync(join(folder, "events.jsonl"), "x\n")],
  [
    "an event without a time",
    (folder) => writeFileSync(join(folder, "events.jsonl"), '{"seq":1,"time":"x","type":"output"}\n'),
  ],
  [
    "a chunk of absurd length",
    (folder) => {
      const file = join(folder, "events.jsonl");
      writeFileSync(file, readFileSync(file, "utf8").replaceAll('"length":6', '"length":9000000000000000'));
    },
  ],
  [
    "a negative offset",
    (folder) => {
      const file = join(folder, "events.jsonl");
      writeFileSync(file, readFileSync(file, "utf8").replaceAll('"offset":0', '"offset":-1'));
    },
  ],
];

for (const [title, damage] of damages) {
  test(`${title} is not replayed as if it were not`, async () => {
    const folder = await writeSample(temporaryFolder());
    chmodSync(folder.path, 0o700);
    for (const name of ["events.jsonl", "stdout.log"]) chmodSync(join(folder.path, name), 0o600);
    damage(folder.path);
    await assert.rejects(played(folder, Number.POSITIVE_INFINITY), { code: "session_damaged" });
  });
}
