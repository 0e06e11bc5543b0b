// JSON that somebody else wrote, looked at without believing its shape. A document that must have one is read by a parser of its own.

import type { JsonValue } from "#core/event.ts";

/** Null for a text that is no JSON, as for `null` itself. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null; // told by the caller, with the rest of what its document is not
  }
}

/** A member of its own; undefined where there is none, or `value` is no object. `value`: what JSON can be. */
export function member(value: unknown, name: string): JsonValue | undefined {
  if (value === null || typeof value !== "object" || !Object.hasOwn(value, name)) return undefined;
  return (value as { readonly [key: string]: JsonValue })[name];
}
