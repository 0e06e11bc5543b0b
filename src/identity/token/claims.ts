// What a token says: the authority's block grants, and each block after it narrows. Both travel as canonical JSON in one
// fact of their block, so that what is signed is what is read; a block that holds anything else is not understood, and refused.
//
//   block 0      grant("<base64url of JSON>");   check if time($t), $t < EXPIRY;
//   block 1 …    narrow("<base64url of JSON>");  [check if time($t), $t < EXPIRY;]
//
// The checks repeat the expiry for whoever verifies with another Biscuit library; what counts here is the JSON.

import type { JsonValue } from "#core/event.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { parseJson } from "#lib/json.ts";
import { isId, isOwner } from "../names.ts";

/** What the authority grants. Times are whole seconds since 1970, UTC. */
export interface Grant {
  readonly v: 1;
  /** 32 hex digits, unique; what `revoke-token` names. */
  readonly jti: string;
  readonly agent: string;
  readonly owner: string;
  readonly policy: string;
  readonly policy_version: number;
  /** `sha256:` and 64 hex digits, of that version's document. */
  readonly policy_digest: string;
  readonly issued: number;
  readonly expires: number;
  /** The host name of the one machine that is to accept it; null is every machine that knows the authority. */
  readonly audience: string | null;
  /** `sha256:` and 64 hex digits of what the agent was measured to be; null where nothing was. */
  readonly measurement: string | null;
}

/** What a block takes away. An absent member takes nothing. */
export interface Narrowing {
  readonly v: 1;
  readonly expires?: number;
  /** A policy document, in the policy's own schema, that must allow as well. */
  readonly policy?: JsonValue;
  /** A label for the work this token is for. */
  readonly task?: string;
  /** The one run that may use it. */
  readonly session?: string;
  /** The agent that the holder hands it to: a child of the one before. */
  readonly agent?: string;
}

const hex = (digits: number) => new RegExp(`^[0-9a-f]{${digits}}$`);
const digest = /^sha256:[0-9a-f]{64}$/;
const session = /^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$/;
const seconds = (value: unknown) => Number.isSafeInteger(value) && (value as number) > 0;
const orNull = (check: (value: unknown) => boolean) => (value: unknown) => value === null || check(value);
const text = (pattern: RegExp) => (value: unknown) => typeof value === "string" && pattern.test(value);

type Checks = { readonly [key: string]: (value: unknown) => boolean };

const grantChecks: Checks = {
  v: (value) => value === 1,
  jti: text(hex(32)),
  agent: isId,
  owner: isOwner,
  policy: isId,
  policy_version: (value) => Number.isSafeInteger(value) && (value as number) > 0,
  policy_digest: text(digest),
  issued: seconds,
  expires: seconds,
  audience: orNull(isOwner),
  measurement: orNull(text(digest)),
};

const narrowingChecks: Checks = {
  v: (value) => value === 1,
  expires: seconds,
  policy: (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  task: isId,
  session: text(session),
  agent: isId,
};

/** The claim as it stands in a block: base64url of canonical JSON. */
export function writeClaim(claim: Grant | Narrowing): string {
  return Buffer.from(canonicalJson(claim as unknown as JsonValue)).toString("base64url");
}

/** Null where the text is not exactly what `writeClaim` writes for a grant. */
export function readGrant(claim: string): Grant | null {
  return read(claim, grantChecks, true) as Grant | null;
}

/** Null where the text is not exactly what `writeClaim` writes for a narrowing. */
export function readNarrowing(claim: string): Narrowing | null {
  return read(claim, narrowingChecks, false) as Narrowing | null;
}

function read(claim: string, checks: Checks, whole: boolean): unknown {
  const value = parseJson(Buffer.from(claim, "base64url").toString("utf8"));
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  const entries = Object.entries(value);
  if (!entries.every(([key, said]) => Object.hasOwn(checks, key) && checks[key]?.(said) === true)) return null;
  if (!("v" in value) || (whole && entries.length !== Object.keys(checks).length)) return null;
  // One text for one value: a second spelling would be a second token with the same meaning.
  return writeClaim(value as Narrowing) === claim ? value : null;
}
