// Which sessions go when room is wanted, and how a session's folder is taken away. The plan is a function of what it is
// handed; the removal can be ended at any moment: a folder first gets a name that is no session's, in one step, and
// what was left half removed is finished by the next one.
//
// A running session is never removed, nor one whose record is missing while it may still be beginning.

import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { removeTree } from "#lib/file-tree.ts";
import type { SessionFolder } from "./folder.ts";
import { openSession, type Session, type SessionState } from "./store.ts";

export interface Prunable {
  readonly folder: SessionFolder;
  readonly state: SessionState;
  /** When it ended; where that is not known, when it began. Milliseconds since the epoch. */
  readonly time: number;
  /** On disk. */
  readonly bytes: number;
}

export interface PruneLimits {
  /** Sessions that ended earlier go. Milliseconds since the epoch; null is no limit. */
  readonly before: number | null;
  /** All sessions together, bytes on disk: the oldest go until they fit. Null is no limit. */
  readonly maxBytes: number | null;
}

/** A folder without a readable session.json may be one that is being made: left alone for this long, milliseconds. */
const beginning = 3_600_000;
/** What a folder is called while it is removed. */
const removing = ".removing-";

export function prunable(session: Session): Prunable {
  const { folder, state, record } = session;
  const ended = record?.state === "ended" ? record.ended : record?.started;
  return {
    folder,
    state,
    time: ended === undefined ? timeOf(folder.id) : Date.parse(ended),
    bytes: sizeOf(folder.path),
  };
}

/** Those that go, oldest first. */
export function planPrune(sessions: readonly Prunable[], limits: PruneLimits, now: number): Prunable[] {
  const oldest = [...sessions].sort(
    (one, other) => one.time - other.time || (one.folder.id < other.folder.id ? -1 : 1),
  );
  let left = sessions.reduce((sum, { bytes }) => sum + bytes, 0);
  return oldest.filter((session) => {
    if (!isOver(session, now)) return false;
    const tooOld = limits.before !== null && session.time < limits.before;
    const tooMuch = limits.maxBytes !== null && left > limits.maxBytes;
    if (tooOld || tooMuch) left -= session.bytes;
    return tooOld || tooMuch;
  });
}

function isOver({ state, time }: Prunable, now: number): boolean {
  return state === "damaged" ? time < now - beginning : state !== "running";
}

/**
 * Removes a session's folder with all that is in it. `onTaken` is called when it is no session any more and nothing of it
 * has gone yet. False: it had gone, or runs. @throws what the file system says
 */
export function removeSession(sessions: string, id: string, onTaken: () => void = () => {}): boolean {
  if (openSession(sessions, id).state === "running") return false;
  const away = join(sessions, `${removing}${id}-${randomBytes(3).toString("hex")}`);
  try {
    renameSync(join(sessions, id), away);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
  onTaken();
  removeTree(away);
  return true;
}

/** Finishes what a removal that was killed has left. */
export function finishRemovals(sessions: string): void {
  for (const name of readdirSync(sessions)) if (name.startsWith(removing)) removeTree(join(sessions, name));
}

function sizeOf(path: string): number {
  try {
    const found = lstatSync(path);
    const own = found.blocks * 512;
    if (!found.isDirectory()) return own;
    return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), own);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // It has gone, nobody can look at it, or an agent made it deeper than a path may be.
    if (code === "ENOENT" || code === "EACCES" || code === "ENAMETOOLONG") return 0;
    throw error;
  }
}

/** An id begins with the time it was made at. */
function timeOf(id: string): number {
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)-(\d\d)(\d\d)(\d\d)/.exec(id) ?? [];
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}
