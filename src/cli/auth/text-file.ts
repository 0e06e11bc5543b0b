// A file that a flag names, as text.

import { readFileSync } from "node:fs";
import { Failure } from "#core/failure.ts";

/** @throws Failure usage */
export function readText(file: string, flag: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new Failure("usage", `the file cannot be read: ${(cause as Error).message}`, {
      place: flag,
      remedy: "Name a readable file, or - for standard input.",
      cause,
    });
  }
}
