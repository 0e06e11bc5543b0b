// The one order of the checks. Every door asks here, nothing that a user configures can skip a stage, and every
// path ends in an event that is written before its effect is told to go on.
//
//   standing (expiry, revocation) → connection and request policy (evaluate; under observation observe.ts) → request cap → event → effect → address class (reachable, at connect time)
//
// Synchronous throughout: no stage of this list waits on a socket.

import type { EventLog, Written } from "#audit/log/event-log.ts";
import type { Action } from "#core/action.ts";
import { type Allow, type Decision, type Deny, isAllowed } from "#core/decision.ts";
import type { Effect, Gate } from "#core/gate.ts";
import type { DenyReason } from "#core/reason.ts";
import type { Subject } from "#core/subject.ts";
import { innerApi } from "#lib/host-name.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import { evaluate, reachable } from "#policy/evaluate.ts";
import { privateRemedy } from "#policy/remedy.ts";
import type { NameSums } from "./name-sums.ts";
import type { Observation } from "./observe.ts";
import type { Standing } from "./standing.ts";

/** Hears of each decision when it is made, before its event is written. `seq` is 0 where it has none of its own. MUST NOT throw and MUST NOT wait. */
export type DecisionListener = (action: Action, decision: Decision, seq: number) => void;

export interface GateOptions {
  readonly subject: Subject;
  readonly policy: CompiledPolicy;
  readonly log: EventLog;
  /** Allowed HTTP requests and tunnels of this run; null is no cap. */
  readonly maxRequests: number | null;
  readonly onDecision: DecisionListener;
  /** What judges in the policy's place while a run is observed; none otherwise. */
  readonly observation?: Observation | null;
  /** Where allowed name lookups are summed up (`audit_all_actions = false`); none where each has its event. */
  readonly names?: NameSums | null;
  /** Whether the subject may act at all; none for who needs no token. */
  readonly standing?: Standing | null;
}

const exhausted: Deny = {
  verdict: "deny",
  reason: "requests_exhausted",
  rule: "execution.max_requests",
  remedy: "Give the run more with --max-requests.",
  detail: null,
};

const logFailed: Deny = {
  verdict: "deny",
  reason: "internal_error",
  rule: null,
  remedy: "The boundary cannot write its log, so nothing leaves: free the disk and start again.",
  detail: "the event of this decision could not be written",
};

const inner: Allow = {
  verdict: "allow",
  rule: innerApi,
  obligations: { tls: "terminate", protocol: "http", private: [], bodyOnGet: false },
};

const innerElsewhere: Deny = {
  verdict: "deny",
  reason: "port_not_allowed",
  rule: innerApi,
  remedy: `Ask http://${innerApi}/v1/whoami, on port 80.`,
  detail: null,
};

/** Asking sallyport itself leaves nothing: whatever the policy, it is answered, over plain HTTP alone. */
function innerDecision(action: Action): Decision {
  if (action.kind === "dns" || (action.port === 80 && (action.kind === "connect" || action.scheme === "http")))
    return inner;
  return innerElsewhere;
}

/** What cannot be judged is denied; the error's name is no agent's text. */
function judgementFailed(error: unknown): Deny {
  const name = error instanceof Error ? error.name : typeof error;
  const detail = `the judgement failed (${name}), and what cannot be judged is denied`;
  return { verdict: "deny", reason: "internal_error", rule: null, remedy: null, detail };
}

/** A gate whose requests can be lent to agents that this one's spawned. */
export interface LendingGate extends Gate {
  /** Infinity where there is no cap. */
  readonly requestsLeft: number;
  /** By this run, and by those that it has lent some. */
  readonly requestsUsed: number;
  /** Takes these from what is left. @throws RangeError where fewer are left */
  lend(requests: number): void;
  giveBack(requests: number): void;
  /** From the next action on this policy holds, and events and denials say so. */
  replacePolicy(policy: CompiledPolicy, subject: Subject): void;
}

