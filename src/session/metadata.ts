// session.json: what ran, for whom, under which policy, and how it ended. Written when the run starts (`running`, with the
// process that owns it) and once more when it ends, each time as a whole or not at all. The state is never guessed later:
// a `running` whose process is gone is shown as `boundary_lost`.

import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonValue } from "#core/event.ts";
import { Failure, type FailureRecord } from "#core/failure.ts";
import type { Termination } from "#core/termination.ts";
import { type SessionFolder, sessionFile } from "./folder.ts";

/** What is known when the run starts. */
export interface SessionStart {
  readonly id: string;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly agent_id: string;
  readonly owner: string;
  readonly policy: { readonly id: string; readonly version: number; readonly digest: string };
  /** The grant it runs under; absent for the machine's own user. */
  readonly token?: { readonly jti: string; readonly task: string | null; readonly chain: readonly string[] };
  /** The session whose agent spawned this one; absent where a person began it. */
  readonly parent?: string;
  /** ISO 8601, UTC, ms. */
  readonly started: string;
  readonly sallyport: string;
  readonly node: string;
  readonly kernel: string;
  /** The cell's limits, as the sandbox states them. */
  readonly limits: { readonly [key: string]: JsonValue };
  /** What the policy has no rule for was let through (`--observe`). */
  readonly observe?: true;
}

/** The process that owns a running session; a pid alone could be another's by now. */
export interface Holder {
  readonly pid: number;
  /** Field 22 of /proc/<pid>/stat: clock ticks from boot to the process's start. */
  readonly pid_start: string;
  readonly boot_id: string;
}

export interface SessionCounts {
  /** Connections and requests; names looked up are counted apart. */
  readonly allowed: number;
  readonly denied: number;
  readonly requests: number;
  readonly dns_allowed: number;
  readonly dns_denied: number;
  readonly events: number;
  readonly stdout_bytes: number;
  readonly stderr_bytes: number;
}

export interface FileDigest {
  readonly bytes: number;
  readonly sha256: string;
}

/** What is known when it has ended. */
export interface SessionEnd {
  readonly ended: string;
  readonly duration_ms: number;
  readonly exit_code: number | null;
  /** `SIGKILL`, …; null when the command exited. */
  readonly signal: string | null;
  readonly termination: Termination | null;
  /** Why the run could not be started; null when it ran. */
  readonly failure: FailureRecord | null;
  readonly counts: SessionCounts;
  readonly files: { readonly [name: string]: FileDigest };
  /** `seq` and SHA-256 of the log's last line; `broken` says why it could not be written to its end, null when it was. */
  readonly log: { readonly events: number; readonly head: string; readonly broken: string | null };
  /** After `--observe`: what would have been enough. Comes from the events, and can be had from them again. */
  readonly suggestion?: { readonly [key: string]: JsonValue };
}

export type RunningSession = SessionStart & {
  readonly version: typeof sessionVersion;
  readonly state: "running";
} & Holder;
export type EndedSession = SessionStart &
  SessionEnd & { readonly version: typeof sessionVersion; readonly state: "ended" };
export type SessionRecord = RunningSession | EndedSession;

export const sessionVersion = "sallyport.session.v1";

/** Replaces session.json in one step, mode 0600. `sync` waits for the disk. */
export function writeSession(folder: SessionFolder, record: SessionRecord, sync: boolean): void {
  const file = join(folder.path, sessionFile);
  const next = `${file}.next`;
  const fd = openSync(next, "w", 0o600);
  try {
    writeFileSync(fd, `${JSON.stringify(record, null, 2)}\n`);
    if (sync) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(next, file);
}

/** @throws Failure session_damaged when session.json is missing or not one. */
export function readSession(folder: SessionFolder): SessionRecord {
  const place = join(folder.path, sessionFile);
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(place, "utf8"));
  } catch (cause) {
    throw new Failure("session_damaged", `session.json cannot be read: ${(cause as Error).message}`, { place, cause });
  }
  if (!isSessionRecord(value) || value.id !== folder.id) {
    throw new Failure("session_damaged", "session.json is not the record of this session", { place });
  }
  return value;
}

/** This process, as the holder of the sessions it starts. */
export function currentHolder(): Holder {
  return { pid: process.pid, pid_start: startOf(process.pid) ?? "", boot_id: bootId() };
}

/** True while the process that started the session is still that process. */
export function isHeld(holder: Holder): boolean {
  return holder.boot_id === bootId() && holder.pid_start === startOf(holder.pid);
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}

function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The command name, in parentheses, may hold anything: fields are counted after its last parenthesis.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return null;
    throw cause;
  }
}

function isSessionRecord(value: unknown): value is SessionRecord {
  if (value === null || typeof value !== "object") return false;
  const record = value as Record<string, unknown>;
  const text = ["id", "cwd", "agent_id", "owner", "started", "sallyport", "node", "kernel"];
  if (record.version !== sessionVersion || text.some((name) => typeof record[name] !== "string")) return false;
  if (!Array.isArray(record.command) || record.command.some((word) => typeof word !== "string")) return false;
  const policy = record.policy as Record<string, unknown> | null;
  if (policy === null || typeof policy !== "object" || typeof policy.id !== "string") return false;
  if (record.state === "running") return typeof record.pid === "number" && typeof record.boot_id === "string";
  if (record.state !== "ended" || typeof record.duration_ms !== "number") return false;
  return typeof record.counts === "object" && record.counts !== null && typeof record.files === "object";
}
