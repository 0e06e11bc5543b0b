// A judgement as a value. Decisions are made once when a policy is compiled and shared by every action that
// gets the same answer, so a mover may compare them and a log may cache their text; never mutate one.

import type { DenyReason } from "./reason.ts";

/** What must be done for an allow to hold. */
export interface Obligations {
  /** `terminate`: the boundary reads the HTTP inside. `pass`: bytes untouched, judged by name only. */
  readonly tls: "terminate" | "pass";
  /** What must be spoken: `any` means whatever the port's habit says (TLS on 443, …). */
  readonly protocol: "any" | "http" | "tls" | "tcp";
  /** Private ranges (CIDR) that this rule's hosts may lead to. */
  readonly private: readonly string[];
  /** True where a body on GET or HEAD may pass. */
  readonly bodyOnGet: boolean;
}

export type Decision = Allow | Deny;

export interface Allow {
  readonly verdict: "allow";
  /** Id of the rule that matched: its `id`, or `network.allow[3]`. */
  readonly rule: string;
  readonly obligations: Obligations;
  /** Under observation only: what the policy would have said. */
  readonly wouldDeny?: Deny;
}

export interface Deny {
  readonly verdict: "deny";
  readonly reason: DenyReason;
  /** Id of the rule that denied; null when nothing allowed it. */
  readonly rule: string | null;
  /** One sentence or a flag that would make it pass, e.g. `--allow example.com`; null where nothing would. */
  readonly remedy: string | null;
  /** What was found, for a person who reads the log; never agent-controlled bytes unescaped, never a secret. */
  readonly detail: string | null;
}

export function isAllowed(decision: Decision): decision is Allow {
  return decision.verdict === "allow";
}
