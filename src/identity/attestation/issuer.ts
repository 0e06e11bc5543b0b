// Who signed an envelope, of those whose word counts: a public key, or a certificate under a certificate authority.
// Rules: no clock; what is not understood is nobody's signature.

import { createPublicKey, hash, type KeyObject, verify, X509Certificate } from "node:crypto";
import { type Envelope, type EnvelopeSignature, signedBytes } from "./dsse.ts";

/** Whose word counts, under the name that policies know it by. */
export interface Issuer {
  readonly name: string;
  /** PEM of a public key, or of a certificate authority's certificate. */
  readonly pem: string;
}

export interface Signer {
  readonly issuer: string;
  /** `sha256:` and 64 hex digits, of the public key's DER (SubjectPublicKeyInfo). */
  readonly keyId: string;
}

const longestChain = 5;

/** The first of the issuers whose signature the envelope bears; null for none. `now` in milliseconds since 1970. */
export function signerOf(envelope: Envelope, issuers: readonly Issuer[], now: number): Signer | null {
  const signed = signedBytes(envelope.payloadType, envelope.payload);
  for (const { name, pem } of issuers) {
    for (const signature of envelope.signatures) {
      const key = keyFor(pem, signature, now);
      if (key !== null && holds(key, signed, signature.sig)) return { issuer: name, keyId: keyIdOf(key) };
    }
  }
  return null;
}

/** What the file of an issuer is; null where it is neither. */
export function issuerKind(pem: string): "key" | "authority" | null {
  if (certificate(pem)?.ca === true) return "authority";
  return publicKey(pem) === null ? null : "key";
}

export function keyIdOf(key: KeyObject): string {
  return `sha256:${hash("sha256", key.export({ type: "spki", format: "der" }), "hex")}`;
}

function keyFor(pem: string, signature: EnvelopeSignature, now: number): KeyObject | null {
  const authority = certificate(pem);
  if (authority === null) return publicKey(pem);
  if (!authority.ca || signature.cert === null) return null;
  return vouchedFor(signature.cert, authority, now);
}

/** The key of the first certificate, where each is vouched for by the next, the last by the authority, and all are in time. */
function vouchedFor(pem: string, authority: X509Certificate, now: number): KeyObject | null {
  const texts = pem.match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? [];
  const chain = texts.map(certificate);
  if (chain.length === 0 || chain.length > longestChain || chain.includes(null)) return null;
  const all = [...(chain as X509Certificate[]), authority];
  for (const [index, one] of all.entries()) {
    const above = all[index + 1] ?? one;
    const inTime = Date.parse(one.validFrom) <= now && now <= Date.parse(one.validTo);
    const vouched = one === authority || (above.ca && one.checkIssued(above) && one.verify(above.publicKey));
    if (!inTime || !vouched) return null;
  }
  const [leaf] = all;
  return leaf === undefined || leaf === authority || leaf.ca ? null : leaf.publicKey;
}

function holds(key: KeyObject, signed: Uint8Array, signature: Uint8Array): boolean {
  const { asymmetricKeyType: type } = key;
  if (type !== "ed25519" && type !== "ec" && type !== "rsa") return false;
  try {
    return verify(type === "ed25519" ? null : "sha256", signed, key, signature);
  } catch {
    return false; // a signature of another form is not this key's
  }
}

function certificate(pem: string): X509Certificate | null {
  try {
    return new X509Certificate(pem);
  } catch {
    return null; // then it may be a key
  }
}

function publicKey(pem: string): KeyObject | null {
  if (!pem.includes("PUBLIC KEY")) return null; // a private key would be read as its public half
  try {
    return createPublicKey(pem);
  } catch {
    return null;
  }
}
