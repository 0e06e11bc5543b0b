// The record of a run that was refused because of its token: nothing of the agent ran, and the log says who tried.

import { join } from "node:path";
import { openEventLog } from "#audit/log/event-log.ts";
import type { Failure } from "#core/failure.ts";
import type { Subject } from "#core/subject.ts";
import { createSessionFolder, eventsFile } from "#session/folder.ts";
import { openRecorder } from "#session/recorder.ts";
import type { Home } from "../home.ts";
import { sessionBegin } from "./session-begin.ts";

const nobody: Omit<Subject, "session"> = {
  agent_id: "unknown",
  owner: "unknown",
  policy_id: "unknown",
  policy_version: 0,
  policy_digest: `sha256:${"0".repeat(64)}`,
  token: null,
};

export interface Attempt {
  readonly command: readonly string[];
  readonly workspace: string;
}

/** Ends a session with the failure at the stage `identity.verified`. `who`: what could be believed of it; null for nothing. */
export async function recordRefused(
  home: Home,
  { command, workspace }: Attempt,
  who: Omit<Subject, "session"> | null,
  failure: Failure,
): Promise<void> {
  const folder = createSessionFolder(home.sessions, Date.now);
  const subject: Subject = { ...(who ?? nobody), session: folder.id };
  const { agent_id, owner } = subject;
  const onBroken = () => {}; // the failure that is told anyway is the greater one
  const log = openEventLog({
    file: join(folder.path, eventsFile),
    subject,
    durability: "group",
    now: Date.now,
    onBroken,
  });
  const start = { ...sessionBegin(subject, { command, workspace }), limits: {} };
  const recorder = openRecorder({ folder, start, log, now: Date.now, onDrain: () => {}, onBroken });
  log.append({ type: "spawn.requested", detail: { command, cwd: workspace, tier: "process" } });
  log.append({
    type: "identity.verified",
    detail: { agent_id, owner, attested: false, refused: failure.code, why: failure.message },
  });
  await recorder.end({ exit_code: null, signal: null, termination: null, failure: failure.record() });
}
