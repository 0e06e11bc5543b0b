// A bundle: what an authority knows and others enforce without asking it. Policies, the public data of agents, public keys and
// revocations, as canonical JSON in a signed envelope (DSSE); its version rises by one, and it names the digest of the one before.
// Rules: read whole or not at all; whoever applies it refuses what is older, expired, torn, or by another signer.

import { createPublicKey, hash, type KeyObject, verify } from "node:crypto";
import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { type Envelope, readEnvelope, signedBytes } from "#identity/attestation/dsse.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { type AgentRecord, isAgent } from "../store/agents.ts";
import { isKey, type KeyRecord } from "../store/keys.ts";
import { isPolicyRecord, type PolicyRecord } from "../store/policies.ts";
import { isRevocation, type Revocation } from "../store/revocations.ts";

export const bundleType = "application/vnd.sallyport.bundle.v1+json";

export interface Bundle {
  readonly v: 1;
  /** 1, 2, … */
  readonly version: number;
  /** Digest of the bundle before; null in the first. */
  readonly previous: string | null;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** Seconds since 1970: nobody applies it afterwards. What was applied before holds on. */
  readonly expires: number;
  readonly keys: readonly KeyRecord[];
  readonly agents: readonly AgentRecord[];
  readonly policies: readonly PolicyRecord[];
  readonly revocations: readonly Revocation[];
}

/** The bundle in force. */
export interface Applied {
  readonly version: number;
  /** `sha256:` and 64 hex digits, of the payload. */
  readonly digest: string;
  /** ISO 8601, UTC: since when. */
  readonly since: string;
}

export interface ReadBundle {
  readonly bundle: Bundle;
  readonly digest: string;
  readonly envelope: Envelope;
}

export function bundleText(bundle: Bundle): string {
  return canonicalJson(bundle as unknown as JsonValue);
}

export function bundleDigest(payload: Uint8Array | string): string {
  return `sha256:${hash("sha256", payload, "hex")}`;
}

/** The key's id, as the authority numbers its keys, and its raw Ed25519 bytes as hex. */
export type SignerKey = Pick<KeyRecord, "id" | "public">;

/**
 * The bundle of an envelope that one of these keys has signed.
 * @throws Failure bundle_invalid
 */
export function readBundle(text: string, keys: readonly SignerKey[], place: string): ReadBundle {
  const envelope = readEnvelope(text);
  if (envelope === null) throw invalid(place, "it is no signed envelope, or only a part of one");
  if (envelope.payloadType !== bundleType) throw invalid(place, `its payload is ${envelope.payloadType}`);
  const signed = signedBytes(envelope.payloadType, envelope.payload);
  const isSigned = keys.some((key) => envelope.signatures.some(({ sig }) => holds(key, signed, sig)));
  if (!isSigned) throw invalid(place, "none of the keys that count has signed it");
  const bundle = readPayload(Buffer.from(envelope.payload).toString("utf8"), place);
  return { bundle, digest: bundleDigest(envelope.payload), envelope };
}

/** @throws Failure bundle_invalid */
export function readPayload(text: string, place: string): Bundle {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = null; // told below
  }
  if (!isBundle(value) || bundleText(value) !== text) throw invalid(place, "its payload is no bundle of this version");
  return value;
}

/** Why the bundle cannot follow the one in force; null where it can. `now` in seconds since 1970. */
export function cannotFollow({ bundle, digest }: ReadBundle, current: Applied | null, now: number): string | null {
  if (now >= bundle.expires) return "it has expired";
  if (current === null) return null;
  if (digest === current.digest) return `version ${bundle.version} is in force already`;
  if (bundle.version <= current.version)
    return `it is version ${bundle.version}, and version ${current.version} is in force: a bundle is never rolled back`;
  if (bundle.previous !== current.digest)
    return `it follows ${bundle.previous ?? "nothing"}, and ${current.digest} is in force: apply those between first`;
  return null;
}

export function invalid(place: string, why: string): Failure {
  return new Failure("bundle_invalid", `the bundle is refused: ${why}`, {
    place,
    remedy: "The bundle in force stays as it is. Get the whole file from its authority again.",
  });
}

function holds(key: SignerKey, signed: Uint8Array, signature: Uint8Array): boolean {
  return signature.length === 64 && verify(null, signed, publicKey(key.public), signature);
}

/** @throws where it is no key */
function publicKey(hex: string): KeyObject {
  const x = Buffer.from(hex, "hex").toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

function isBundle(value: unknown): value is Bundle {
  const bundle = value as Partial<Bundle> | null;
  const every = (list: unknown, isOne: (one: unknown) => boolean) => Array.isArray(list) && list.every(isOne);
  return (
    typeof bundle === "object" &&
    bundle?.v === 1 &&
    Number.isSafeInteger(bundle.version) &&
    (bundle.version ?? 0) >= 1 &&
    (bundle.previous === null || /^sha256:[0-9a-f]{64}$/.test(bundle.previous ?? "")) &&
    typeof bundle.created === "string" &&
    Number.isSafeInteger(bundle.expires) &&
    every(bundle.keys, isKey) &&
    every(bundle.agents, isAgent) &&
    every(bundle.policies, isPolicyRecord) &&
    every(bundle.revocations, isRevocation)
  );
}
