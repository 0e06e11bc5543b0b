// How the authority's records reach the disk: whole or not at all, and never one over another by accident.

import { randomUUID } from "node:crypto";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { Failure } from "#core/failure.ts";

/**
 * Writes a file that must not be there yet; false where it is. After it returns, the file is on disk under its name.
 * @throws Error of the system, e.g. ENOSPC; then nothing is there
 */
export function createFile(file: string, text: string, mode: 0o400 | 0o600): boolean {
  const next = writeBeside(file, text, mode);
  try {
    linkSync(next, file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(next, { force: true });
  }
  syncFolder(dirname(file));
  return true;
}

/** Puts a file in the place of the one that stands there. */
export function replaceFile(file: string, text: string, mode: 0o400 | 0o600): void {
  renameSync(writeBeside(file, text, mode), file);
  syncFolder(dirname(file));
}

/**
 * As `replaceFile`, and what stood there is overwritten where it lay. A file system that keeps copies (snapshots, a journal of data,
 * flash memory) may have it still.
 */
export function replaceSecret(file: string, text: string): void {
  const fd = openSync(file, "r+");
  try {
    // First the new, then the end of the old: whenever it stops, one of both is whole.
    replaceFile(file, text, 0o600);
    overwrite(fd);
  } finally {
    closeSync(fd);
  }
}

/** Removes what writers that were killed have left in a folder of secrets, and overwrites what has no other name. */
export function removeLeftovers(folder: string, olderThan: number): void {
  for (const name of readdirSync(folder).filter((each) => /^\.[0-9a-f-]{36}\.next$/.test(each))) {
    const file = join(folder, name);
    const { mtimeMs, mode } = statSync(file);
    // A younger one is being written at this moment.
    if (mtimeMs > olderThan) continue;
    const isSecret = (mode & 0o200) !== 0;
    const fd = openSync(file, isSecret ? "r+" : "r");
    try {
      rmSync(file);
      // A writer that was killed at its very end has left a second name of a record that holds.
      if (isSecret && fstatSync(fd).nlink === 0) overwrite(fd);
    } finally {
      closeSync(fd);
    }
  }
}

function overwrite(fd: number): void {
  writeSync(fd, Buffer.alloc(fstatSync(fd).size), 0, null, 0);
  fsyncSync(fd);
}

function writeBeside(file: string, text: string, mode: number): string {
  const next = join(dirname(file), `.${randomUUID()}.next`);
  const fd = openSync(next, "wx", mode);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } catch (error) {
    rmSync(next, { force: true });
    throw error;
  } finally {
    closeSync(fd);
  }
  return next;
}

function syncFolder(folder: string): void {
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The text, or null where there is no such file. @throws Failure home_unusable where it cannot be read */
export function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new Failure("home_unusable", `a record cannot be read: ${(cause as Error).message}`, {
      place: file,
      remedy: "Give this user the home back, or restore it from a backup.",
      cause,
    });
  }
}

/** The record in a file that this program wrote. @throws Failure home_damaged */
export function readRecord<T>(file: string, isRecord: (value: unknown) => value is T): T | null {
  const text = readIfThere(file);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null; // told below, with the rest
  }
  if (isRecord(value)) return value;
  throw new Failure("home_damaged", "a record is not what sallyport writes", {
    place: file,
    remedy: "Restore it from a backup; nothing is guessed about who may do what.",
  });
}

/** Names in a folder, none where there is no such folder. */
export function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith("."));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
