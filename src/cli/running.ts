// The runs of a home that are there now: which one a person means, and what each says of itself. A run whose sallyport is gone
// (kill -9, power) is never taken for a running one: its process is known by id, start and boot, not by its id alone.

import { statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { exitCodeOf, type Termination } from "#core/termination.ts";
import { isHeld } from "#session/metadata.ts";
import { findSession, openSession, type Session, sessionIds, terminationOf } from "#session/store.ts";
import { ask, NoAnswer } from "#supervisor/control/client.ts";
import type { Members } from "#supervisor/control/protocol.ts";

/** Milliseconds: a boundary answers within one; a stopped one never does. */
export const answersWithin = 2_000;

/** Newest first. */
export function runningSessions(sessions: string): Session[] {
  return sessionIds(sessions)
    .filter((id) => isOpen(join(sessions, id)))
    .map((id) => openSession(sessions, id))
    .filter(({ state }) => state === "running");
}

/** An ended session's folder is read-only: one look tells, without reading what it holds. */
function isOpen(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found !== undefined && (found.mode & 0o200) !== 0;
}

/** The running session that `text` names: an id, the beginning of one, or `last`. @throws Failure session_unknown, session_not_running */
export function findRunning(sessions: string, text: string): Session {
  const running = runningSessions(sessions);
  const found = text === "last" ? running.slice(0, 1) : running.filter(({ folder }) => folder.id.startsWith(text));
  if (text !== "" && found.length === 1) return found[0] as Session;
  if (text !== "" && found.length > 1)
    throw new Failure(
      "session_unknown",
      `${found.length} running sessions begin so, the newest is ${found[0]?.folder.id}`,
      {
        place: text,
        remedy: "Give more of the id: sallyport ps",
      },
    );
  const session = openSession(sessions, findSession(sessions, text).id);
  throw new Failure("session_not_running", `it is not running: ${stateText(session)}`, {
    place: session.folder.id,
    remedy: "See which run: sallyport ps",
  });
}

/** What became of a session, in a word or two. */
export function stateText(session: Session): string {
  if (session.state === "boundary_lost") return "lost";
  if (session.record?.state !== "ended") return session.state;
  const { exit_code, signal } = session.record;
  const termination = terminationOf(session);
  return termination === null ? `exit ${exit_code ?? signal ?? "?"}` : termination.kind;
}

/** Asks one thing. @throws Failure session_unreachable */
export async function askRun(
  session: Session,
  verb: string,
  members: Members,
): Promise<{ readonly [name: string]: unknown }> {
  try {
    const answer = await ask(session.folder.path, verb, members, answersWithin);
    if (answer.kind === "reply") return answer.reply;
    throw unreachable(session, answer.kind === "error" ? answer.error.message : "it answered something else");
  } catch (error) {
    if (error instanceof NoAnswer) throw unreachable(session, error.message, error);
    throw error;
  }
}

/** The same, where the run may refuse: its reply, or its error. @throws NoAnswer */
export async function refusable(session: Session, verb: string, members: Members) {
  const answer = await ask(session.folder.path, verb, members, answersWithin);
  if (answer.kind === "reply" || answer.kind === "error") return answer;
  throw new NoAnswer("foreign", "it answered something else");
}

export function unreachable({ folder }: Session, message: string, cause?: unknown): Failure {
  return new Failure("session_unreachable", message, {
    place: folder.id,
    remedy: `It may be stopped (Ctrl-Z: see fg) or of another version; end it with: sallyport kill ${folder.id}`,
    cause,
  });
}

/** Waits until the run's process is gone, and so its record written, or until `milliseconds` have passed. */
export async function waitForEnd(
  sessions: string,
  { folder, record }: Session,
  milliseconds: number,
): Promise<Session> {
  for (const until = performance.now() + milliseconds; ; ) {
    const held = record?.state === "running" && isHeld(record);
    if (!held || performance.now() > until) return openSession(sessions, folder.id);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Kills the process of a run that does not answer; the kernel ends its cell with it. False: it has ended meanwhile. */
export function killHolder({ record }: Session): boolean {
  if (record?.state !== "running" || !isHeld(record)) return false;
  process.kill(record.pid, "SIGKILL");
  return true;
}

/** As a shell would see the run's own process end. */
export function exitCodeOfRun({
  exit_code,
  termination,
}: {
  readonly exit_code: number | null;
  readonly termination: Termination | null;
}): number {
  return termination === null ? (exit_code ?? 125) : exitCodeOf(termination.kind);
}
