// A control group for one cell, where one can be had: version 2 where the group above is ours, version 1 as root. It holds
// memory (tmpfs included) and processes of the whole tree together.
// Rules: a group's name tells whose it is; groups whose sallyport is gone are removed by the next one, because kill -9
// leaves nobody who could.

import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  write,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { Limits } from "./limits.ts";

export interface Cgroup {
  readonly version: 1 | 2;
}

export interface JoiningCgroup {
  /** Sets the limits once the process is in the group; null where that cannot be had. */
  limit(limits: Limits): Promise<Cgroup | null>;
  /** Removes the group; the cell must have ended. */
  close(): Promise<void>;
}

interface Place {
  readonly version: 1 | 2;
  /** The folder under which groups are made. */
  readonly parent: string;
}

/** Where a group with a memory limit could be made; null: nowhere. */
export function cgroupPlace(): Place | null {
  const lines = read("/proc/self/cgroup")
    .split("\n")
    .map((line) => line.split(":"));
  const unified = lines.find((fields) => fields[0] === "0")?.[2];
  if (unified !== undefined && existsSync("/sys/fs/cgroup/cgroup.controllers")) {
    // Groups with members have no children with controllers: ours is made beside, not below, our own.
    const parent = join("/sys/fs/cgroup", unified === "/" ? "/" : dirname(unified));
    if (
      /\bmemory\b/.test(read(join(parent, "cgroup.subtree_control"))) &&
      isWritable(parent) &&
      isWritable(join(parent, "cgroup.procs"))
    )
      return { version: 2, parent };
  }
  const memory = lines.find((fields) => fields[1]?.split(",").includes("memory"))?.[2];
  for (const path of memory === undefined ? [] : [memory, "/"]) {
    const parent = join("/sys/fs/cgroup/memory", path);
    if (existsSync(join(parent, "memory.limit_in_bytes")) && isWritable(parent)) return { version: 1, parent };
  }
  return null;
}

/**
 * Begins to put the process, and so all that comes of it, into a group of its own. The kernel takes some milliseconds for
 * that, which are not waited for here. Null where there is no place for one.
 */
export function joinCgroup(pid: number): JoiningCgroup | null {
  const place = cgroupPlace();
  if (place === null) return null;
  sweep(place.parent);
  const folder = join(place.parent, `sallyport-${process.pid}-${pid}`);
  const set = (file: string, value: number | string) => {
    if (existsSync(join(folder, file))) writeFileSync(join(folder, file), String(value));
  };
  const joined = new Promise<boolean>((resolve) => {
    try {
      mkdirSync(folder);
      // One call for the thread pool: each further one would wait for a turn of an event loop that is busy loading.
      const members = openSync(join(folder, "cgroup.procs"), "w");
      write(members, String(pid), (error) => {
        closeSync(members);
        resolve(error === null);
      });
    } catch {
      resolve(false);
    }
  });
  return {
    async limit(limits) {
      if (!(await joined)) return null;
      try {
        if (place.version === 2) {
          set("memory.max", limits.memory);
          set("memory.swap.max", 0);
          set("pids.max", limits.processes + 8);
        } else {
          set("memory.limit_in_bytes", limits.memory);
          set("memory.memsw.limit_in_bytes", limits.memory);
        }
      } catch {
        return null;
      }
      return { version: place.version };
    },
    async close() {
      await joined;
      // The kernel lets go of a group a moment after its last process.
      for (let left = 400; left > 0 && !remove(folder); left--) await new Promise((resolve) => setTimeout(resolve, 2));
    },
  };
}

function sweep(parent: string): void {
  for (const name of readdirSync(parent)) {
    const owner = /^sallyport-(\d+)-\d+$/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) remove(join(parent, name));
  }
}

function remove(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT";
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function read(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}
