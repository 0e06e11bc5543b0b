// Taking things away from a folder that an agent owned: it may have closed folders to their owner, filled them with more
// than can be deleted, or put something where a draft would go. None of that may keep what it made in place.
// Rules: runs when no process of the cell is left; modes are changed through a descriptor of the folder itself, never
// through a symbolic link; what can neither be moved nor deleted is renamed where it stands.

import { randomBytes } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
} from "node:fs";
import { dirname, join } from "node:path";

const O_PATH = 0o10000000;

/** What stands at a path, or undefined; `top`: the folder from which on folders may have been closed. */
export function standsAt(top: string, path: string): Stats | undefined {
  try {
    return reaching(top, path, () => lstatSync(path, { throwIfNoEntry: false }));
  } catch (error) {
    if (codeOf(error) === "ENOTDIR") return undefined; // a file where a folder would have to be
    throw error;
  }
}

/** Does something at `path`; where a folder from `top` down to it refuses, they are opened to their owner and it is done again. */
export function reaching<T>(top: string, path: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    if (codeOf(error) !== "EACCES") throw error;
    const folders = [path];
    for (let at = path; at !== top && at.length > top.length; ) {
      at = dirname(at);
      folders.unshift(at);
    }
    for (const folder of folders) openUp(folder);
    return act();
  }
}

/** Moves `path` to `target`; else deletes it; else renames it beside itself, to a name that nothing runs. */
export function takeAway(top: string, path: string, target: string): void {
  try {
    mkdirSync(dirname(target), { recursive: true });
    reaching(top, path, () => renameSync(path, target));
  } catch {
    try {
      remove(top, path); // another file system
    } catch {
      reaching(top, path, () => renameSync(path, `${path}.removed-${randomBytes(4).toString("hex")}`));
    }
  }
}

/** Deletes a tree, its closed folders too. @throws what `rmSync` throws for one that is too deep */
export function remove(top: string, path: string): void {
  const all = () => reaching(top, path, () => rmSync(path, { recursive: true, force: true }));
  try {
    all();
  } catch {
    openAll(path);
    all();
  }
}

function openAll(top: string): void {
  const folders = [top];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) continue;
    openUp(folder);
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) folders.push(join(folder, entry.name));
  }
}

/**
 * Makes the way from `top` down to `path` free of links and files: a mount made there would follow a link, on the host too,
 * because what makes mounts still sees it.
 */
export function clearWay(top: string, path: string): void {
  let at = top;
  for (const name of path.slice(top.length + 1).split("/")) {
    at = join(at, name);
    const facts = standsAt(top, at);
    if (facts === undefined) return;
    if (facts.isSymbolicLink() || (at !== path && !facts.isDirectory())) {
      reaching(top, at, () => renameSync(at, `${at}.removed-${randomBytes(4).toString("hex")}`));
      return;
    }
  }
}

/** Gives its owner a folder back; anything else is left as it is. */
function openUp(path: string): void {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) return;
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW | constants.O_DIRECTORY);
  try {
    const { mode } = fstatSync(fd);
    if ((mode & 0o700) !== 0o700) chmodSync(`/proc/self/fd/${fd}`, (mode & 0o777) | 0o700);
  } finally {
    closeSync(fd);
  }
}

/** The text of an agent's file below `top`, or null when it is no regular file of at most 1 MiB that can be read. */
export function readAgentFile(top: string, path: string): string | null {
  try {
    const facts = standsAt(top, path);
    return facts?.isFile() && facts.size <= 2 ** 20 ? readFileSync(path, "utf8") : null;
  } catch (error) {
    if (codeOf(error) === "EACCES") return null;
    throw error;
  }
}

export function codeOf(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
