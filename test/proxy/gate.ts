// A gate for this part's tests: a table of answers, the real timing (never inside `judge`), and what it was asked.

import type { Action } from "#core/action.ts";
import type { Allow, Decision, Deny } from "#core/decision.ts";
import type { Effect, Gate } from "#core/gate.ts";
import type { DenyReason } from "#core/reason.ts";

export const allowAll: Allow = {
  verdict: "allow",
  rule: "network.allow[0]",
  obligations: { tls: "terminate", protocol: "any", private: ["127.0.0.0/8"], bodyOnGet: false },
};

export function deny(reason: DenyReason, detail: string | null = null): Deny {
  return { verdict: "deny", reason, rule: null, remedy: null, detail };
}

export interface TestGate extends Gate {
  /** One line per event, in order. */
  readonly events: string[];
}

function textOf(action: Action): string {
  switch (action.kind) {
    case "http":
      return `${action.method} ${action.scheme}://${action.host}:${action.port}${action.path}`;
    case "connect":
      return `connect ${action.protocol}://${action.host}:${action.port}`;
    default:
      return `dns ${action.host} ${action.type}`;
  }
}

/** `answer` decides; `reachable` is what may be dialled. */
export function createTestGate(
  answer: (action: Action) => Decision,
  reachable: (addresses: readonly string[]) => readonly string[] = (addresses) => addresses,
): TestGate {
  const events: string[] = [];
  function record(action: Action, decision: Decision, effect?: Effect): void {
    events.push(`${textOf(action)} ${decision.verdict === "allow" ? "allow" : decision.reason}`);
    if (effect !== undefined) setImmediate(() => effect.decided(decision));
  }
  return {
    events,
    subject: {
      agent_id: "tester",
      owner: "you@example.com",
      policy_id: "none",
      policy_version: 1,
      policy_digest: `sha256:${"0".repeat(64)}`,
      session: "s-1",
      token: null,
    },
    judge: (action, effect) => record(action, answer(action), effect),
    witness: (action) => record(action, answer(action)),
    refuse: (action, reason, detail, effect) => record(action, deny(reason, detail), effect),
    reachable: (_, addresses) => reachable(addresses),
    preview: answer,
  };
}
