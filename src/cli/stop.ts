// `sallyport stop ID…` asks runs to end (SIGTERM, grace, SIGKILL); `sallyport kill ID…|--all` ends them at once. Both come back
// when the runs are over and their records written. A run that does not answer is killed by `kill`, with its process.

import { type Command, InvalidArgumentError } from "commander";
import { Failure } from "#core/failure.ts";
import type { Session } from "#session/store.ts";
import { NoAnswer, openConversation } from "#supervisor/control/client.ts";
import type { Answer, Members } from "#supervisor/control/protocol.ts";
import { durationOrNone } from "./flag-values.ts";
import { openHome } from "./home.ts";
import { failureRecord, printFailure, printJson, printLine } from "./output.ts";
import { startProgress } from "./progress.ts";
import {
  answersWithin,
  findRunning,
  killHolder,
  runningSessions,
  stateText,
  unreachable,
  waitForEnd,
} from "./run/running.ts";

/** What a run may take from the end of its cell to the end of its record, milliseconds. */
const recordTakes = 10_000;

interface StopFlags {
  readonly all?: boolean;
  readonly grace?: number;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const answer =
    "\nPrints the id of each run that has ended. Exit code: 0 all have; 1 one of them was not there or could not be ended.\n";
  program
    .command("stop")
    .description("ask runs to end: SIGTERM, then after a grace SIGKILL for the whole cell")
    .argument("[sessions...]", "an id, the beginning of one, or last")
    .option("--grace <duration>", "time from SIGTERM to SIGKILL; without it the run's own (5s); 0 kills at once", grace)
    .option("-a, --all", "all that run")
    .option("--json", "print a JSON array")
    .addHelpText("after", answer)
    .action((texts: string[], flags: StopFlags) => end("stop", texts, flags));
  program
    .command("kill")
    .description("end runs at once, with everything that they started")
    .argument("[sessions...]", "an id, the beginning of one, or last")
    .option("-a, --all", "all that run")
    .option("--json", "print a JSON array")
    .addHelpText("after", answer)
    .action((texts: string[], flags: StopFlags) => end("kill", texts, flags));
}

async function end(verb: "stop" | "kill", texts: readonly string[], flags: StopFlags): Promise<void> {
  if (texts.length > 0 === (flags.all === true))
    throw new Failure("usage", flags.all ? "--all or ids, not both" : "which run?", {
      place: `sallyport ${verb}`,
      remedy: `Name one, or --all: see sallyport ps`,
    });
  const home = openHome(process.env);
  const { sessions } = home;
  const json = flags.json === true;
  // A run named twice, by its id and by `last`, is one.
  const wanted = new Map<string, Session>();
  const failed: unknown[] = [];
  for (const text of texts) {
    try {
      const session = await findRunning(home, text);
      wanted.set(session.folder.id, session);
    } catch (error) {
      failed.push(error);
    }
  }
  if (flags.all) for (const session of await runningSessions(home)) wanted.set(session.folder.id, session);
  const ids = [...wanted.keys()];
  const progress = startProgress(`waiting for ${ids.length === 1 ? ids[0] : `${ids.length} runs`} to end`);
  const ended: object[] = [];
  const ends = [...wanted.values()].map(async (session) => {
    const over = verb === "stop" ? await stop(sessions, session, flags) : await killRun(sessions, session);
    ended.push({ id: over.folder.id, state: stateText(over) });
    progress.clear();
    if (!json) printLine(over.folder.id);
  });
  for (const { reason, status } of (await Promise.allSettled(ends)) as { status: string; reason?: unknown }[])
    if (status === "rejected") failed.push(reason);
  progress.end();
  for (const error of failed) printFailure(error, json);
  if (json) printJson(ended);
  if (failed.length > 0) process.exitCode = failed.length === 1 && ended.length === 0 ? exitCode(failed[0]) : 1;
}

async function stop(sessions: string, session: Session, { grace }: StopFlags): Promise<Session> {
  try {
    await tellToEnd(session, "stop", grace === undefined ? {} : { grace });
  } catch (error) {
    const over = await ifOver(sessions, session, error);
    if (over !== null) return over;
    throw unreachable(session, (error as Error).message, error);
  }
  return confirmed(await waitForEnd(sessions, session, recordTakes));
}

/** At once, with everything it has started; resolves when it is over. @throws Failure session_unreachable */
export async function killRun(sessions: string, session: Session): Promise<Session> {
  try {
    await tellToEnd(session, "kill", {});
  } catch (error) {
    const over = await ifOver(sessions, session, error);
    if (over !== null) return over;
    // Stopped, stuck, or of another version: its process goes, and the kernel ends the cell with it.
    killHolder(session);
  }
  return confirmed(await waitForEnd(sessions, session, recordTakes));
}

/** It ended by itself before it was reached: then there is nothing to say. @throws `error` if it is none of ours */
async function ifOver(sessions: string, session: Session, error: unknown): Promise<Session | null> {
  if (!(error instanceof NoAnswer)) throw error;
  const now = await waitForEnd(sessions, session, error.why === "gone" ? 500 : 0);
  return now.state === "running" ? null : now;
}

function confirmed(session: Session): Session {
  if (session.state === "running") throw unreachable(session, "it was told to end, and is still there");
  return session;
}

/** Resolves when the run is over. @throws NoAnswer */
async function tellToEnd({ folder }: Session, verb: string, members: Members): Promise<void> {
  const conversation = await openConversation(folder.path);
  try {
    conversation.send(verb, members);
    const late = Promise.withResolvers<"late">();
    const timer = setTimeout(() => late.resolve("late"), answersWithin);
    const first = await Promise.race([conversation.next(), late.promise]);
    clearTimeout(timer);
    if (first === "late") throw new NoAnswer("silent", `it does not answer within ${answersWithin / 1000} s`);
    if (first?.kind === "error") throw new NoAnswer("foreign", first.error.message);
    for (let answer: Answer | null = first; answer !== null; ) answer = await conversation.next();
  } finally {
    conversation.close();
  }
}

function exitCode(error: unknown): number {
  return failureRecord(error).code === "usage" ? 125 : 1;
}

/** No longer than a run takes it from its control socket. */
function grace(text: string): number {
  const seconds = durationOrNone(text);
  if (seconds > 86_400) throw new InvalidArgumentError("It must be a day at most.");
  return seconds;
}
