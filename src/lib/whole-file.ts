// A file that changes as a whole: whoever reads it sees what it was or what it is, never a part, and so does whoever comes
// after a crash. Nothing waits for the disk: what must survive the machine's own end is written by its keeper.

import { randomUUID } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Puts `text` in the place of whatever stands at `file`, a link included: nothing is followed. Beside it a file of its name with a
 * dot and a UUID behind it may remain, should this process be killed in between.
 * @throws Error of the system, e.g. ENOSPC; then what stood there stands
 */
export function writeWhole(file: string, text: string, mode: number): void {
  const next = `${file}.${randomUUID()}`;
  try {
    writeFileSync(next, text, { flag: "wx", mode });
    renameSync(next, file);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  }
}
