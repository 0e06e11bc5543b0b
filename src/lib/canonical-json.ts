// RFC 8785 canonical JSON (JCS): one text for one value, so that equal values have equal hashes. Members are sorted by
// UTF-16 code units, numbers and strings are written as ECMAScript writes them, nothing stands between tokens.
//
// Strict: what JSON cannot say (NaN, infinities, bigint, undefined, functions, symbols, class instances, sparse arrays)
// and what I-JSON forbids (lone surrogates) is a TypeError, never dropped or replaced in silence. Hostile text goes
// through `wellFormed` first, which replaces each lone surrogate with U+FFFD.

import type { JsonValue } from "#core/event.ts";

/** Deeper nesting than this is refused; it is also what ends a cycle. */
const maxDepth = 500;

/** The canonical text of `value`. @throws TypeError where the value has none. */
export function canonicalJson(value: JsonValue): string {
  return serialize(value, 0);
}

/** A string as canonical JSON writes it, quotes included. @throws TypeError on a lone surrogate. */
export function canonicalString(text: string): string {
  if (!text.isWellFormed()) throw new TypeError("canonical JSON has no lone surrogates");
  return JSON.stringify(text);
}

/** Any string as one that canonical JSON can write: each lone surrogate becomes U+FFFD, everything else stays. */
export function wellFormed(text: string): string {
  return text.toWellFormed();
}

function serialize(value: unknown, depth: number): string {
  if (typeof value === "string") return canonicalString(value);
  if (typeof value === "number") return canonicalNumber(value);
  if (value === null) return "null";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (typeof value !== "object") throw new TypeError(`canonical JSON has no ${typeof value}`);
  if (depth >= maxDepth) throw new TypeError(`canonical JSON is refused below ${maxDepth} levels`);
  return Array.isArray(value) ? serializeArray(value, depth + 1) : serializeObject(value, depth + 1);
}

function canonicalNumber(value: number): string {
  if (!Number.isFinite(value)) throw new TypeError(`canonical JSON has no ${value}`);
  return Object.is(value, -0) ? "0" : String(value);
}

function serializeArray(values: readonly unknown[], depth: number): string {
  let text = "[";
  for (let at = 0; at < values.length; at++) text += (at === 0 ? "" : ",") + serialize(values[at], depth);
  return `${text}]`;
}

function serializeObject(value: object, depth: number): string {
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null)
    throw new TypeError("canonical JSON has plain objects only");
  const members = value as { readonly [key: string]: unknown };
  let text = "{";
  for (const key of Object.keys(value).sort()) {
    text += `${text.length === 1 ? "" : ","}${canonicalString(key)}:${serialize(members[key], depth)}`;
  }
  return `${text}}`;
}
