// A token as this home sees it: signed by a key of its authority, not expired, and nothing of it revoked.

import { hostname } from "node:os";
import { listKeys } from "#control/store/keys.ts";
import { revocationsSince } from "#control/store/revocations.ts";
import type { TokenRecord } from "#control/store/tokens.ts";
import { endedBy, type Revocable } from "#identity/revoked.ts";
import { loadBiscuits } from "#identity/token/biscuit.ts";
import { type Verification, verifyToken } from "#identity/token/verify.ts";
import type { Home } from "./home.ts";

/** `now` in seconds since 1970. @throws Failure home_damaged */
export async function readToken(home: Home, text: string, now: number): Promise<Verification> {
  const keys = new Map(listKeys(home.keys).map((key) => [key.id, Buffer.from(key.public, "hex")]));
  const verification = verifyToken(await loadBiscuits(), text, {
    publicKey: (id) => keys.get(id) ?? null,
    now,
    audience: [hostname()],
  });
  if (verification.token === null) return verification;
  const ended = whyEnded(home, verification.token);
  return ended === null
    ? verification
    : { ok: false, reason: "token_revoked", detail: ended, token: verification.token };
}

/** What the authority's own record of a token says of it now. */
export function stateOf(
  home: Home,
  { grant, narrowing, key }: TokenRecord,
  now: number,
): "holds" | "expired" | "revoked" {
  const narrowings = narrowing === null ? [] : [narrowing];
  if (whyEnded(home, { grant, narrowings, revocationIds: [], key }) !== null) return "revoked";
  return now >= grant.expires ? "expired" : "holds";
}

/** Which of the home's revocations ends it, in words; null where none does. */
export function whyEnded(home: Home, token: Revocable): string | null {
  for (const { revoked } of revocationsSince(home.revoked, 0)) {
    const ended = endedBy(revoked, token);
    if (ended !== null) return ended;
  }
  return null;
}
