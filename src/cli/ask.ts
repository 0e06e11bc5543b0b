// One question to the person at the terminal, answered with yes or no.

import { createInterface } from "node:readline/promises";
import { Failure } from "#core/failure.ts";

/** True for yes. @throws Failure usage where there is nobody to ask */
export async function ask(question: string): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY) {
    throw new Failure("usage", "there is no terminal to ask on", {
      remedy: "Say yes beforehand, with --yes.",
    });
  }
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test((await lines.question(`${question} [y/N] `)).trim());
  } finally {
    lines.close();
  }
}
