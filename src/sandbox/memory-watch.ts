// Holds a cell's memory where no control group can be had: what its processes hold for themselves and what lies in its
// memory file systems is summed up, and over the limit the cell is ended.
// Rules: it looks through the cell's own /proc, so it costs what the cell has, not what the machine has; pages that
// several processes share are not counted for each.

import { readdirSync, readFileSync, statfsSync } from "node:fs";

const pageSize = 4096;
const everyMs = 200;

/** Bytes that a cell holds now, seen through its first process; null when it is gone. */
export function cellMemory(firstProcess: number): number | null {
  const root = `/proc/${firstProcess}/root`;
  try {
    let bytes = 0;
    for (const name of readdirSync(`${root}/proc`)) {
      if (!/^\d+$/.test(name)) continue;
      try {
        const [, resident = 0, shared = 0] = readFileSync(`${root}/proc/${name}/statm`, "latin1")
          .split(" ")
          .map(Number);
        bytes += (resident - shared) * pageSize;
      } catch (error) {
        if (!["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error; // it ended meanwhile
      }
    }
    for (const folder of ["/tmp", "/dev/shm"]) {
      const facts = statfsSync(root + folder);
      bytes += (facts.blocks - facts.bfree) * facts.bsize;
    }
    return bytes;
  } catch (error) {
    if (["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")) return null;
    throw error;
  }
}

/** Calls `over` once when the cell holds more than `limit`; gives the function that ends the watch. */
export function watchMemory(
  firstProcess: () => number | null,
  limit: number,
  over: (bytes: number) => void,
): () => void {
  const timer = setInterval(() => {
    const pid = firstProcess();
    const bytes = pid === null ? null : cellMemory(pid);
    if (bytes === null || bytes <= limit) return;
    clearInterval(timer);
    over(bytes);
  }, everyMs);
  timer.unref();
  return () => clearInterval(timer);
}
