// What a policy asks for and this build cannot do. Never accepted and ignored: a run stops at the first.

import { Failure } from "#core/failure.ts";
import { type Policy, placeIn } from "./policy.ts";
import { type Key, type Keys, schema } from "./schema.ts";

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
  const found: string[] = [];
  walk(policy.document, schema, "", (path, key, value) => {
    const can = key.enforced;
    if (can === false || (can !== undefined && !can.includes(value as string | boolean))) found.push(path);
  });
  return found;
}

function walk(value: unknown, keys: Keys, path: string, visit: (path: string, key: Key, value: unknown) => void): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, key] of Object.entries(keys)) {
    const member = (value as { readonly [name: string]: unknown })[name];
    if (member === undefined) continue;
    const inner = path === "" ? name : `${path}.${name}`;
    visit(inner, key, member);
    const { shape } = key;
    if (shape.type === "table") walk(member, shape.keys, inner, visit);
    if (shape.type === "list" && shape.of.type === "table" && Array.isArray(member)) {
      const { keys: inside } = shape.of;
      for (const [index, item] of member.entries()) walk(item, inside, `${inner}[${index}]`, visit);
    }
  }
}
