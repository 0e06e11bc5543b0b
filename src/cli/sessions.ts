// `sallyport sessions list|show|events|prune`: what ran, what it did, and how long it is kept.

import { setTimeout as sleep } from "node:timers/promises";
import type { Command } from "commander";
import { type Verification, verifySession } from "#audit/verify/session.ts";
import type { Event } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { parseDuration, parseSize } from "#policy/units.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import type { SessionFolder } from "#session/folder.ts";
import { findSession, openSession, type Session, sessionIds, terminationOf } from "#session/store.ts";
import { openHome } from "./home.ts";
import { printable, printJson, printLine, printTable } from "./output.ts";
import { findLog } from "./run/unkept-run.ts";
import { type HostSummary, summarizeHosts } from "./sessions/host-summary.ts";
import type { PruneFlags } from "./sessions/prune.ts";
import {
  clip,
  commandText,
  durationText,
  eventLine,
  exitText,
  listColumns,
  listRow,
  member,
  timeText,
} from "./sessions/view.ts";

/** What `--type` may name: each type of event, once. */
export const eventTypes = Object.keys({
  action: true,
  output: true,
  "spawn.requested": true,
  "identity.verified": true,
  "policy.loaded": true,
  "sandbox.ready": true,
  "session.ended": true,
  "boundary.failed": true,
  "control.received": true,
  "workspace.restored": true,
  "authority.changed": true,
  "policy.updated": true,
  "agent.noted": true,
  "agent.spawned": true,
  "agent.returned": true,
  "publish.opened": true,
  "publish.connection": true,
  "dns.summed": true,
} satisfies Record<Event["type"], true>);

/** What a screen holds; `--all` and `-n` show more. */
const shownByDefault = 50;
/** How often a followed log is looked at, milliseconds. */
const followInterval = 100;

export function register(program: Command): void {
  const sessions = program.command("sessions").description("list and show what ran");
  sessions
    .command("list")
    .description("list the sessions, newest first")
    .option("--agent <id>", "only this agent's")
    .option("-n, --limit <n>", `only the newest n (${shownByDefault}, where nothing is said)`, wholeNumber)
    .option("--all", "all of them")
    .option("--json", "print a JSON array, of all of them where no limit is given")
    .action(list);
  sessions
    .command("show")
    .description("show what a session was, asked for, and how it ended")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--tree", "with the runs that its agents spawned, and what each did")
    .option("--json", "print JSON")
    .action(async (text: string, options: { tree?: boolean; json?: boolean }) => {
      if (!options.tree) return show(text, options);
      const { printTree, sessionTree, treeJson } = await import("./sessions/tree.ts");
      const { sessions: folder } = openHome(process.env);
      const tree = sessionTree(folder, findSession(folder, text).id);
      if (options.json) printJson(treeJson(tree));
      else printTree(tree);
    });
  sessions
    .command("events")
    .description("show a session's log")
    .argument("<session>", "an id (also of a run with --no-session), the beginning of one, or last")
    .option("--type <type>", "only events of this type: action, output, session.ended, …", eventType)
    .option("--denied", "only denied actions")
    .option("-f, --follow", "go on with what is added, until the session ends")
    .option("--json", "print the lines of the log as they are")
    .action(events);
  sessions
    .command("prune")
    .description("remove old sessions, with their output and their logs; never a running one")
    .option("--older-than <duration>", "those that ended longer ago: 30d, 2w, 12h", age)
    .option("--max-size <size>", "the oldest, until all together are no larger: 5GB, 500MiB", size)
    .option("--dry-run", "say what would go, and remove nothing")
    .option("-y, --yes", "do not ask")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      "\nWhat went stays named in the home's log (log/pruned.jsonl). Exit code: 0, or 1 where something could not be removed.\n" +
        "Example: sallyport sessions prune --older-than 30d --max-size 5GB --yes",
    )
    .action(async (flags: PruneFlags) => {
      process.exitCode = await (await import("./sessions/prune.ts")).pruneSessions(flags);
    });
}

function list(options: { agent?: string; limit?: number; all?: boolean; json?: boolean }): void {
  const { sessions } = openHome(process.env);
  const found: Session[] = [];
  const limit = options.limit ?? (options.all || options.json ? Number.POSITIVE_INFINITY : shownByDefault);
  const ids = sessionIds(sessions);
  let looked = 0;
  for (const id of ids) {
    if (found.length >= limit) break;
    looked += 1;
    const session = openSession(sessions, id);
    if (options.agent === undefined || session.record?.agent_id === options.agent) found.push(session);
  }
  if (options.json) {
    printJson(found.map(sessionJson));
    return;
  }
  printTable([listColumns, ...found.map((session) => listRow(session, Date.now()))]);
  const more = ids.length - looked;
  if (more > 0 && options.limit === undefined)
    process.stderr.write(`and ${more} older: --all shows them, -n N as many\n`);
}

