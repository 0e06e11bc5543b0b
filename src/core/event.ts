// One entry of the audit log, before it gets its place in the chain (`seq`, `prev`, `time`).
// On disk: RFC 8785 canonical JSON, one object a line, with the members of the event and
//   seq (1, 2, …), time (ISO 8601, UTC, ms), session, prev (SHA-256 hex of the line before, without its newline;
//   64 zeros for the first), policy (digest), subject {agent_id, owner, policy_id, policy_version,
//   and under a token also token_id, task, chain}.

import type { Action } from "./action.ts";
import type { Decision } from "./decision.ts";

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };

/** A decision on an action: `{type:"action", action:{…}, decision:{decision:"deny", deny_reason, rule, remedy, detail}}`. */
export interface ActionEvent {
  readonly type: "action";
  readonly action: Action;
  readonly decision: Decision;
}

/** A stage of the run's life. `detail` stands in the line under that name. */
export interface LifecycleEvent {
  readonly type:
    | "spawn.requested"
    | "identity.verified"
    | "policy.loaded"
    | "sandbox.ready"
    | "session.ended"
    | "boundary.failed"
    | "control.received"
    | "workspace.restored"
    | "authority.changed"
    | "policy.updated"
    | "agent.noted"
    | "agent.spawned"
    | "agent.returned"
    | "publish.opened"
    | "publish.connection"
    | "dns.summed";
  readonly detail: { readonly [key: string]: JsonValue };
}

/** A chunk of what the agent printed; its bytes are in `<stream>.log` at `offset`. */
export interface OutputEvent {
  readonly type: "output";
  readonly stream: "stdout" | "stderr";
  readonly offset: number;
  readonly length: number;
  readonly sha256: string;
}

export type Event = ActionEvent | LifecycleEvent | OutputEvent;
