// What a cell may take of the machine, and by which means it is held.
// Processes, open files, file size and core dumps are rlimits; since Linux 5.14 the process count is kept per user
// namespace, so it holds for one cell and not for the user. /tmp and /dev/shm are file systems of a fixed size.

import { cgroupPlace } from "./cgroup.ts";

export interface Limits {
  /** bytes, the whole tree where a cgroup can be had */
  readonly memory: number;
  readonly processes: number;
  readonly openFiles: number;
  /** bytes of one file */
  readonly fileSize: number;
  /** bytes of /tmp, and again of /dev/shm */
  readonly temporary: number;
}

const GiB = 2 ** 30;

export const defaultLimits: Limits = {
  memory: 4 * GiB,
  processes: 1024,
  openFiles: 65_536,
  fileSize: 64 * GiB,
  temporary: GiB,
};

const RLIMIT_FSIZE = 1;
const RLIMIT_CORE = 4;
const RLIMIT_NPROC = 6;
const RLIMIT_NOFILE = 7;
const RLIMIT_MEMLOCK = 8;

export type Rlimit = readonly [resource: number, soft: number, hard: number];

/** How this machine can hold a cell's limits, for people. */
export function describeLimits(): readonly { readonly limit: string; readonly means: string }[] {
  const place = cgroupPlace();
  const memory =
    place === null
      ? "no control group can be had: a watch over the whole tree every 200 ms that ends the cell, and RLIMIT_DATA for each process"
      : `control group version ${place.version} (${place.parent})`;
  return [
    { limit: "memory", means: memory },
    { limit: "processes", means: "RLIMIT_NPROC in the cell's own user namespace" },
    { limit: "open files, file size, core dumps", means: "rlimits" },
    { limit: "/tmp and /dev/shm", means: "file systems in memory of a fixed size" },
  ];
}

/** `hardFiles`: the caller's own hard limit of open files, which only root could raise. */
export function rlimits(limits: Limits, hardFiles: number): Rlimit[] {
  const files = Math.min(limits.openFiles, hardFiles);
  return [
    [RLIMIT_CORE, 0, 0],
    [RLIMIT_NPROC, limits.processes, limits.processes],
    [RLIMIT_NOFILE, Math.min(files, 1024 * 16), files],
    [RLIMIT_FSIZE, limits.fileSize, limits.fileSize],
    [RLIMIT_MEMLOCK, 64 * 1024, 64 * 1024],
  ];
}
