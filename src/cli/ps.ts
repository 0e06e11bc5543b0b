// `sallyport ps`: the runs that are there now, as each says of itself; with --all those that were.

import type { Command } from "commander";
import type { Termination } from "#core/termination.ts";
import { openSession, type Session, sessionIds, terminationOf } from "#session/store.ts";
import { openHome } from "./home.ts";
import { printJson, printTable } from "./output.ts";
import { askRun, runningSessions, stateText } from "./run/running.ts";
import { clip, commandText, durationText } from "./sessions/view.ts";

/** What a run said of itself; null where it did not answer in time. */
type Status = { readonly [name: string]: unknown } | null;

/** One run, as `--json` gives it. */
interface Row {
  readonly id: string;
  readonly state: "running" | "ending" | "no_answer" | "ended" | "lost" | "damaged";
  readonly agent_id: string | null;
  readonly command: readonly string[] | null;
  readonly started: string | null;
  readonly pid: number | null;
  readonly elapsed_ms: number | null;
  readonly requests: number | null;
  readonly allowed: number | null;
  readonly denied: number | null;
  /** It can be typed into. */
  readonly terminal: boolean | null;
  /** How many watch it. */
  readonly attached: number | null;
  /** Why it is ending. */
  readonly ending: string | null;
  readonly exit_code: number | null;
  readonly termination: Termination | null;
}

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
  const home = openHome(process.env);
  const running = await runningSessions(home);
  const ids = new Set(running.map(({ folder }) => folder.id));
  const others = options.all ? sessionIds(home.sessions).filter((id) => !ids.has(id)) : [];
  const found = [...running, ...others.map((id) => openSession(home.sessions, id))];
  if (options.quiet && !options.json) {
    for (const { folder } of found) process.stdout.write(`${folder.id}\n`);
    return;
  }
  const rows = await Promise.all(found.map(async (session) => ({ session, status: await statusOf(session) })));
  if (options.json) printJson(rows.map(({ session, status }) => rowJson(session, status)));
  else printTable([columns, ...rows.map(({ session, status }) => row(session, status))]);
}

/** A run that does not answer is shown as such: the list is not held up by it, and does not fail. */
async function statusOf(session: Session): Promise<Status> {
  if (session.state !== "running") return null;
  return askRun(session, "status", {}).catch(() => null);
}

function row(session: Session, status: Status): string[] {
  const { id, state, agent_id, command, elapsed_ms, requests, allowed, denied } = rowJson(session, status);
  return [
    id,
    clip(agent_id ?? "-", 32),
    command === null ? "-" : clip(commandText(command), 48),
    durationText(elapsed_ms),
    requests === null ? "-" : String(requests),
    allowed === null ? "-" : `${allowed}/${denied}`,
    state === "ended" ? stateText(session) : state.replace("_", " "),
  ];
}

function stateOf({ state }: Session, status: Status): Row["state"] {
  if (state === "boundary_lost") return "lost";
  if (state !== "running") return state;
  if (status === null) return "no_answer";
  return status.ending === null ? "running" : "ending";
}

function rowJson(session: Session, status: Status): Row {
  const { record, folder, state } = session;
  const ended = record?.state === "ended" ? record : null;
  // What a run without a session's record says of itself is taken as it says it.
  const said = (status ?? {}) as Partial<Row>;
  return {
    id: folder.id,
    state: stateOf(session, status),
    agent_id: record?.agent_id ?? said.agent_id ?? null,
    command: record?.command ?? said.command ?? null,
    started: record?.started ?? null,
    pid: state !== "running" ? null : record?.state === "running" ? record.pid : (said.pid ?? null),
    elapsed_ms: ended?.duration_ms ?? said.elapsed_ms ?? elapsed(session),
    requests: ended?.counts.requests ?? said.requests ?? null,
    allowed: ended?.counts.allowed ?? said.allowed ?? null,
    denied: ended?.counts.denied ?? said.denied ?? null,
    terminal: said.terminal ?? null,
    attached: said.attached ?? null,
    ending: said.ending ?? null,
    exit_code: ended?.exit_code ?? null,
    termination: terminationOf(session),
  };
}

/** Of a run that does not say it itself. */
function elapsed({ record, state }: Session): number | null {
  return state === "running" && record !== null ? Math.max(0, Date.now() - Date.parse(record.started)) : null;
}