export function openGate(options: GateOptions): LendingGate {
  return new RunGate(options);
}

class RunGate implements LendingGate {
  subject: Subject;
  #policy: CompiledPolicy;
  readonly #log: EventLog;
  readonly #onDecision: DecisionListener;
  readonly #observation: Observation | null;
  readonly #standing: Standing | null;
  readonly #names: NameSums | null;
  #requestsLeft: number;
  #requestsUsed = 0;

  constructor(options: GateOptions) {
    this.subject = options.subject;
    this.#policy = options.policy;
    this.#log = options.log;
    this.#onDecision = options.onDecision;
    this.#observation = options.observation ?? null;
    this.#standing = options.standing ?? null;
    this.#names = options.names ?? null;
    this.#requestsLeft = options.maxRequests ?? Number.POSITIVE_INFINITY;
  }

  get requestsLeft(): number {
    return this.#requestsLeft;
  }

  get requestsUsed(): number {
    return this.#requestsUsed;
  }

  lend(requests: number): void {
    if (requests > this.#requestsLeft) throw new RangeError(`only ${this.#requestsLeft} requests are left`);
    this.#requestsLeft -= requests;
    this.#requestsUsed += requests;
  }

  giveBack(requests: number): void {
    this.#requestsLeft += requests;
    this.#requestsUsed -= requests;
  }

  replacePolicy(policy: CompiledPolicy, subject: Subject): void {
    this.#policy = policy;
    this.subject = subject;
  }

  judge(action: Action, effect: Effect): void {
    this.#record(action, this.#decide(action), effect);
  }

  witness(action: Action): void {
    this.#record(action, this.preview(action));
  }

  refuse(action: Action, reason: DenyReason, detail: string | null, effect: Effect): void {
    const remedy = reason === "private_address" ? privateRemedy(action) : null;
    this.#record(action, { verdict: "deny", reason, rule: null, remedy, detail }, effect);
  }

  reachable(allow: Allow, addresses: readonly string[]): readonly string[] {
    return reachable(allow, addresses);
  }

  preview(action: Action): Decision {
    try {
      const standing = this.#standing;
      if (standing === null) return this.#judged(action);
      const ended = standing.ended();
      if (ended !== null) return ended;
      const decision = this.#judged(action);
      return isAllowed(decision) ? (standing.closed(decision) ?? decision) : decision;
    } catch (error) {
      return judgementFailed(error);
    }
  }

  #judged(action: Action): Decision {
    if (action.host === innerApi) return innerDecision(action);
    return this.#observation === null ? evaluate(this.#policy, action) : this.#observation.judge(action);
  }

  #decide(action: Action): Decision {
    const decision = this.preview(action);
    if (action.kind === "dns" || action.host === innerApi || !isAllowed(decision)) return decision;
    if (this.#requestsLeft <= 0) return exhausted;
    this.#requestsLeft -= 1;
    this.#requestsUsed += 1;
    return decision;
  }

  #record(action: Action, decision: Decision, effect?: Effect): void {
    // Under observation what would be denied keeps its own event.
    if (this.#names !== null && action.kind === "dns" && isAllowed(decision) && decision.wouldDeny === undefined) {
      this.#names.take(action, decision, logFailed, effect);
      this.#onDecision(action, decision, 0);
      return;
    }
    const then = effect === undefined ? undefined : new Pending(effect, decision);
    const seq = this.#log.append({ type: "action", action, decision }, then);
    this.#onDecision(action, decision, seq);
  }
}

/** Holds an effect back until the event of its decision is on disk. */
class Pending implements Written {
  readonly #effect: Effect;
  readonly #decision: Decision;

  constructor(effect: Effect, decision: Decision) {
    this.#effect = effect;
    this.#decision = decision;
  }

  written(): void {
    this.#effect.decided(this.#decision);
  }

  unwritten(): void {
    this.#effect.decided(logFailed);
  }
}
