// A token's hands: who it was handed to, one after the other, and what each can have and hand on. Read from the token's own
// blocks, which any holder can write: what a block claims counts only as far as the grant and every hand before it allow.

import { listKeys } from "#control/store/keys.ts";
import { Failure } from "#core/failure.ts";
import { loadBiscuits } from "#identity/token/biscuit.ts";
import type { Narrowing } from "#identity/token/claims.ts";
import { narrowToken } from "#identity/token/issue.ts";
import type { VerifiedToken } from "#identity/token/verify.ts";
import type { Policy, PolicyDocument } from "#policy/policy.ts";
import type { Home } from "../home.ts";

/** The agents, from the one that was granted it to the one that holds it. */
export function chainOf({ grant, narrowings }: VerifiedToken): readonly string[] {
  return [grant.agent, ...narrowings.flatMap((narrowing) => narrowing.agent ?? [])];
}

/** What of a policy a hand further down can have: the files that it shows are its holder's alone. */
export function handed(policy: Policy): Policy {
  const { filesystem, ...rest } = policy.document;
  if (filesystem === undefined) return { ...policy, delegated: true };
  const none = { ...filesystem, default: "deny" as const, allow_read: [], allow_write: [] };
  return { ...policy, delegated: true, document: { ...rest, filesystem: none } };
}

/** A holder can write any agent's name into a block: only who may be spawned is one. @throws Failure token_invalid */
export function refuseUnaskedHands({ document }: Policy, { narrowings }: VerifiedToken, place: string): void {
  let agents = document.execution?.spawn ?? [];
  for (const [index, one] of narrowings.entries()) {
    if (one.agent !== undefined && !agents.includes(one.agent)) {
      throw new Failure(
        "token_invalid",
        `the token's block ${index + 1} hands it to ${one.agent}, who may not have it`,
        {
          place,
          remedy: "Name the agents that may be spawned in the policy: [execution] spawn.",
        },
      );
    }
    const said = saidSpawn(one) ?? (one.agent === undefined ? agents : []);
    agents = agents.filter((agent) => said.includes(agent));
  }
}

/** What the granted policy and every hand on the way say: who is silent about it hands nothing on. */
export function spawnableOf({ document }: Policy, { narrowings }: VerifiedToken): readonly string[] {
  const hands = narrowings.filter((one) => one.agent !== undefined || saidSpawn(one) !== undefined);
  return hands.reduce<readonly string[]>((agents, one) => {
    const said = saidSpawn(one) ?? [];
    return agents.filter((agent) => said.includes(agent));
  }, document.execution?.spawn ?? []);
}

function saidSpawn({ policy }: Narrowing): readonly string[] | undefined {
  return (policy as unknown as PolicyDocument | undefined)?.execution?.spawn;
}

/** The token `text`, signed by the key of that number, narrowed to the run `session` and then handed down. */
export async function childToken(
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
