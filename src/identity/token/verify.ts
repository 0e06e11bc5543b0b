// A token verified: its signatures under one of the authority's keys, every block understood, nothing of it expired. Once a
// task; what may change afterwards (expiry, revocation) is compared on every action by whoever holds the result.
// Rules: no clock, no randomness, no I/O. What is not understood is refused.

import { utcText } from "#lib/utc.ts";
import type { Biscuits } from "./biscuit.ts";
import { type Grant, type Narrowing, readGrant, readNarrowing } from "./claims.ts";
import { blockText, mostBlocks, tokenPrefix } from "./issue.ts";

type Opened = ReturnType<Biscuits["Biscuit"]["fromBase64"]>;

/** Characters; larger texts are not looked at. */
export const longestToken = 65_536;

/** Seconds that two machines' clocks may be apart; a clock that was set back further makes no expired token hold again. */
const clockSkew = 300;

export interface VerifiedToken {
  readonly grant: Grant;
  /** From the first handed down to the last; all of them hold. */
  readonly narrowings: readonly Narrowing[];
  /** One a block, hex: revoking any of them revokes the token. */
  readonly revocationIds: readonly string[];
  /** Seconds since 1970: the earliest of all blocks. */
  readonly expires: number;
  /** The number of the key that signed it. */
  readonly key: number;
}

export type Verification =
  | { readonly ok: true; readonly token: VerifiedToken }
  | {
      readonly ok: false;
      readonly reason: "token_invalid" | "token_expired" | "token_revoked";
      readonly detail: string;
      /** What it says, where its signatures hold; null where they do not. */
      readonly token: VerifiedToken | null;
    };

export interface Expected {
  /** The raw public key by its number; null for one that the authority does not have, or has revoked. */
  readonly publicKey: (id: number) => Uint8Array | null;
  /** Seconds since 1970. */
  readonly now: number;
  /** Names of this machine that a token may be meant for. */
  readonly audience: readonly string[];
}

export function verifyToken(biscuits: Biscuits, text: string, expected: Expected): Verification {
  if (text.length > longestToken) return invalid("it is longer than any token");
  if (!text.startsWith(tokenPrefix)) return invalid(`it does not begin with ${tokenPrefix}`);
  if (!/^[\w-]+=*$/.test(text)) return invalid("it holds characters that no token has");
  let key = -1;
  let token: Opened;
  try {
    token = biscuits.Biscuit.fromBase64WithProvider(text.slice(tokenPrefix.length), (id: number | undefined) => {
      key = id ?? -1;
      const found = expected.publicKey(key);
      if (found === null) throw new Error("unknown key");
      return biscuits.PublicKey.fromBytes(found, 0);
    });
  } catch {
    const known = key < 0 || expected.publicKey(key) !== null;
    return invalid(known ? "its signatures do not hold" : `no key of this authority has the number ${key}`);
  }
  try {
    return understood(token, key, expected);
  } finally {
    token.free();
  }
}

function understood(token: Opened, key: number, expected: Expected): Verification {
  const blocks = token.countBlocks();
  if (blocks > mostBlocks) return invalid(`it was handed down more than ${mostBlocks - 1} times`);
  const grant = claimOf(token.getBlockSource(0), "grant", readGrant);
  if (grant === null) return invalid("its first block is no grant");
  const narrowings: Narrowing[] = [];
  for (let index = 1; index < blocks; index += 1) {
    const narrowing = claimOf(token.getBlockSource(index), "narrow", readNarrowing);
    if (narrowing === null) return invalid(`its block ${index} says what this version does not understand`);
    narrowings.push(narrowing);
  }
  const expires = Math.min(grant.expires, ...narrowings.map((narrowing) => narrowing.expires ?? grant.expires));
  const revocationIds = token.getRevocationIdentifiers() as string[];
  const said: VerifiedToken = { grant, narrowings, revocationIds, expires, key };
  if (grant.audience !== null && !expected.audience.includes(grant.audience))
    return invalid(`it is meant for ${grant.audience}`, said);
  if (expected.now + clockSkew < grant.issued)
    return invalid(`it was issued at ${utcText(grant.issued)}, which this machine's clock has not reached`, said);
  if (expected.now >= expires)
    return { ok: false, reason: "token_expired", detail: `it expired at ${utcText(expires)}`, token: said };
  return { ok: true, token: said };
}

/** The claim of a block that holds exactly what `blockText` writes for it: the library does not escape what it prints. */
function claimOf<T extends Grant | Narrowing>(
  source: string,
  fact: "grant" | "narrow",
  read: (claim: string) => T | null,
): T | null {
  const claim = /^[a-z]+\("([\w-]+)"\);\n/.exec(source)?.[1];
  const said = claim === undefined ? null : read(claim);
  return said !== null && blockText(fact, said) === source ? said : null;
}

function invalid(detail: string, token: VerifiedToken | null = null): Verification {
  return { ok: false, reason: "token_invalid", detail, token };
}
