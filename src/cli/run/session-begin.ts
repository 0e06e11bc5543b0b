// What session.json says of every run from its first moment on, whatever becomes of it.

import { release } from "node:os";
import type { Subject } from "#core/subject.ts";
import type { SessionStart } from "#session/metadata.ts";
import { version } from "../version.ts";
import type { Attempt } from "./refused-run.ts";

/** Now. */
export function sessionBegin(subject: Subject, { command, workspace }: Attempt): Omit<SessionStart, "limits"> {
  return {
    id: subject.session,
    command,
    cwd: workspace,
    agent_id: subject.agent_id,
    owner: subject.owner,
    policy: { id: subject.policy_id, version: subject.policy_version, digest: subject.policy_digest },
    ...(subject.token === null ? {} : { token: subject.token }),
    started: new Date().toISOString(),
    sallyport: version(),
    node: process.versions.node,
    kernel: release(),
  };
}
