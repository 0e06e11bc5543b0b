// DSSE envelopes: a payload, its type, and signatures over both. Read strictly; which signer counts is the caller's to say.
// Source: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md

import { parseJson } from "#lib/json.ts";

/** A signature as the envelope holds it. */
export interface EnvelopeSignature {
  /** What the signer calls its key; a hint, believed by nobody. */
  readonly keyid: string;
  readonly sig: Uint8Array;
  /** PEM of the signer's certificate, then of those that vouch for it; null where the key is known otherwise. */
  readonly cert: string | null;
}

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly EnvelopeSignature[];
}

/** Characters of an envelope. */
const longest = 16 * 1024 * 1024;
const mostSignatures = 16;
// No group that repeats: over megabytes it would run out of stack.
const base64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** Null where the text is no envelope. */
export function readEnvelope(text: string): Envelope | null {
  if (text.length > longest) return null;
  const value = parseJson(text);
  if (typeof value !== "object" || value === null) return null;
  const { payloadType, payload, signatures } = value as Record<string, unknown>;
  if (typeof payloadType !== "string" || !isBase64(payload) || !Array.isArray(signatures)) return null;
  if (signatures.length === 0 || signatures.length > mostSignatures) return null;
  const read = signatures.map(readSignature);
  if (read.includes(null)) return null;
  return { payloadType, payload: bytes(payload), signatures: read as EnvelopeSignature[] };
}

/** The envelope's text: one JSON object. */
export function writeEnvelope({ payloadType, payload, signatures }: Envelope): string {
  return JSON.stringify({
    payloadType,
    payload: Buffer.from(payload).toString("base64"),
    signatures: signatures.map(({ keyid, sig, cert }) => ({
      keyid,
      sig: Buffer.from(sig).toString("base64"),
      ...(cert === null ? {} : { cert }),
    })),
  });
}

/** What is signed: the pre-authentication encoding of type and payload. */
export function signedBytes(payloadType: string, payload: Uint8Array): Uint8Array {
  const type = Buffer.from(payloadType);
  return Buffer.concat([
    Buffer.from(`DSSEv1 ${type.length} `),
    type,
    Buffer.from(` ${payload.length} `),
    Buffer.from(payload),
  ]);
}

function readSignature(value: unknown): EnvelopeSignature | null {
  if (typeof value !== "object" || value === null) return null;
  const { keyid = "", sig, cert } = value as Record<string, unknown>;
  if (typeof keyid !== "string" || !isBase64(sig) || sig === "") return null;
  if (cert !== undefined && typeof cert !== "string") return null;
  return { keyid, sig: bytes(sig), cert: cert ?? null };
}

function isBase64(value: unknown): value is string {
  return typeof value === "string" && base64.test(value) && value.replace(/=+$/, "").length % 4 !== 1;
}

/** Either alphabet: signers use both. */
function bytes(text: string): Uint8Array {
  return Buffer.from(text, "base64");
}
