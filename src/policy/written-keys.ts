// The keys that a policy's text has, each with what the schema says of it.

import type { Policy } from "./policy.ts";
import { type Key, type Keys, schema } from "./schema.ts";

export interface WrittenKey {
  /** `content.scan`, `network.rule[2].credential`. */
  readonly path: string;
  readonly key: Key;
  readonly value: unknown;
}

/** In the order of the schema; sections and what is in them. */
export function writtenKeys(policy: Policy): WrittenKey[] {
  const found: WrittenKey[] = [];
  walk(policy.document, schema, "", found);
  return found;
}

/** The keys that reach into the operator's network, files or accounts: to be looked at in a policy that others wrote. */
export function operatorKeys(policy: Policy): WrittenKey[] {
  return writtenKeys(policy).filter(({ key }) => key.operator === true);
}

function walk(value: unknown, keys: Keys, path: string, found: WrittenKey[]): void {
  if (typeof value !== "object" || value === null) return;
  for (const [name, key] of Object.entries(keys)) {
    const member = (value as { readonly [name: string]: unknown })[name];
    if (member === undefined) continue;
    const inner = path === "" ? name : `${path}.${name}`;
    found.push({ path: inner, key, value: member });
    const { shape } = key;
    if (shape.type === "table") walk(member, shape.keys, inner, found);
    if (shape.type === "list" && shape.of.type === "table" && Array.isArray(member)) {
      const { keys: inside } = shape.of;
      for (const [index, item] of member.entries()) walk(item, inside, `${inner}[${index}]`, found);
    }
  }
}
