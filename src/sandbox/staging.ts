// Mounts that bubblewrap cannot make itself, put together under the cell's own /sys before it starts: folders of the
// host's root shown so that what belongs to root belongs to the cell's user (idmapped mounts), for cells that root
// starts. They are made detached, by root, and their descriptors handed over the status socket.
// Rules: a detached mount is never attached in the host's namespace; each is nosuid and nodev.

import { closeSync, openSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { native } from "./native.ts";
import type { HostUser } from "./user.ts";

/** Where the cell's first process collects them; the host's /sys is not shown to a cell. */
export const stagingFolder = "/sys";

const number = { open_tree: 428, mount_setattr: 442 } as const; // the same on every architecture
const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
const OPEN_TREE_CLOEXEC = 0o2000000;
const MOUNT_ATTR_NOSUID = 0x2;
const MOUNT_ATTR_NODEV = 0x4;
const MOUNT_ATTR_IDMAP = 0x100000;

/** A detached copy of what is mounted at `path`, in which the ids of `userNamespace` hold. Null: not possible here. */
export function detachedMount(path: string, userNamespace: number): number | null {
  const { syscallPath, mountSetattr } = native();
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_IDMAP), 0);
  attributes.writeBigUInt64LE(BigInt(userNamespace), 24);
  // What is mounted below may be of a kind that cannot be idmapped; then it is left out.
  for (const recursive of [AT_RECURSIVE, 0]) {
    const fd = syscallPath(number.open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive);
    if (fd < 0) return null;
    if (mountSetattr(number.mount_setattr, fd, "", AT_EMPTY_PATH | recursive, attributes, attributes.length) === 0)
      return fd;
    closeSync(fd);
  }
  return null;
}

/** A detached copy of what is mounted at `path`, as it is: for a folder that the cell's user owns and cannot get to. */
function openTree(path: string): number | null {
  const fd = native().syscallPath(number.open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
  return fd < 0 ? null : fd;
}

/** True where every folder above `path` lets the user through. Access lists are not read: what they open is staged too. */
function canReach(path: string, { uid, gid }: HostUser): boolean {
  for (let at = dirname(path); ; at = dirname(at)) {
    const { mode, ...owner } = statSync(at);
    const bit = owner.uid === uid ? 0o100 : owner.gid === gid ? 0o010 : 0o001;
    if ((mode & bit) === 0) return false;
    if (at === "/") return true;
  }
}

/** Null for a root that may not look at another user's processes (a container's, without CAP_SYS_PTRACE). */
function namespaceOf(pid: number): number | null {
  try {
    return openSync(`/proc/${pid}/ns/user`, "r");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return null;
    throw error;
  }
}

export type StagedMount =
  | { readonly kind: "received"; readonly path: string; readonly directory: boolean }
  /** A symbolic link that lies over a file: a program that replaces the file by renaming replaces what it points to. */
  | { readonly kind: "link"; readonly path: string; readonly to: string };

export interface Staging {
  /** The path that bubblewrap is to show for this path of the host. */
  source(path: string): string;
  link(path: string, to: string): void;
  readonly mounts: readonly StagedMount[];
  /** For each mount that is `received`, in order: to be handed to the cell's first process. */
  readonly fds: readonly number[];
  /** Paths that belong to root and could not be shown as the cell's user's. */
  readonly foreign: readonly string[];
  close(): void;
}

/** `cell`: the first process, and the host's user that it is; ids are mapped only when sallyport is root. */
export function openStaging(cell: { pid: number; asRoot: boolean; user: HostUser }): Staging {
  const mounts: StagedMount[] = [];
  const fds: number[] = [];
  const foreign: string[] = [];
  const sources = new Map<string, string>();
  const stage = (fd: number, directory: boolean): string => {
    const staged = `${stagingFolder}/${fds.length}`;
    fds.push(fd);
    mounts.push({ kind: "received", path: staged, directory });
    return staged;
  };
  const place = (path: string): string => {
    const facts = cell.asRoot ? statSync(path, { throwIfNoEntry: false }) : undefined;
    if (facts === undefined) return path;
    if (facts.uid !== 0) {
      if (canReach(path, cell.user)) return path;
      const fd = openTree(path);
      return fd === null ? path : stage(fd, facts.isDirectory());
    }
    const userNamespace = namespaceOf(cell.pid);
    if (userNamespace === null) {
      foreign.push(path);
      return path;
    }
    try {
      const fd = detachedMount(path, userNamespace);
      if (fd === null) {
        foreign.push(path);
        return path;
      }
      return stage(fd, facts.isDirectory());
    } finally {
      closeSync(userNamespace);
    }
  };
  return {
    mounts,
    fds,
    foreign,
    source: (path) => {
      const known = sources.get(path) ?? place(path);
      sources.set(path, known);
      return known;
    },
    link: (path, to) => void mounts.push({ kind: "link", path, to }),
    close: () => {
      for (const fd of fds.splice(0)) closeSync(fd);
    },
  };
}
