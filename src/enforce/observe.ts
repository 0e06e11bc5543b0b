// `run --observe`: what the policy has no rule for is let through, where it is public, and its event says what the policy
// would have said. What it never opens:
//
// * private space, in any form: the opening policy has no private range, and addresses are judged again at connect time;
// * what the machine's ceiling denies, and what a policy denies in so many words (`deny` names it);
// * what is denied for how it is said (a malformed request, bytes that are not what the port is for).

import type { Action } from "#core/action.ts";
import type { Allow, Decision, Deny } from "#core/decision.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import { evaluate } from "#policy/evaluate.ts";

export interface Observation {
  /** As `evaluate`: synchronous, without effect. */
  judge(action: Action): Decision;
}

/** What lets an action through that only observation lets through. */
export const observedRule = "observe";
/** Decisions that are kept, so that equal answers are one object. */
const mostKept = 1024;

/**
 * `policy` is what would hold; `open` is the ceiling, and beside it the policy that opens all that is public
 * (`openPolicy`): what that denies is denied.
 */
export function createObservation(policy: CompiledPolicy, open: CompiledPolicy): Observation {
  const kept = new Map<string, Allow>();

  function observed(deny: Deny, { obligations }: Allow): Allow {
    const key = [deny.reason, deny.remedy, deny.detail, obligations.tls, obligations.protocol].join(" ");
    let allow = kept.get(key);
    if (allow === undefined) {
      if (kept.size >= mostKept) kept.clear();
      allow = { verdict: "allow", rule: observedRule, obligations: { ...obligations, private: [] }, wouldDeny: deny };
      kept.set(key, allow);
    }
    return allow;
  }

  return {
    judge(action) {
      const decision = evaluate(policy, action);
      // A denial by a rule was meant: there is nothing to find out about it.
      if (decision.verdict === "allow" || decision.rule !== null) return decision;
      const opened = evaluate(open, action);
      return opened.verdict === "allow" ? observed(decision, opened) : opened;
    },
  };
}
