// `sallyport run --no-session`: where the decisions of such a run go, and when it is refused. They go to the home's log,
// `log/runs/<id>/events.jsonl`, chained and verified like a session's; nothing of the agent's output is kept.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import type { SessionFolder } from "#session/folder.ts";
import { findSession } from "#session/store.ts";
import type { Home } from "../home.ts";

/** The folder of the home's log that holds such runs. */
export function unkeptRuns(home: Pick<Home, "log">): string {
  return join(home.log, "runs");
}

/** Makes it. @throws Failure usage where the policy says in so many words that everything is to be kept */
export function openUnkeptRuns(home: Home, policy: CompiledPolicy): string {
  if (policy.execution.auditAllActionsWritten) {
    throw new Failure("usage", "the policy says audit_all_actions = true, so the session is kept", {
      place: "--no-session",
      remedy: "Leave --no-session out, or audit_all_actions out of the policy.",
    });
  }
  const folder = unkeptRuns(home);
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new Failure("home_unusable", `the home's log cannot be written: ${(cause as Error).message}`, {
      place: folder,
      remedy: "Free the disk, or give this user the home's folders back.",
      cause,
    });
  }
  return folder;
}

/** A session, or a run that was not kept as one: both have a log. @throws Failure session_unknown */
export function findLog(home: Home, text: string): SessionFolder {
  try {
    return findSession(home.sessions, text);
  } catch (unknown) {
    try {
      return findSession(unkeptRuns(home), text);
    } catch {
      throw unknown; // neither: what was said of sessions is what the person knows
    }
  }
}
