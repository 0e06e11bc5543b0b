// A small real session, written by the real log and recorder, for tests that read it, break it or replay it.

import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EventLog, openEventLog } from "#audit/log/event-log.ts";
import type { Action } from "#core/action.ts";
import type { Allow, Deny } from "#core/decision.ts";
import type { Subject } from "#core/subject.ts";
import { createSessionFolder, eventsFile, type SessionFolder } from "#session/folder.ts";
import { openRecorder, type Recorder } from "#session/recorder.ts";

export const allow: Allow = {
  verdict: "allow",
  rule: "network.allow[0]",
  obligations: { tls: "terminate", protocol: "any", private: [], bodyOnGet: false },
};

export const deny: Deny = {
  verdict: "deny",
  reason: "domain_not_allowed",
  rule: null,
  remedy: "--allow evil.example",
  detail: null,
};

export function subjectOf(session: string): Subject {
  return {
    agent_id: "local",
    owner: "you@example.com",
    policy_id: "none",
    policy_version: 1,
    policy_digest: `sha256:${"ab".repeat(32)}`,
    session,
    token: null,
  };
}

export function request(path: string, host = "example.com"): Action {
  return { kind: "http", scheme: "https", host, port: 443, method: "GET", path, body: false, upgrade: null };
}

const folders: string[] = [];

/** A folder that is gone when this process ends, sealed sessions and all. */
export function temporaryFolder(): string {
  const path = mkdtempSync(join(tmpdir(), "sallyport-log-"));
  if (folders.length === 0) process.once("exit", () => folders.forEach(remove));
  folders.push(path);
  return path;
}

function remove(path: string): void {
  if (!existsSync(path)) return;
  chmodSync(path, 0o700);
  for (const entry of readdirSync(path, { withFileTypes: true }))
    if (entry.isDirectory()) remove(join(path, entry.name));
  rmSync(path, { recursive: true });
}

export interface OpenSample {
  readonly folder: SessionFolder;
  readonly log: EventLog;
  readonly recorder: Recorder;
}

export interface SampleOptions {
  readonly now?: () => number;
  readonly onDrain?: () => void;
  readonly onBroken?: (error: Error) => void;
  readonly command?: readonly string[];
}

/** A session that has begun in the folder `sessions`: four stages are in its log. */
export function openSample(sessions: string, options: SampleOptions = {}): OpenSample {
  const now = options.now ?? Date.now;
  const folder = createSessionFolder(sessions, now);
  const subject = subjectOf(folder.id);
  const onBroken = options.onBroken ?? (() => {});
  const log = openEventLog({ file: join(folder.path, eventsFile), subject, durability: "group", now, onBroken });
  const recorder = openRecorder({
    folder,
    log,
    now,
    onDrain: options.onDrain ?? (() => {}),
    onBroken,
    start: {
      id: folder.id,
      command: options.command ?? ["agent", "--do", "it"],
      cwd: "/work",
      agent_id: subject.agent_id,
      owner: subject.owner,
      policy: { id: subject.policy_id, version: subject.policy_version, digest: subject.policy_digest },
      started: new Date(now()).toISOString(),
      sallyport: "0.1.0",
      node: process.version,
      kernel: "6.18",
      limits: { max_memory: 4_294_967_296 },
    },
  });
  for (const type of ["spawn.requested", "identity.verified", "policy.loaded", "sandbox.ready"] as const) {
    log.append({ type, detail: {} });
  }
  return { folder, log, recorder };
}

/** Lets the turn that wrote something end, and what it wrote be in its files. */
export function settled(log: EventLog): Promise<void> {
  return new Promise((resolve, reject) => {
    log.append({ type: "workspace.restored", detail: {} }, { written: resolve, unwritten: reject });
  });
}

/** A whole session of three actions and two chunks of output; `end` false leaves it as a killed sallyport would. */
export async function writeSample(
  sessions: string,
  options: SampleOptions & { end?: boolean } = {},
): Promise<SessionFolder> {
  const { folder, log, recorder } = openSample(sessions, options);
  log.append({ type: "action", action: request("/a"), decision: allow });
  log.append({ type: "action", action: { kind: "dns", host: "evil.example", type: "A" }, decision: deny });
  log.append({ type: "action", action: request("/x", "evil.example"), decision: deny });
  recorder.output("stdout", Buffer.from("hello\n"));
  recorder.output("stderr", Buffer.from("oh\u001b[31m no\n"));
  if (options.end !== false) await recorder.end({ exit_code: 3, signal: null, termination: null });
  else {
    const printed = () => readFileSync(join(folder.path, eventsFile), "utf8").split('"type":"output"').length - 1;
    while (printed() < 2) await settled(log);
    await log.close();
  }
  return folder;
}
