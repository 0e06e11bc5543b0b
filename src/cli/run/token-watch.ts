// What of a token changes while a run is under it: revocations, live updates of its policy, its expiry. Seen at once, and told to
// who closes and ends.

import { policyOf, readPolicy } from "#control/store/policies.ts";
import { type RevocationListener, watchRevocations } from "#control/store/revocation-watch.ts";
import type { Revocation } from "#control/store/revocations.ts";
import type { Termination } from "#core/termination.ts";
import type { HeldStanding } from "#enforce/standing.ts";
import { closedRules, endedBy } from "#identity/revoked.ts";
import type { VerifiedToken } from "#identity/token/verify.ts";
import type { Policy } from "#policy/policy.ts";
import type { Home } from "../home.ts";
import { handed } from "./token-hands.ts";

export interface WatchedRun {
  /** Nothing passes any more: what is open is to be closed, and the run ended. */
  ended(kind: Termination["kind"], detail: string, revocation: Revocation | null): void;
  /** The granted policy is this version of it from now on: what it does not let pass is to be closed. */
  updated(policy: Policy, version: number, revocation: Revocation): void;
  /** Nothing passes by these rules any more: what is open by them is to be closed. */
  closed(rules: readonly string[], revocation: Revocation): void;
}

/** Milliseconds since 1970 that only rise: a clock that is set back gives a token no more time. */
export function steadyClock(): () => number {
  const began = Date.now() - performance.now();
  return () => Math.max(Date.now(), began + performance.now());
}

/** As if the version that holds now were the one that was granted. */
function underVersion(token: VerifiedToken, policy_version: number): VerifiedToken {
  return { ...token, grant: { ...token.grant, policy_version } };
}

/** The longest that a timer of Node can wait; a token may hold for longer. Milliseconds. */
const longestWait = 2 ** 31 - 1;

/** `epoch`: of the revocations that were looked at when it was verified. `session`: the run that is under it. */
export function watchToken(
  home: Home,
  token: VerifiedToken,
  session: string,
  epoch: number,
  standing: HeldStanding,
  run: WatchedRun,
): { close(): void } {
  const now = steadyClock();
  let inForce = token.grant.policy_version;
  const update = (version: number, revocation: Revocation) => {
    try {
      const policy = policyOf(readPolicy(home.policies, token.grant.policy, version));
      const isHanded = token.narrowings.some((one) => one.agent !== undefined);
      inForce = version;
      run.updated(isHanded ? handed(policy) : policy, version, revocation);
    } catch (error) {
      const why = `the changed policy cannot hold here: ${(error as Error).message}`;
      standing.end("internal_error", why);
      run.ended("boundary_lost", why, revocation);
    }
  };
  const bound = { ...token, narrowings: [...token.narrowings, { v: 1, session } as const] };
  const listener: RevocationListener = {
    revoked(revocations) {
      for (const revocation of revocations) {
        const why = endedBy(revocation.revoked, bound) ?? endedBy(revocation.revoked, underVersion(bound, inForce));
        const rules = closedRules([revocation.revoked], bound);
        if (why !== null) {
          standing.end("token_revoked", why);
          run.ended("revoked", why, revocation);
        }
        const { revoked } = revocation;
        if (revoked.kind === "update" && revoked.policy_id === token.grant.policy) update(revoked.version, revocation);
        for (const rule of rules) standing.close(rule);
        if (rules.length > 0) run.closed(rules, revocation);
      }
    },
    unreadable(error) {
      const why = `what is revoked cannot be read: ${error.message}`;
      standing.end("internal_error", why);
      run.ended("boundary_lost", why, null);
    },
  };
  const watching = watchRevocations(home.revoked, epoch, listener);
  let timer: NodeJS.Timeout;
  const wait = () => {
    const left = token.expires * 1000 - now();
    if (left > 0) timer = setTimeout(wait, Math.min(left, longestWait)).unref();
    else run.ended("expired", "the token's time is over", null);
  };
  wait();
  return {
    close() {
      clearTimeout(timer);
      watching.close();
    },
  };
}
