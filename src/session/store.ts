// The sessions of a home: which there are, which one a person means, and what state each is truly in.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { Termination } from "#core/termination.ts";
import { isSessionId, type SessionFolder } from "./folder.ts";
import { isHeld, readSession, type SessionRecord } from "./metadata.ts";

/**
 * `boundary_lost`: session.json says running, but the process that ran it is gone.
 * `damaged`: there is no session.json that can be believed.
 */
export type SessionState = "running" | "ended" | "boundary_lost" | "damaged";

export interface Session {
  readonly folder: SessionFolder;
  readonly state: SessionState;
  /** null only when damaged. */
  readonly record: SessionRecord | null;
}

/** All ids in `sessions`, newest first. */
export function sessionIds(sessions: string): readonly string[] {
  return readdirSync(sessions).filter(isSessionId).sort().reverse();
}

export function openSession(sessions: string, id: string): Session {
  const folder = { id, path: join(sessions, id) };
  let record: SessionRecord;
  try {
    record = readSession(folder);
  } catch (error) {
    if (error instanceof Failure && error.code === "session_damaged") return { folder, state: "damaged", record: null };
    throw error;
  }
  if (record.state === "ended") return { folder, state: "ended", record };
  if (isHeld(record)) return { folder, state: "running", record };
  // It may have ended between the two looks.
  const again = readSession(folder);
  return { folder, state: again.state === "ended" ? "ended" : "boundary_lost", record: again };
}

/** How the run was ended by sallyport, or by the loss of it; null when the command ended by itself or still runs. */
export function terminationOf(session: Session): Termination | null {
  if (session.state === "boundary_lost") return { kind: "boundary_lost", threshold: null, observed: null };
  return session.record?.state === "ended" ? session.record.termination : null;
}

/** The one that began last; ids tell the second, and of those of one second the records tell. */
function newest(sessions: string, ids: readonly string[]): readonly string[] {
  const second = ids[0]?.slice(0, "20261121-124652".length);
  const near = second === undefined ? [] : ids.filter((id) => id.startsWith(second));
  if (near.length < 2) return near;
  const began = (id: string) => openSession(sessions, id).record?.started ?? "";
  return [near.reduce((one, other) => (began(other) > began(one) ? other : one))];
}

/** The session that `text` names: an id, the beginning of exactly one, or `last`. @throws Failure session_unknown */
export function findSession(sessions: string, text: string): SessionFolder {
  const ids = sessionIds(sessions);
  const found = text === "last" ? newest(sessions, ids) : ids.filter((id) => text !== "" && id.startsWith(text));
  const [id] = found;
  if (id !== undefined && found.length === 1) return { id, path: join(sessions, id) };
  if (id === undefined) {
    throw new Failure("session_unknown", text === "last" ? "there is no session yet" : "no session has this id", {
      place: text,
      remedy: "See which there are: sallyport sessions list",
    });
  }
  throw new Failure("session_unknown", `${found.length} sessions begin so, the newest is ${id}`, {
    place: text,
    remedy: "Give more of the id: sallyport sessions list",
  });
}
