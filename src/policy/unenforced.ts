// What a policy asks for and this build cannot do. Never accepted and ignored: a run stops at the first.

import { Failure } from "#core/failure.ts";
import { type Policy, placeIn } from "./policy.ts";
import { writtenKeys } from "./written-keys.ts";

/** The first key, in the order of the schema, that this build cannot enforce; null where it can enforce them all. */
export function unenforced(policy: Policy): Failure | null {
  const [path] = unenforcedKeys(policy);
  if (path === undefined) return null;
  return new Failure("not_enforced_yet", `${path} is in the policy, but this build cannot enforce it`, {
    place: placeIn(policy, path),
    remedy: "Leave it out, or wait for a build that can: nothing in a policy is accepted and ignored.",
  });
}

/** The paths of all such keys: `content.scan`, `network.rule[2].credential`. */
export function unenforcedKeys(policy: Policy): string[] {
  return writtenKeys(policy)
    .filter(({ key: { enforced }, value }) =>
      enforced === undefined ? false : enforced === false || !enforced.includes(value as string | boolean),
    )
    .map(({ path }) => path);
}
