// A folder with everything below it, as an agent may have left it: read-only, without permissions, deeper than a path may be
// long, full of links. Links are never followed; what is not there any more is no error.

import { chmodSync, lstatSync, readdirSync, renameSync, rmdirSync, type Stats, unlinkSync } from "node:fs";
import { dirname, join } from "node:path";

export interface TreeSize {
  /** Of the files, as their ends stand; what is sparse takes less. */
  readonly bytes: number;
  readonly files: number;
}

/** Above this many bytes of a path, the rest is moved up before it is gone into: PATH_MAX is 4096, and the kernel walks each path whole. */
const longPath = 512;

/** How much is at `path`; what cannot be read is not counted. */
export function measureTree(path: string): TreeSize {
  const found = look(path);
  if (found === null) return { bytes: 0, files: 0 };
  if (!found.isDirectory()) return { bytes: found.size, files: 1 };
  let [bytes, files] = [0, 0];
  for (const name of names(path)) {
    const below = measureTree(join(path, name));
    bytes += below.bytes;
    files += below.files;
  }
  return { bytes, files };
}

/** Removes it with everything below, read-only folders included. @throws what the file system says, e.g. EACCES */
export function removeTree(path: string): void {
  const found = look(path);
  if (found === null) return;
  let moved = 0;
  const remove = (at: string, { mode }: Stats): void => {
    if (Buffer.byteLength(at) > longPath && dirname(at) !== path) {
      // Its turn comes with the next look at the top: going on from here would be as deep as the agent liked.
      renameSync(at, join(path, `.removing-${process.pid}-${moved++}`));
      return;
    }
    empty(at, mode);
    rmdirSync(at);
  };
  const empty = (at: string, mode: number): void => {
    // Nothing can be taken out of a folder that may not be written, whoever owns it.
    if ((mode & 0o700) !== 0o700) chmodSync(at, 0o700);
    for (const name of readdirSync(at)) quietly(() => each(join(at, name)));
  };
  const each = (at: string): void => {
    const below = look(at);
    if (below?.isDirectory()) remove(at, below);
    else if (below !== null) unlinkSync(at);
  };
  quietly(() => {
    if (!found.isDirectory()) return unlinkSync(path);
    do empty(path, found.mode);
    while (readdirSync(path).length > 0);
    rmdirSync(path);
  });
}

/** Another removal may be quicker. */
function quietly(act: () => void): void {
  try {
    act();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

function names(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return []; // it may not be read, or is longer than a path may be: not counted
  }
}

function look(path: string): Stats | null {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) ?? null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENAMETOOLONG") return null;
    throw error;
  }
}
