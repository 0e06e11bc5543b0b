// Holds a cell's memory where no control group can be had: what its processes hold, what lies in its memory file systems,
// and memory files that are open but mapped by nobody, are summed up, and over the limit the cell is ended.
// Rules: it looks through the cell's own /proc, so it costs what the cell has, not what the machine has; the exact look, which
// walks page tables, is taken only when a cheap bound is over the limit, and the longer it takes the longer the next
// one waits; a page that several processes share counts once; what may be counted twice errs towards ending.

import { readdirSync, readFileSync, readlinkSync, statfsSync, statSync } from "node:fs";

/** The largest page of the processors there are, so that the bound is never below what is held. */
const pageSize = process.arch === "arm64" ? 65_536 : 4096;
const everyMs = 200;

/** Bytes that a cell holds now, seen through its first process, or a bound that is within the limit; null when it is gone. */
export function cellMemory(firstProcess: number, limit: number, sharedOnHost: number): number | null {
  const root = `/proc/${firstProcess}/root`;
  try {
    const processes = readdirSync(`${root}/proc`).filter((name) => /^\d+$/.test(name));
    let files = 0;
    for (const folder of ["/tmp", "/dev/shm"]) {
      const facts = statfsSync(root + folder);
      files += (facts.blocks - facts.bfree) * facts.bsize;
    }
    // Unmapped memory files are shared memory of the machine's; while that has not grown, there are none to look for.
    if (hostShared() - sharedOnHost > limit / 4) files += memoryFiles(`${root}/proc`, processes);
    const bound = files + sum(processes, (name) => residentPages(`${root}/proc/${name}/statm`) * pageSize);
    return bound <= limit ? bound : files + sum(processes, (name) => ownMemory(`${root}/proc/${name}/smaps_rollup`));
  } catch (error) {
    if (isGone(error)) return null;
    throw error;
  }
}

/** Bytes of shared memory of the whole machine (tmpfs, memory files, shared mappings). */
export function hostShared(): number {
  return kilobytes(readFileSync("/proc/meminfo", "latin1"), "Shmem");
}

function residentPages(file: string): number {
  return Number(readFileSync(file, "latin1").split(" ")[1] ?? 0);
}

/** Anonymous and shared memory, each page divided by the processes that have it; mapped files are the page cache's. */
function ownMemory(file: string): number {
  const text = readFileSync(file, "latin1");
  return kilobytes(text, "Pss_Anon") + kilobytes(text, "Pss_Shmem");
}

function kilobytes(text: string, name: string): number {
  return Number(new RegExp(`^${name}: +(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
}

/** Bytes of the memory files that the processes have open. */
function memoryFiles(proc: string, processes: readonly string[]): number {
  const found = new Map<number, number>();
  sum(processes, (name) => {
    for (const fd of readdirSync(`${proc}/${name}/fd`)) {
      const path = `${proc}/${name}/fd/${fd}`;
      sum([path], () => {
        if (!readlinkSync(path).startsWith("/memfd:")) return 0;
        const facts = statSync(path);
        found.set(facts.ino, facts.blocks * 512);
        return 0;
      });
    }
    return 0;
  });
  return [...found.values()].reduce((total, bytes) => total + bytes, 0);
}

/** Skips what ended while it was looked at. */
function sum(names: readonly string[], bytesOf: (name: string) => number): number {
  let bytes = 0;
  for (const name of names) {
    try {
      bytes += bytesOf(name);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }
  return bytes;
}

function isGone(error: unknown): boolean {
  return ["ENOENT", "ESRCH", "EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Calls `over` once when the cell holds more than `limit`; gives the function that ends the watch. */
export function watchMemory(
  firstProcess: () => number | null,
  limit: number,
  over: (bytes: number) => void,
): () => void {
  const sharedOnHost = hostShared();
  const look = () => {
    const pid = firstProcess();
    const began = performance.now();
    const bytes = pid === null ? null : cellMemory(pid, limit, sharedOnHost);
    if (bytes !== null && bytes > limit) return over(bytes);
    timer = setTimeout(look, Math.max(everyMs, 4 * (performance.now() - began))).unref();
  };
  let timer = setTimeout(look, everyMs).unref();
  return () => clearTimeout(timer);
}
