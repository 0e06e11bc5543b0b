// Whether a subject may act at all: the first of the checks. What a token said when the run began is fixed; what may change
// afterwards, its expiry and what was taken back, is compared here on every action.

import type { Allow, Deny } from "#core/decision.ts";

export interface Standing {
  /** Why nothing passes any more; null while the subject stands. */
  ended(): Deny | null;
  /** The denial in place of an allow whose rule was taken back; null where it was not. */
  closed(allow: Allow): Deny | null;
}

export interface HeldStanding extends Standing {
  /** From now on nothing passes. The first reason is kept. */
  end(reason: "token_revoked" | "token_expired" | "internal_error", detail: string): void;
  /** From now on nothing passes by this rule. */
  close(rule: string): void;
}

/** `expires` and `now` in milliseconds since 1970. */
export function createStanding(expires: number, now: () => number): HeldStanding {
  let ended: Deny | null = null;
  const closed = new Map<string, Deny>();
  return {
    ended() {
      if (ended === null && now() >= expires) ended = deny("token_expired", null, "the token's time is over");
      return ended;
    },
    closed: (allow) => (closed.size === 0 ? null : (closed.get(allow.rule) ?? null)),
    end(reason, detail) {
      ended ??= deny(reason, null, detail);
    },
    close(rule) {
      closed.set(rule, deny("token_revoked", rule, `the rule ${rule} was revoked`));
    },
  };
}

function deny(reason: Deny["reason"], rule: string | null, detail: string): Deny {
  return { verdict: "deny", reason, rule, remedy: "Ask the agent's owner for another token.", detail };
}
