// The token that a run is under: verified once, with everything that it gives. What it can hand on is told in token-hands.ts, what may
// change of it in token-watch.ts. Loaded only where there is one.

import { join } from "node:path";
import { currentBundle } from "#control/bundle/store.ts";
import { type AgentRecord, readAgent } from "#control/store/agents.ts";
import { policyOf, readPolicy } from "#control/store/policies.ts";
import { currentEpoch, type Revocation, revocationsSince } from "#control/store/revocations.ts";
import { Failure } from "#core/failure.ts";
import type { Subject } from "#core/subject.ts";
import { createStanding, type HeldStanding } from "#enforce/standing.ts";
import { closedRules } from "#identity/revoked.ts";
import type { Narrowing } from "#identity/token/claims.ts";
import type { Verification, VerifiedToken } from "#identity/token/verify.ts";
import { narrowingPolicy } from "#policy/narrow.ts";
import type { Policy } from "#policy/policy.ts";
import type { Home } from "../home.ts";
import { readToken } from "../token-source.ts";
import type { Attempt } from "./refused-run.ts";
import { chainOf, childToken, handed, refuseUnaskedHands, spawnableOf } from "./token-hands.ts";
import { steadyClock, type WatchedRun, watchToken } from "./token-watch.ts";

/** A token and where it was said: `--token` or `SALLYPORT_TOKEN`. */
export interface TokenText {
  readonly text: string;
  readonly place: string;
}

export interface HeldToken {
  readonly who: Omit<Subject, "policy_digest" | "session">;
  /** The last that it was handed to. */
  readonly agent: AgentRecord;
  /** The measurement that the grant is bound to, null for one of nothing; undefined where it was handed down since. */
  readonly measurement: string | null | undefined;
  readonly policy: Policy;
  /** Of the authority and of every hand after it, in their order. */
  readonly narrowings: readonly Policy[];
  readonly standing: HeldStanding;
  /** Seconds since 1970. */
  readonly expires: number;
  /** Agents that a run under it may spawn: now, because a live update can take some away. */
  readonly spawnable: readonly string[];
  /** The session whose agent spawned this run's; null for a run that a person began. */
  readonly parent: string | null;
  /** The token of an agent that the run `session` spawns: this one, narrowed to that run and then handed down. */
  childToken(session: string, narrowing: Narrowing & { readonly agent: string }): Promise<string>;
  /** Follows revocations and the expiry until `close`. `session` is the run's own id. */
  watch(session: string, o: WatchedRun): { close(): void };
}

/**
 * A refusal is recorded as a session of its own before it is thrown.
 * @throws Failure token_invalid, token_expired, token_revoked, agent_unknown, policy_unknown, home_damaged
 */
export async function holdToken(home: Home, { text, place }: TokenText, attempt: Attempt): Promise<HeldToken> {
  const epoch = currentEpoch(home.revoked);
  const verification = await readToken(home, text, Math.floor(Date.now() / 1000));
  try {
    return hold(home, { text, place }, epoch, verification);
  } catch (error) {
    if (error instanceof Failure) {
      const { recordRefused } = await import("./refused-run.ts");
      await recordRefused(home, attempt, verification.token === null ? null : grantee(verification.token), error);
    }
    throw error;
  }
}

/**
 * What a run under the token would be held to, without one: nothing is recorded.
 * @throws Failure as `holdToken`
 */
export async function lookAtToken(home: Home, { text, place }: TokenText): Promise<HeldToken> {
  const verification = await readToken(home, text, Math.floor(Date.now() / 1000));
  return hold(home, { text, place }, currentEpoch(home.revoked), verification);
}

/** What can be believed of a token that does not hold. */
function grantee({ grant }: VerifiedToken): Omit<Subject, "session"> {
  return {
    agent_id: grant.agent,
    owner: grant.owner,
    policy_id: grant.policy,
    policy_version: grant.policy_version,
    policy_digest: grant.policy_digest,
    token: { jti: grant.jti, task: null, chain: [grant.agent], bundle: null },
  };
}

