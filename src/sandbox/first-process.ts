// Starts a cell's first process by posix_spawn, which borrows this process' memory instead of copying it: Node's own way copies
// the page tables and then every page that is touched, some milliseconds of each start. Its end is told by the end of
// a pipe that it alone holds, and its exit status is fetched then.
// Rules: on the main thread only (PDEATHSIG follows the thread); the process is not waited for by anybody else, so its id means
// it until `ended` resolves, and not a moment longer.

import { closeSync, writeSync } from "node:fs";
import { constants } from "node:os";
import { Failure } from "#core/failure.ts";
import { native } from "./native.ts";

const F_DUPFD_CLOEXEC = 1030;
const MFD_CLOEXEC = 1;
const O_RDWR = 2;
const WNOHANG = 1;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
/** More than posix_spawnattr_t, posix_spawn_file_actions_t and sigset_t take in any C library. */
const room = 1024;

export interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A descriptor of a file in memory with this content, its position at the start. */
export function memoryFile(content: Uint8Array): number {
  const fd = native().memfdCreate("sallyport", MFD_CLOEXEC);
  if (fd < 0) throw failed("no file could be made in memory");
  try {
    for (let at = 0; at < content.length; ) at += writeSync(fd, content, at, content.length - at, at);
  } catch (cause) {
    closeSync(fd);
    throw cause;
  }
  return fd;
}

/**
 * Starts the program, with `fds` as its descriptors 3 and up and nothing at 0 to 2, in a session of its own, without any
 * environment, every signal as the system has it. Gives its id. @throws Failure sandbox_unavailable
 */
export function spawnFirst(program: Uint8Array, fds: readonly number[]): number {
  const c = native();
  const lowest = 3 + fds.length + 1;
  const own = [memoryFile(program)];
  // A descriptor that stands where another one is to go would be overwritten before its turn.
  const above = (fd: number) => {
    if (fd >= lowest) return fd;
    const moved = c.fcntl(fd, F_DUPFD_CLOEXEC, lowest);
    if (moved < 0) throw failed("no descriptor is free");
    own.push(moved);
    return moved;
  };
  const actions = Buffer.alloc(room);
  const attributes = Buffer.alloc(room);
  const must = (result: number) => {
    if (result !== 0) throw failed(`posix_spawn: error ${result}`);
  };
  try {
    const places = [...fds, own[0] as number].map(above);
    must(c.spawnActionsInit(actions));
    for (const fd of [0, 1, 2]) must(c.spawnOpen(actions, fd, "/dev/null", O_RDWR, 0));
    places.forEach((fd, at) => {
      must(c.spawnDup2(actions, fd, 3 + at));
    });
    must(c.spawnAttributesInit(attributes));
    must(c.spawnSetFlags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID));
    must(c.spawnSetDefaults(attributes, Buffer.alloc(room, 0xff)));
    must(c.spawnSetMask(attributes, Buffer.alloc(room)));
    const words = ["sallyport-cell", String(process.pid)].map((word) => Buffer.from(`${word}\0`));
    const argv = Buffer.alloc((words.length + 1) * 8);
    words.forEach((word, at) => {
      argv.writeBigUInt64LE(c.address(word), at * 8);
    });
    const pid = [0];
    const path = `/proc/self/fd/${3 + fds.length}`;
    must(c.posixSpawn(pid, path, actions, attributes, argv, Buffer.alloc(8)));
    c.spawnActionsDestroy(actions);
    return pid[0] as number;
  } finally {
    for (const fd of own) closeSync(fd);
  }
}

/** The process' end where it has one and nobody has fetched it; null while it runs. `wait`: until it ends. */
export function fetchEnd(pid: number, wait = false): End | null {
  const status = [0];
  const got = native().waitpid(pid, status, wait ? 0 : WNOHANG);
  if (got === 0) return null;
  const word = status[0] ?? 0;
  const number = word & 0x7f;
  if (got !== pid || number === 0) return { code: got === pid ? (word >> 8) & 0xff : 125, signal: null };
  const name = Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? "SIGKILL";
  return { code: null, signal: name as NodeJS.Signals };
}

function failed(message: string): Failure {
  return new Failure("sandbox_unavailable", `the cell's first process could not be started: ${message}`, {
    remedy: "See what this machine lacks: sallyport doctor",
  });
}
