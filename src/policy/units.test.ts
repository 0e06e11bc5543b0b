import assert from "node:assert/strict";
import { test } from "node:test";
import { nearest } from "./nearest.ts";
import { parseDuration, parseSize } from "./units.ts";

const sizes: readonly (readonly [string, number | null])[] = [
  ["5000", 5000],
  ["1B", 1],
  ["50MB", 50_000_000],
  ["50 MB", 50_000_000],
  ["50mb", 50_000_000],
  ["50MiB", 50 * 2 ** 20],
  ["1.5KiB", 1536],
  ["2TiB", 2 * 2 ** 40],
  ["0", null],
  ["0.1B", null],
  ["-1", null],
  ["50M", null],
  ["50 megabytes", null],
  ["1e3", null],
  ["99999999TB", null],
  ["", null],
  [" 5", null],
];
for (const [text, bytes] of sizes)
  test(`the size ${JSON.stringify(text)} is ${bytes}`, () => assert.equal(parseSize(text), bytes));

const durations: readonly (readonly [string, number | null])[] = [
  ["300", 300],
  ["300s", 300],
  ["5m", 300],
  ["1h", 3600],
  ["1d", 86400],
  ["2w", 1_209_600],
  ["1.5m", 90],
  ["0s", null],
  ["5M", null],
  ["5min", null],
  ["1h30m", null],
  ["", null],
];
for (const [text, seconds] of durations)
  test(`the duration ${JSON.stringify(text)} is ${seconds}`, () => assert.equal(parseDuration(text), seconds));

const words: readonly (readonly [string, string | null])[] = [
  ["alow", "allow"],
  ["lalow", "allow"],
  ["Allow", "allow"],
  ["max-memory", "max_memory"],
  ["max_runtime", "max_runtime_seconds"],
  ["zzz", null],
  ["x".repeat(1000), null],
];
for (const [word, meant] of words) {
  test(`${word.slice(0, 20)} was probably meant as ${meant}`, () =>
    assert.equal(nearest(word, ["allow", "max_memory", "max_runtime_seconds"]), meant));
}
