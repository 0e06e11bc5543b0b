// Whether a token was taken back, and what of its policy was. A judgement: the list of revocations is handed in.

import type { VerifiedToken } from "./token/verify.ts";

/** What is revoked, with everything below it. */
export type Revoked =
  | { readonly kind: "token"; readonly jti: string }
  | { readonly kind: "block"; readonly id: string }
  | { readonly kind: "task"; readonly task: string }
  | { readonly kind: "agent"; readonly agent_id: string }
  | { readonly kind: "key"; readonly key: number }
  | { readonly kind: "policy"; readonly policy_id: string; readonly version: number }
  /** Not taken back but changed: tasks under any version of it that run now go on under this one. */
  | { readonly kind: "update"; readonly policy_id: string; readonly version: number }
  | { readonly kind: "capability"; readonly agent_id: string; readonly rule: string };

/** What of a token a revocation can name. */
export type Revocable = Pick<VerifiedToken, "grant" | "narrowings" | "revocationIds" | "key">;

/** Why nothing may be done with it any more; null where this revocation does not end it. */
export function endedBy(revoked: Revoked, { grant, narrowings, revocationIds, key }: Revocable): string | null {
  switch (revoked.kind) {
    case "token":
      return revoked.jti === grant.jti ? `its grant ${grant.jti} was revoked` : null;
    case "block":
      return revocationIds.includes(revoked.id) ? "the hand that it came through was revoked" : null;
    case "task":
      return narrowings.some((one) => one.session === revoked.task) ? `its task ${revoked.task} was revoked` : null;
    case "agent": {
      const agents = [grant.agent, ...narrowings.map((one) => one.agent)];
      return agents.includes(revoked.agent_id) ? `agent ${revoked.agent_id} was revoked` : null;
    }
    case "key":
      return revoked.key === key ? `key ${key}, which signed it, was revoked` : null;
    case "policy":
      return revoked.policy_id === grant.policy && revoked.version === grant.policy_version
        ? `policy ${grant.policy} version ${grant.policy_version} was revoked`
        : null;
    case "capability":
    case "update":
      return null; // changes what passes, and leaves the rest
  }
}

/** The rules of its policy that are closed, by id. */
export function closedRules(revocations: readonly Revoked[], { grant, narrowings }: Revocable): readonly string[] {
  const agents = [grant.agent, ...narrowings.map((one) => one.agent)];
  return revocations.flatMap((one) => (one.kind === "capability" && agents.includes(one.agent_id) ? [one.rule] : []));
}
