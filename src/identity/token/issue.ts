// Tokens made: by the authority, with its key; and narrowed by whoever holds one, without it.

import { utcText } from "#lib/utc.ts";
import type { Biscuits } from "./biscuit.ts";
import { type Grant, type Narrowing, writeClaim } from "./claims.ts";

/** Blocks of a token, the authority's among them: sixteen times handed down. */
export const mostBlocks = 17;

/** What begins every token, so that people and scanners of secrets know one when they see it. */
export const tokenPrefix = "sallyport_";

/** The authority's signing key: raw Ed25519, and the number that tokens name it by. */
export interface SigningKey {
  readonly id: number;
  /** 32 bytes */
  readonly secret: Uint8Array;
}

/** The token's text. */
export function issueToken(biscuits: Biscuits, key: SigningKey, grant: Grant): string {
  const builder = new biscuits.BiscuitBuilder();
  const secret = biscuits.PrivateKey.fromBytes(key.secret, ed25519);
  try {
    builder.addCode(blockText("grant", grant));
    builder.setRootKeyId(key.id);
    const token = builder.build(secret);
    try {
      return tokenPrefix + token.toBase64();
    } finally {
      token.free();
    }
  } finally {
    secret.free();
  }
}

/**
 * The same token with one more block. Its signatures are not looked at: who uses it does that.
 * @throws RangeError where it has `mostBlocks` already; SyntaxError where the text is no token, or none of that key's.
 */
export function narrowToken(biscuits: Biscuits, text: string, publicKey: Uint8Array, narrowing: Narrowing): string {
  const root = open(() => biscuits.PublicKey.fromBytes(publicKey, ed25519));
  const token = open(() => biscuits.Biscuit.fromBase64(text.slice(tokenPrefix.length), root));
  root.free();
  try {
    if (token.countBlocks() >= mostBlocks) throw new RangeError(`a token has at most ${mostBlocks} blocks`);
    const block = new biscuits.BlockBuilder();
    block.addCode(blockText("narrow", narrowing));
    const narrowed = token.appendBlock(block);
    try {
      return tokenPrefix + narrowed.toBase64();
    } finally {
      narrowed.free();
    }
  } finally {
    token.free();
  }
}

/** The Datalog of a block, as the library also prints it: one statement a line. */
export function blockText(fact: "grant" | "narrow", claim: Grant | Narrowing): string {
  const expires = claim.expires === undefined ? "" : `check if time($time), $time < ${utcText(claim.expires)};\n`;
  return `${fact}("${writeClaim(claim)}");\n${expires}`;
}

const ed25519 = 0;

function open<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new SyntaxError(JSON.stringify(error)); // the library throws plain objects
  }
}
