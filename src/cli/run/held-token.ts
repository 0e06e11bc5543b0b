// The token that a run is under: verified once, then held against what is revoked while it runs. Loaded only where there is one.

import { join } from "node:path";
import { currentBundle } from "#control/bundle/store.ts";
import { type AgentRecord, readAgent } from "#control/store/agents.ts";
import { listKeys } from "#control/store/keys.ts";
import { policyOf, readPolicy } from "#control/store/policies.ts";
import { type RevocationListener, watchRevocations } from "#control/store/revocation-watch.ts";
import { currentEpoch, type Revocation, revocationsSince } from "#control/store/revocations.ts";
import { Failure } from "#core/failure.ts";
import type { Subject } from "#core/subject.ts";
import type { Termination } from "#core/termination.ts";
import { createStanding, type HeldStanding } from "#enforce/standing.ts";
import { closedRules, endedBy } from "#identity/revoked.ts";
import { loadBiscuits } from "#identity/token/biscuit.ts";
import type { Narrowing } from "#identity/token/claims.ts";
import { narrowToken } from "#identity/token/issue.ts";
import type { Verification, VerifiedToken } from "#identity/token/verify.ts";
import { narrowingPolicy } from "#policy/narrow.ts";
import type { Policy, PolicyDocument } from "#policy/policy.ts";
import type { Home } from "../home.ts";
import { readToken } from "../token-source.ts";
import type { Attempt } from "./refused-run.ts";

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

export interface WatchedRun {
  /** Nothing passes any more: what is open is to be closed, and the run ended. */
  ended(kind: Termination["kind"], detail: string, revocation: Revocation | null): void;
  /** The granted policy is this version of it from now on: what it does not let pass is to be closed. */
  updated(policy: Policy, version: number, revocation: Revocation): void;
  /** Nothing passes by these rules any more: what is open by them is to be closed. */
  closed(rules: readonly string[], revocation: Revocation): void;
}

/**
 * A refusal is recorded as a session of its own before it is thrown.
 * @throws Failure token_invalid, token_expired, token_revoked, agent_unknown, policy_unknown, home_damaged
 */
export async function holdToken(home: Home, text: string, attempt: Attempt): Promise<HeldToken> {
  const epoch = currentEpoch(home.revoked);
  const verification = await readToken(home, text, Math.floor(Date.now() / 1000));
  try {
    return hold(home, text, epoch, verification);
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
export async function lookAtToken(home: Home, text: string): Promise<HeldToken> {
  const verification = await readToken(home, text, Math.floor(Date.now() / 1000));
  return hold(home, text, currentEpoch(home.revoked), verification);
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
function hold(home: Home, text: string, epoch: number, verification: Verification): HeldToken {
  if (!verification.ok) {
    throw new Failure(verification.reason, `the token does not hold: ${verification.detail}`, {
      place: "SALLYPORT_TOKEN",
      remedy: "Issue another: sallyport auth issue-token; sallyport auth inspect-token says what this one is.",
    });
  }
  const { token } = verification;
  // The last hand that it was given to holds it; what stands before that hand holds for it as for everybody above.
  const hand = token.narrowings.findLastIndex((narrowing) => narrowing.agent !== undefined);
  const bound = token.narrowings.slice(hand + 1).find((narrowing) => narrowing.session !== undefined);
  if (bound !== undefined) {
    throw new Failure("token_invalid", `the token is for the run ${bound.session} alone`, {
      place: "SALLYPORT_TOKEN",
      remedy: "Start this run under a token of its own.",
    });
  }
  const revocations = revocationsSince(home.revoked, 0).filter((one) => one.epoch <= epoch);
  const granted = grantedPolicy(home, token);
  refuseUnaskedHands(granted, token);
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
      return watch(home, token, session, epoch, standing, { ...run, updated });
    },
  };
}

/** What of a policy a hand further down can have: the files that it shows are its holder's alone. */
function handed(policy: Policy): Policy {
  const { filesystem, ...rest } = policy.document;
  if (filesystem === undefined) return { ...policy, delegated: true };
  const none = { ...filesystem, default: "deny" as const, allow_read: [], allow_write: [] };
  return { ...policy, delegated: true, document: { ...rest, filesystem: none } };
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

/** A holder can write any agent's name into a block: only who may be spawned is one. @throws Failure token_invalid */
function refuseUnaskedHands({ document }: Policy, { narrowings }: VerifiedToken): void {
  let agents = document.execution?.spawn ?? [];
  for (const [index, one] of narrowings.entries()) {
    if (one.agent !== undefined && !agents.includes(one.agent)) {
      throw new Failure(
        "token_invalid",
        `the token's block ${index + 1} hands it to ${one.agent}, who may not have it`,
        {
          place: "SALLYPORT_TOKEN",
          remedy: "Name the agents that may be spawned in the policy: [execution] spawn.",
        },
      );
    }
    const said = saidSpawn(one) ?? (one.agent === undefined ? agents : []);
    agents = agents.filter((agent) => said.includes(agent));
  }
}

/** Milliseconds since 1970 that only rise: a clock that is set back gives a token no more time. */
function steadyClock(): () => number {
  const began = Date.now() - performance.now();
  return () => Math.max(Date.now(), began + performance.now());
}

/** What the granted policy and every hand on the way say: who is silent about it hands nothing on. */
function spawnableOf({ document }: Policy, { narrowings }: VerifiedToken): readonly string[] {
  const hands = narrowings.filter((one) => one.agent !== undefined || saidSpawn(one) !== undefined);
  return hands.reduce<readonly string[]>((agents, one) => {
    const said = saidSpawn(one) ?? [];
    return agents.filter((agent) => said.includes(agent));
  }, document.execution?.spawn ?? []);
}

function saidSpawn({ policy }: Narrowing): readonly string[] | undefined {
  return (policy as unknown as PolicyDocument | undefined)?.execution?.spawn;
}

async function childToken(
  home: Home,
  text: string,
  key: number,
  session: string,
  narrowing: Narrowing,
): Promise<string> {
  const biscuits = await loadBiscuits();
  const signer = listKeys(home.keys).find(({ id }) => id === key);
  const publicKey = Buffer.from(signer?.public ?? "", "hex");
  return narrowToken(biscuits, narrowToken(biscuits, text, publicKey, { v: 1, session }), publicKey, narrowing);
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

function chainOf({ grant, narrowings }: VerifiedToken): readonly string[] {
  return [grant.agent, ...narrowings.flatMap((narrowing) => narrowing.agent ?? [])];
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

/** As if the version that holds now were the one that was granted. */
function underVersion(token: VerifiedToken, policy_version: number): VerifiedToken {
  return { ...token, grant: { ...token.grant, policy_version } };
}

/** The longest that a timer of Node can wait; a token may hold for longer. Milliseconds. */
const longestWait = 2 ** 31 - 1;

function watch(
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
