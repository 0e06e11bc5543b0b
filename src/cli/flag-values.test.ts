import assert from "node:assert/strict";
import { test } from "node:test";
import { InvalidArgumentError } from "commander";
import { collect, duration, durationOrNone, size, sizeOrNone, wholeNumber } from "./flag-values.ts";

const taken: readonly (readonly [(text: string) => number, string, number])[] = [
  [wholeNumber, "1", 1],
  [wholeNumber, "9007199254740991", Number.MAX_SAFE_INTEGER],
  [duration, "300", 300],
  [duration, "5m", 300],
  [durationOrNone, "0", 0],
  [durationOrNone, "0s", 0],
  [durationOrNone, "1m", 60],
  [size, "50MB", 50_000_000],
  [size, "1KiB", 1024],
  [sizeOrNone, "0", 0],
  [sizeOrNone, "1MiB", 1_048_576],
];

const refused: readonly (readonly [(text: string) => number, readonly string[]])[] = [
  [wholeNumber, ["", "0", "-1", "+1", "1.5", "1e3", " 1", "0x10", "9007199254740992"]],
  [duration, ["", "0", "-1s", "5 minutes", "m"]],
  [durationOrNone, ["", "00", "-0", "0m"]],
  [size, ["", "0", "-1MB", "MB"]],
  [sizeOrNone, ["", "0MB", "-0"]],
];

test("numbers, times and sizes are read in their whole units", () => {
  for (const [read, text, value] of taken) assert.equal(read(text), value, `${read.name} of ${text}`);
});

test("what is none of them is refused", () => {
  for (const [read, texts] of refused)
    for (const text of texts) assert.throws(() => read(text), InvalidArgumentError, `${read.name} of ${text}`);
});

test("a flag that may be repeated keeps the order", () => {
  assert.deepEqual(collect("c", collect("b", ["a"])), ["a", "b", "c"]);
});