function show(text: string, options: { json?: boolean }): void {
  const { sessions } = openHome(process.env);
  const session = openSession(sessions, findSession(sessions, text).id);
  const verification = verifySession(session.folder.path);
  const hosts = summarizeHosts(readable(session.folder));
  if (options.json) printJson({ ...sessionJson(session), path: session.folder.path, hosts, verification });
  else showText(session, hosts, verification);
}

/** The events up to the first that cannot be read: the verification says what is wrong with the rest. */
function* readable(folder: SessionFolder): Generator<LoggedEvent, void, void> {
  try {
    for (const { event } of readEvents(folder)) yield event;
  } catch (error) {
    if (!(error instanceof Failure && error.code === "session_damaged")) throw error;
  }
}

function showText(session: Session, hosts: readonly HostSummary[], verification: Verification): void {
  const { record, folder, state } = session;
  const rows: string[][] = [["session", folder.id]];
  if (record !== null) {
    const { policy } = record;
    rows.push(
      ["command", clip(commandText(record.command), 400)],
      ["folder", record.cwd],
      ["agent", `${record.agent_id}, answered for by ${record.owner}`],
      ["policy", `${policy.id} version ${policy.version}, ${policy.digest}`],
      ...(record.observe ? [["observed", `what would have been enough: sallyport policy suggest ${folder.id}`]] : []),
      ["started", `${timeText(record.started)} UTC`],
      ["state", state],
      ["duration", record.state === "ended" ? durationText(record.duration_ms) : "-"],
      ["exit", exitText(record)],
    );
  } else rows.push(["state", state]);
  const termination = terminationOf(session);
  if (termination !== null) {
    const { kind, threshold, observed } = termination;
    rows.push(["ended by", threshold === null ? kind : `${kind}: ${observed} observed, ${threshold} allowed`]);
  }
  if (record?.state === "ended") {
    const { counts } = record;
    rows.push(
      ["actions", `${counts.allowed} allowed, ${counts.denied} denied; ${counts.requests} were HTTP requests`],
      ["names", `${counts.dns_allowed + counts.dns_denied} looked up, ${counts.dns_denied} of them denied`],
      ["output", `${counts.stdout_bytes} bytes to stdout, ${counts.stderr_bytes} to stderr`],
    );
  }
  rows.push(["log", `${verification.status.replace("_", " ")}, ${verification.events} events`], ["files", folder.path]);
  printTable(rows);
  for (const { place, message } of verification.findings.slice(0, 5))
    printLine(`  ${printable(`${place}: ${message}`)}`);
  if (hosts.length === 0) return;
  printLine("");
  printTable([["HOST", "ALLOWED", "DENIED", "LOOKUPS", "REASONS"], ...hosts.map(hostRow)]);
}

function hostRow({ host, allowed, denied, lookups, reasons }: HostSummary): string[] {
  const why = Object.entries(reasons).map(([reason, times]) => (times === 1 ? reason : `${reason} ×${times}`));
  return [clip(host, 80), String(allowed), String(denied), String(lookups), why.join(", ") || "-"];
}

async function events(
  text: string,
  options: { type?: string; denied?: boolean; follow?: boolean; json?: boolean },
): Promise<void> {
  const home = openHome(process.env);
  const folder = findLog(home, text);
  let position = 0;
  let ended = false;
  for (;;) {
    const over = openSession(home.sessions, folder.id).state !== "running";
    for (const { event, text: line, next } of readEvents(folder, position)) {
      position = next;
      ended ||= event.type === "session.ended";
      if (!isWanted(event, options)) continue;
      printLine(options.json ? printable(line) : eventLine(event));
    }
    // Read once more after the state was seen to be over: nothing is added any more.
    if (!options.follow || ended || over) return;
    await sleep(followInterval);
  }
}

function isWanted(event: LoggedEvent, { type, denied }: { type?: string; denied?: boolean }): boolean {
  if (type !== undefined && event.type !== type) return false;
  return !denied || (event.type === "action" && member(event.decision, "decision") === "deny");
}

function sessionJson(session: Session): object {
  const { folder, state, record } = session;
  return { ...record, id: folder.id, state, termination: terminationOf(session) };
}

function eventType(text: string): string {
  if (eventTypes.includes(text)) return text;
  throw new Failure("usage", "no event is of this type", {
    place: text,
    remedy: `There are: ${eventTypes.join(", ")}.`,
  });
}

function age(text: string): number {
  const seconds = parseDuration(text);
  if (seconds !== null) return seconds;
  throw new Failure("usage", "not a length of time", { place: text, remedy: "For example: --older-than 30d" });
}

function size(text: string): number {
  const bytes = text === "0" ? 0 : parseSize(text);
  if (bytes !== null) return bytes;
  throw new Failure("usage", "not a size", { place: text, remedy: "For example: --max-size 5GB" });
}

function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new Failure("usage", "not a whole number above 0", { place: text, remedy: "For example: -n 20" });
}
