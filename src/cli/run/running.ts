// The runs of a home that are there now: which one a person means, and what each says of itself. A run whose sallyport is gone
// (kill -9, power) is never taken for a running one: its process is known by id, start and boot, not by its id alone.

import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { exitCodeOf, type Termination } from "#core/termination.ts";
import type { SessionFolder } from "#session/folder.ts";
import { isHeld } from "#session/metadata.ts";
import { findSession, openSession, type Session, sessionIds, terminationOf } from "#session/store.ts";
import { ask, NoAnswer } from "#supervisor/control/client.ts";
import { controlFile } from "#supervisor/control/place.ts";
import type { Members } from "#supervisor/control/protocol.ts";
import type { Home } from "../home.ts";
import { unkeptRuns } from "./unkept-run.ts";

/** Milliseconds: a boundary answers within one; a stopped one never does. */
export const answersWithin = 2_000;

/** Newest first; those too that are kept as no session, as long as somebody answers there. */
export async function runningSessions(home: Pick<Home, "sessions" | "log">): Promise<Session[]> {
  const { sessions } = home;
  const kept = sessionIds(sessions)
    .filter((id) => isOpen(join(sessions, id)))
    .map((id) => openSession(sessions, id))
    .filter(({ state }) => state === "running");
  const runs = unkeptRuns(home);
  const unkept = existsSync(runs) ? sessionIds(runs).filter((id) => existsSync(join(runs, id, controlFile))) : [];
  const answered = await Promise.all(unkept.map((id) => unkeptRun({ id, path: join(runs, id) })));
  return [...kept, ...answered.filter((session) => session !== null)].sort((a, b) =>
    a.folder.id < b.folder.id ? 1 : -1,
  );
}

/** An ended session's folder is read-only: one look tells, without reading what it holds. */
function isOpen(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  return found !== undefined && (found.mode & 0o200) !== 0;
}

/** A run without a session says of itself what a session's record would. Null: it is gone. */
async function unkeptRun(folder: SessionFolder): Promise<Session | null> {
  try {
    await ask(folder.path, "status", {}, answersWithin);
  } catch (error) {
    if (error instanceof NoAnswer && error.why === "gone") return null;
    if (!(error instanceof NoAnswer)) throw error;
  }
  return { folder, state: "running", record: null };
}

/** The running session that `text` names: an id, the beginning of one, or `last`. @throws Failure session_unknown, session_not_running */
export async function findRunning(home: Home, text: string): Promise<Session> {
  const { sessions } = home;
  const running = await runningSessions(home);
  const found = text === "last" ? running.slice(0, 1) : running.filter(({ folder }) => folder.id.startsWith(text));
  if (text !== "" && found.length === 1) return found[0] as Session;
  if (text !== "" && found.length > 1) {
    const newest = found[0]?.folder.id;
    throw new Failure("session_unknown", `${found.length} running sessions begin so, the newest is ${newest}`, {
      place: text,
      remedy: "Give more of the id: sallyport ps",
    });
  }
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
export async function waitForEnd(sessions: string, session: Session, milliseconds: number): Promise<Session> {
  const { folder, record } = session;
  for (const until = performance.now() + milliseconds; ; ) {
    const held = record === null ? isOpen(folder.path) : record.state === "running" && isHeld(record);
    if (held && performance.now() < until) await new Promise((resolve) => setTimeout(resolve, 10));
    else if (record === null) return held ? session : { ...session, state: "ended" };
    else return openSession(sessions, folder.id);
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
