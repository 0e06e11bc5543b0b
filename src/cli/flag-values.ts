// What stands behind a flag, read the same way by every command: numbers, lengths of time, sizes, and what may be repeated.
// commander tells a person what is wrong, with the flag's name.

import { InvalidArgumentError } from "commander";
import { parseDuration, parseSize } from "#policy/units.ts";

/** For a flag that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** At least 1. @throws InvalidArgumentError */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError("It must be a whole number of at least 1.");
  return value;
}

/** Whole seconds, at least 1. @throws InvalidArgumentError */
export function duration(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === null) throw new InvalidArgumentError("It must be a time such as 90s, 5m, 12h or 7d.");
  return seconds;
}

/** As `duration`, and 0 for none. @throws InvalidArgumentError */
export function durationOrNone(text: string): number {
  return text === "0" || text === "0s" ? 0 : duration(text);
}

/** Whole bytes, at least 1. @throws InvalidArgumentError */
export function size(text: string): number {
  const bytes = parseSize(text);
  if (bytes === null) throw new InvalidArgumentError("It must be a size such as 50MB or 50MiB.");
  return bytes;
}

/** As `size`, and 0 for none. @throws InvalidArgumentError */
export function sizeOrNone(text: string): number {
  return text === "0" ? 0 : size(text);
}
