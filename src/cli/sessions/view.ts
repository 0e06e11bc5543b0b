// Sessions and events as a person reads them. Everything in them may be the agent's choice of bytes: what reaches the
// terminal goes through `printable`, and is clipped to a length that a line can bear.

import type { JsonValue } from "#core/event.ts";
import { member } from "#lib/json.ts";
import type { LoggedEvent } from "#session/events.ts";
import type { SessionRecord } from "#session/metadata.ts";
import { type Session, terminationOf } from "#session/store.ts";
import { printable } from "../output.ts";

export const listColumns = [
  "ID",
  "STARTED",
  "AGENT",
  "COMMAND",
  "DURATION",
  "EXIT",
  "TERMINATION",
  "ALLOWED",
  "DENIED",
];

/** One row of `sessions list`; what is not known is `-`. `now` in milliseconds since the epoch. */
export function listRow(session: Session, now: number): string[] {
  const { record, folder, state } = session;
  if (record === null) return [folder.id, "-", "-", "-", "-", "-", "damaged", "-", "-"];
  const counts = record.state === "ended" ? record.counts : null;
  return [
    folder.id,
    timeText(record.started),
    clip(record.agent_id, 32),
    clip(commandText(record.command), 48),
    durationText(durationOf(session, record, now)),
    exitText(record),
    state === "running" ? "running" : (terminationOf(session)?.kind ?? "-"),
    counts === null ? "-" : String(counts.allowed),
    counts === null ? "-" : String(counts.denied),
  ];
}

/** The command's words as a shell would need them. */
export function commandText(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

/** `2026-11-21 12:46:52`, UTC. */
export function timeText(iso: string): string {
  return iso.slice(0, 19).replace("T", " ");
}

export function durationText(milliseconds: number | null): string {
  if (milliseconds === null) return "-";
  if (milliseconds < 1000) return `${milliseconds}ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)}s`;
  const seconds = Math.floor(milliseconds / 1000);
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const two = (number: number) => String(number).padStart(2, "0");
  return hours > 0 ? `${hours}h${two(minutes)}m${two(seconds % 60)}s` : `${minutes}m${two(seconds % 60)}s`;
}

/** In the units of `--max-size`: 5.2MB is 5.2·10⁶ bytes. */
export function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 999.5 && unit < units.length - 1) {
    size /= 1000;
    unit += 1;
  }
  return `${unit === 0 || size >= 99.5 ? Math.round(size) : size.toFixed(1)}${units[unit]}`;
}

export function exitText(record: SessionRecord): string {
  if (record.state !== "ended") return "-";
  return record.signal ?? (record.exit_code === null ? "-" : String(record.exit_code));
}

/** One event on one line: time, seq, what happened. */
export function eventLine(event: LoggedEvent): string {
  return `${event.time.slice(11, 23)}  ${String(event.seq).padStart(6)}  ${printable(clip(eventText(event), 300))}`;
}

export function clip(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1).toWellFormed()}…`;
}

function eventText(event: LoggedEvent): string {
  if (event.type === "action")
    return `${decisionText(event.decision)} ${actionText(event.action)}${reasonText(event.decision)}`;
  if (event.type === "output") return `${event.stream} ${event.length} bytes at ${event.offset}`;
  const detail = JSON.stringify(event.detail ?? {});
  return detail === "{}" ? event.type : `${event.type} ${detail}`;
}

function decisionText(decision: JsonValue | undefined): string {
  return member(decision, "decision") === "allow" ? "allowed" : "denied ";
}

function actionText(action: JsonValue | undefined): string {
  const text = (name: string) => String(member(action, name) ?? "?");
  switch (member(action, "kind")) {
    case "http":
      return `${text("method")} ${text("scheme")}://${text("host")}:${text("port")}${text("path")}`;
    case "connect":
      return `CONNECT ${text("host")}:${text("port")} (${text("protocol")})`;
    case "dns":
      return `DNS ${text("type")} ${text("host")}`;
    default:
      return JSON.stringify(action);
  }
}

function reasonText(decision: JsonValue | undefined): string {
  if (member(decision, "decision") === "allow") {
    const would = member(decision, "would_deny");
    const observed = would === undefined ? "" : `, though the policy would deny it (${member(would, "deny_reason")})`;
    return ` by ${member(decision, "rule")}${observed}`;
  }
  const detail = member(decision, "detail");
  return ` (${member(decision, "deny_reason")}${typeof detail === "string" ? `: ${detail}` : ""})`;
}

function durationOf(session: Session, record: SessionRecord, now: number): number | null {
  if (record.state === "ended") return record.duration_ms;
  return session.state === "running" ? Math.max(0, now - Date.parse(record.started)) : null;
}

/** What every `--json` says of a session. */
export function sessionJson(session: Session): object {
  const { folder, state, record } = session;
  return { ...record, id: folder.id, state, termination: terminationOf(session) };
}