/** @throws Failure */
function hold(home: Home, { text, place }: TokenText, epoch: number, verification: Verification): HeldToken {
  if (!verification.ok) {
    throw new Failure(verification.reason, `the token does not hold: ${verification.detail}`, {
      place,
      remedy: "Issue another: sallyport auth issue-token; sallyport auth inspect-token says what this one is.",
    });
  }
  const { token } = verification;
  // The last hand that it was given to holds it; what stands before that hand holds for it as for everybody above.
  const hand = token.narrowings.findLastIndex((narrowing) => narrowing.agent !== undefined);
  const bound = token.narrowings.slice(hand + 1).find((narrowing) => narrowing.session !== undefined);
  if (bound !== undefined) {
    throw new Failure("token_invalid", `the token is for the run ${bound.session} alone`, {
      place,
      remedy: "Start this run under a token of its own.",
    });
  }
  const revocations = revocationsSince(home.revoked, 0).filter((one) => one.epoch <= epoch);
  const granted = grantedPolicy(home, token);
  refuseUnaskedHands(granted, token, place);
  const policy: Policy = hand < 0 ? granted : handed(granted);
  const narrowings = token.narrowings.flatMap(({ policy: said }, index) => {
    if (said === undefined) return [];
    const narrowing = narrowingPolicy(said, `the token's block ${index + 1}`);
    return [index < hand ? { ...narrowing, delegated: true as const } : narrowing];
  });
  // Who was spawned by a task whose policy was changed meanwhile has what both versions let pass, so never more than that task.
  const changed = hand < 0 ? null : changedPolicy(home, token, revocations);
  if (changed !== null) narrowings.unshift(handed(changed));
  const agent = readAgent(home.agents, chainOf(token).at(-1) ?? token.grant.agent);
  const standing = createStanding(token.expires * 1000, steadyClock());
  const revoked = revocations.map((one) => one.revoked);
  for (const rule of closedRules(revoked, token)) standing.close(rule);
  let spawnable = spawnableOf(granted, token);
  return {
    who: whoOf(home, agent, token),
    agent,
    measurement: hand < 0 ? token.grant.measurement : undefined,
    policy,
    narrowings,
    standing,
    expires: token.expires,
    get spawnable() {
      return spawnable;
    },
    parent: token.narrowings.slice(0, Math.max(hand, 0)).findLast((one) => one.session !== undefined)?.session ?? null,
    childToken: (session, narrowing) => childToken(home, text, token.key, session, narrowing),
    watch: (session, run) => {
      const updated: WatchedRun["updated"] = (now, version, revocation) => {
        const left = spawnableOf(now, token);
        spawnable = spawnable.filter((one) => left.includes(one));
        run.updated(now, version, revocation);
      };
      return watchToken(home, token, session, epoch, standing, { ...run, updated });
    },
  };
}

/** The newest version that the authority has put in the place of the token's for tasks that run; null where there is none. */
function changedPolicy(home: Home, { grant }: VerifiedToken, revocations: readonly Revocation[]): Policy | null {
  const version = revocations.reduce(
    (newest, { revoked }) =>
      revoked.kind === "update" && revoked.policy_id === grant.policy ? Math.max(newest, revoked.version) : newest,
    grant.policy_version,
  );
  return version === grant.policy_version ? null : policyOf(readPolicy(home.policies, grant.policy, version));
}

/** @throws Failure token_invalid, policy_unknown, home_damaged */
function grantedPolicy(home: Home, { grant }: VerifiedToken): Policy {
  const record = readPolicy(home.policies, grant.policy, grant.policy_version);
  if (record.digest === grant.policy_digest) return policyOf(record);
  throw new Failure("token_invalid", "the token is bound to another text of this policy", {
    place: `${grant.policy} version ${grant.policy_version}`,
    remedy: "Issue another token.",
  });
}

function whoOf(home: Home, agent: AgentRecord, token: VerifiedToken): HeldToken["who"] {
  const { grant, narrowings } = token;
  const chain = chainOf(token);
  const current = currentBundle(join(home.path, "bundles"));
  const bundle = current === null ? null : { version: current.version, digest: current.digest };
  return {
    agent_id: agent.agent_id,
    owner: agent.owner,
    policy_id: grant.policy,
    policy_version: grant.policy_version,
    token: { jti: grant.jti, task: narrowings.findLast((one) => one.task !== undefined)?.task ?? null, chain, bundle },
  };
}
