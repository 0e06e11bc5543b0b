// The one question every door asks. A mover never acts on an action but through `judge`, and hears the answer
// only after the decision's event has been written: there is no effect without its event by construction.

import type { Action } from "./action.ts";
import type { Allow, Decision, Deny } from "./decision.ts";
import type { DenyReason } from "./reason.ts";
import type { Subject } from "./subject.ts";

/** What waits for a decision. An object rather than a closure: the hot path allocates nothing for it. */
export interface Effect {
  /** Called exactly once, never synchronously inside `judge`, after write(2) of the event has returned. */
  decided(decision: Decision): void;
}

export interface Gate {
  readonly subject: Subject;

  /** Judges, appends the event, then calls `effect.decided`. If the event cannot be written: deny `internal_error`. */
  judge(action: Action, effect: Effect): void;

  /**
   * Appends what is judged of a connection that ended before it asked for anything. Nothing leaves for it, so there is no
   * effect, and no cap counts it.
   */
  witness(action: Action): void;

  /**
   * Appends a denial found after or outside the judgement (a malformed request, a private address at connect time,
   * an untrusted upstream), then calls `effect.decided` with it.
   */
  refuse(action: Action, reason: DenyReason, detail: string | null, effect: Effect): void;

  /** The addresses of these that the rule behind `allow` lets the boundary connect to; MUST be asked right before connecting. */
  reachable(allow: Allow, addresses: readonly string[]): readonly string[];

  /** A judgement without event or effect, for a door that must choose how to read the bytes (pass or terminate). */
  preview(action: Action): Decision;
}

/** The body of a denial, the denial format; also the record under `decision` in the log (there without subject fields). */
export interface DenialBody {
  readonly decision: "deny";
  readonly agent_id: string;
  readonly owner: string;
  readonly policy_id: string;
  readonly policy_version: number;
  readonly deny_reason: DenyReason;
  readonly rule: string | null;
  readonly remedy: string | null;
  readonly detail: string | null;
}

export function denialBody(subject: Subject, deny: Deny): DenialBody {
  return {
    decision: "deny",
    agent_id: subject.agent_id,
    owner: subject.owner,
    policy_id: subject.policy_id,
    policy_version: subject.policy_version,
    deny_reason: deny.reason,
    rule: deny.rule,
    remedy: deny.remedy,
    detail: deny.detail,
  };
}
