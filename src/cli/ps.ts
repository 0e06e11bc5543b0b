// `sallyport ps`: the runs that are there now, as each says of itself; with --all those that were.

import type { Command } from "commander";
import { openSession, type Session, sessionIds, terminationOf } from "#session/store.ts";
import { openHome } from "./home.ts";
import { printJson, printTable } from "./output.ts";
import { askRun, runningSessions, stateText } from "./running.ts";
import { clip, commandText, durationText } from "./session-view.ts";

/** What a run said of itself; null where it did not answer in time. */
type Status = { readonly [name: string]: unknown } | null;

const columns = ["ID", "AGENT", "COMMAND", "TIME", "REQUESTS", "ALLOWED/DENIED", "STATE"];

export function register(program: Command): void {
  program
    .command("ps")
    .description("show what runs now")
    .option("-a, --all", "also what has ended, and what was lost")
    .option("-q, --quiet", "print only the ids")
    .option("--json", "print a JSON array")
    .addHelpText(
      "after",
      "\nSTATE: running; ending (asked to end, in its grace); no answer (stopped by Ctrl-Z, or stuck); with --all how it ended, or\n" +
        "lost where sallyport itself was killed: the cell ended with it.\n",
    )
    .action(ps);
}

async function ps(options: { all?: boolean; quiet?: boolean; json?: boolean }): Promise<void> {
  const { sessions } = openHome(process.env);
  const found = options.all ? sessionIds(sessions).map((id) => openSession(sessions, id)) : runningSessions(sessions);
  if (options.quiet && !options.json) {
    for (const { folder } of found) process.stdout.write(`${folder.id}\n`);
    return;
  }
  const rows = await Promise.all(found.map(async (session) => ({ session, status: await statusOf(session) })));
  if (options.json) printJson(rows.map(({ session, status }) => rowJson(session, status)));
  else printTable([columns, ...rows.map(({ session, status }) => row(session, status, Date.now()))]);
}

/** A run that does not answer is shown as such: the list is not held up by it, and does not fail. */
async function statusOf(session: Session): Promise<Status> {
  if (session.state !== "running") return null;
  return askRun(session, "status", {}).catch(() => null);
}

function row(session: Session, status: Status, now: number): string[] {
  const { record, folder } = session;
  if (record === null) return [folder.id, "-", "-", "-", "-", "-", "damaged"];
  const counts = record.state === "ended" ? record.counts : status;
  const time =
    record.state === "ended"
      ? record.duration_ms
      : session.state === "running"
        ? Math.max(0, now - Date.parse(record.started))
        : null;
  return [
    folder.id,
    clip(record.agent_id, 32),
    clip(commandText(record.command), 48),
    durationText(time),
    counts === null ? "-" : String(counts.requests),
    counts === null ? "-" : `${counts.allowed}/${counts.denied}`,
    stateOf(session, status),
  ];
}

function stateOf(session: Session, status: Status): string {
  if (session.state !== "running") return stateText(session);
  if (status === null) return "no answer";
  return status.ending === null ? "running" : "ending";
}

function rowJson(session: Session, status: Status): object {
  const { record, folder, state } = session;
  const ended = record?.state === "ended" ? record : null;
  return {
    id: folder.id,
    state: state === "boundary_lost" ? "lost" : stateOf(session, status) === "no answer" ? "no_answer" : state,
    agent_id: record?.agent_id ?? null,
    command: record?.command ?? null,
    started: record?.started ?? null,
    pid: record?.state === "running" && state === "running" ? record.pid : null,
    elapsed_ms: ended?.duration_ms ?? status?.elapsed_ms ?? null,
    requests: ended?.counts.requests ?? status?.requests ?? null,
    allowed: ended?.counts.allowed ?? status?.allowed ?? null,
    denied: ended?.counts.denied ?? status?.denied ?? null,
    terminal: status?.terminal ?? null,
    attached: status?.attached ?? null,
    ending: status?.ending ?? null,
    exit_code: ended?.exit_code ?? null,
    termination: terminationOf(session),
  };
}
