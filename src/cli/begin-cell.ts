// Begins the cell of a run before the rest of the program is loaded: its namespaces take as long to come up as that
// takes. Whoever turns out to need another cell (another user by policy) ends this one and begins
// anew; nothing of the agent runs in it before it is told to.

import { flushCompileCache } from "node:module";
import { type BegunCell, beginCell } from "#sandbox/begin.ts";
import { endProcess } from "#sandbox/native.ts";

/**
 * The cell that these words, `run` among them, most likely mean; null where a flag means none.
 * What goes wrong here is left to the run itself, which comes to the same point and tells it.
 */
export function beginEarly(words: readonly string[]): BegunCell | null {
  const flags = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  if (flags.some((word) => /^-[A-Za-z]*[hd]|^--help$|^--detach$/.test(word))) return null;
  try {
    return beginCell({
      workspace: process.cwd(),
      sudo: { uid: process.env.SUDO_UID, gid: process.env.SUDO_GID },
    });
  } catch {
    return null; // told by the run, when it tries the same
  }
}

/** Ends a run's process with this code: at once, unless somebody has yet to read what was printed. */
export function endRun(code: number): void {
  process.exitCode = code;
  if (process.stdout.writableLength > 0 || process.stderr.writableLength > 0) return;
  flushCompileCache();
  endProcess(code);
}
