// `sallyport sessions show`: what one session was, what it asked for, and how it ended.

import { type Verification, verifySession } from "#audit/verify/session.ts";
import { Failure } from "#core/failure.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import type { SessionFolder } from "#session/folder.ts";
import { findSession, openSession, type Session, sessionIds, terminationOf } from "#session/store.ts";
import { openHome } from "../home.ts";
import { printable, printJson, printLine, printTable } from "../output.ts";
import { type HostSummary, summarizeHosts } from "./host-summary.ts";
import { printTree, sessionTree, treeJson } from "./tree.ts";
import { clip, commandText, durationText, exitText, sessionJson, timeText } from "./view.ts";

export interface ShowFlags {
  /** With the runs that its agents spawned. */
  readonly tree?: boolean;
  readonly json?: boolean;
}

/** `text`: an id, the beginning of one, or `last`. @throws Failure session_unknown */
export function showSession(text: string, flags: ShowFlags): void {
  const { sessions } = openHome(process.env);
  const { id } = findSession(sessions, text);
  if (flags.tree) showTree(sessions, text === "last" ? rootOf(sessions, id) : id, flags);
  else showOne(openSession(sessions, id), flags);
}

/** The run that somebody started: the one that began last may be one that its agent spawned. */
function rootOf(sessions: string, id: string): string {
  const kept = new Set(sessionIds(sessions));
  const passed = new Set<string>();
  let at = id;
  while (!passed.has(at)) {
    passed.add(at);
    const parent = openSession(sessions, at).record?.parent;
    if (parent === undefined || parent === null || !kept.has(parent)) break;
    at = parent;
  }
  return at;
}

function showTree(sessions: string, id: string, { json }: ShowFlags): void {
  const tree = sessionTree(sessions, id);
  if (json) printJson(treeJson(tree));
  else printTree(tree);
}

function showOne(session: Session, { json }: ShowFlags): void {
  const verification = verifySession(session.folder.path);
  const hosts = summarizeHosts(readable(session.folder));
  if (json) printJson({ ...sessionJson(session), path: session.folder.path, hosts, verification });
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
