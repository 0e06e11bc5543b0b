// Runs that could not put their workspace right, because sallyport was killed: what each would have done stands in a note, from
// before its agent began until it was done, and the next run of the same home does it.
// Rules: a note is acted on once, by one process, when neither its run nor any process of its cell is left, and nobody
// else works in the same folder; whatever comes of it, the note goes.

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Failure } from "#core/failure.ts";
import { isWithin } from "#lib/file-path.ts";
import type { Restored } from "./additions.ts";
import type { Guarded } from "./guard.ts";
import { restoreWorkspace } from "./restore.ts";

interface Note {
  /** `pid:start` of sallyport and of the cell's outermost process. */
  readonly processes: readonly string[];
  readonly scratch: string;
  readonly guarded: readonly (Omit<Guarded, "links"> & { readonly links: readonly (readonly [string, string])[] })[];
}

export interface PutRight {
  /** The note's name: the session's id. */
  readonly run: string;
  readonly workspace: string;
  readonly restored: readonly Restored[];
  readonly failure: Failure | null;
}

/** Writes the note; gives the function that takes it away. `cell`: the id of the cell's outermost process. */
export function noteRun(file: string, cell: number, guarded: readonly Guarded[], scratch: string): () => void {
  const note: Note = {
    processes: [process.pid, cell].map(identity).filter((one) => one !== null),
    scratch,
    guarded: guarded.map((one) => ({ ...one, links: [...one.links] })),
  };
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  writeFileSync(file, JSON.stringify(note), { mode: 0o600 });
  return () => rmSync(file, { force: true });
}

/** Does what interrupted runs left undone. `folder`: where the notes are; it need not be there. */
export function putRightInterrupted(folder: string): PutRight[] {
  const notes = readdirSync(folder).map((name) => ({ file: join(folder, name), note: read(join(folder, name)) }));
  const done: PutRight[] = [];
  for (const { file, note } of notes) {
    if (note?.processes.some(isAlive)) continue;
    if (note !== null && notes.some((other) => other.note?.processes.some(isAlive) && meet(note, other.note))) continue;
    const claim = `${file.replace(/~.*$/, "")}~${identity(process.pid)}`;
    const claimer = /~(.+)$/.exec(file)?.[1];
    if (claimer !== undefined && isAlive(claimer)) continue;
    try {
      renameSync(file, claim);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue; // another run was faster
      throw error;
    }
    if (note !== null) done.push(putRight(basename(file).replace(/\.json.*$/, ""), note));
    rmSync(claim, { force: true });
  }
  return done;
}

function putRight(run: string, note: Note): PutRight {
  const guarded = note.guarded.map((one): Guarded => ({ ...one, links: new Map(one.links) }));
  const workspace = guarded[0]?.workspace ?? "";
  try {
    return { run, workspace, restored: restoreWorkspace(guarded, note.scratch), failure: null };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return { run, workspace, restored: [], failure: error };
  }
}

/** True where two runs may write in the same folder. */
function meet(one: Note, other: Note): boolean {
  return one.guarded.some(({ workspace: at }) =>
    other.guarded.some(({ workspace }) => isWithin(at, workspace) || isWithin(workspace, at)),
  );
}

/** Null for a note that was cut off while it was written: its agent never began. */
function read(file: string): Note | null {
  try {
    const note = JSON.parse(readFileSync(file, "utf8")) as Partial<Note>;
    return Array.isArray(note.processes) && Array.isArray(note.guarded) ? (note as Note) : null;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** `pid:start`, which no later process has; null where there is none, or it is only waited for. */
function identity(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : `${pid}:${fields[19]}`;
  } catch {
    return null;
  }
}

function isAlive(process: string): boolean {
  return identity(Number(process.split(":", 1)[0])) === process;
}
