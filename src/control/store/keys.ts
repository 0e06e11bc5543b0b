// The authority's signing keys: `keys/authority-<n>.json` says what it is, `keys/authority-<n>.key` is its secret (0600), as hex or
// sealed by a passphrase (seal.ts, sealed-keys.ts). The newest signs; older ones verify what they signed until it has expired, unless they are revoked.

import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { SigningKey } from "#identity/token/issue.ts";
import { createFile, namesIn, readIfThere, readRecord } from "./files.ts";

export interface KeyRecord {
  readonly id: number;
  /** Raw Ed25519, 64 hex digits. */
  readonly public: string;
  /** ISO 8601, UTC. */
  readonly created: string;
}

const publicForm = /^[0-9a-f]{64}$/;

/** Makes the next key; it signs from now on. `passphrase`: what seals it, before it is written; null for none. */
export async function addKey(folder: string, created: string, passphrase: string | null): Promise<KeyRecord> {
  const pair = newPair();
  const text =
    passphrase === null ? `${pair.secret}\n` : await (await import("./seal.ts")).seal(pair.secret, passphrase);
  for (let id = (listKeys(folder).at(-1)?.id ?? 0) + 1; ; id += 1) {
    const record: KeyRecord = { id, public: pair.public, created };
    // The secret first: a key that is announced can sign.
    const secret = secretFile(folder, id);
    if (!createFile(secret, text, 0o600)) continue;
    if (createFile(fileOf(folder, id), `${JSON.stringify(record, null, 2)}\n`, 0o400)) return record;
    rmSync(secret);
  }
}

/** This machine's own key, made when it is first asked for: it says what is in force here, and signs no token. */
export function machineKey(folder: string, created: string): { readonly public: string; readonly secret: Uint8Array } {
  const file = join(folder, "machine.key");
  const pair = newPair();
  createFile(file, `${JSON.stringify({ ...pair, created })}\n`, 0o600);
  const kept = readRecord(file, isPair);
  if (kept === null) throw new TypeError("the key that was made is gone");
  return { public: kept.public, secret: Buffer.from(kept.secret, "hex") };
}

/** The key that Node signs with. */
export function keyOf(secret: Uint8Array, publicHex: string): KeyObject {
  const [d, x] = [Buffer.from(secret).toString("base64url"), Buffer.from(publicHex, "hex").toString("base64url")];
  return createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x }, format: "jwk" });
}

interface Pair {
  /** Raw, hex. */
  readonly public: string;
  readonly secret: string;
}

function newPair(): Pair {
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const hex = (text: string | undefined) => Buffer.from(text ?? "", "base64url").toString("hex");
  return { public: hex(jwk.x), secret: hex(jwk.d) };
}

function isPair(value: unknown): value is Pair {
  const pair = value as Partial<Pair> | null;
  return publicForm.test(pair?.public ?? "") && publicForm.test(pair?.secret ?? "");
}

/** The public half of another authority's key. */
export function adoptKey(folder: string, key: KeyRecord): void {
  createFile(fileOf(folder, key.id), `${JSON.stringify(key, null, 2)}\n`, 0o400);
}

/** Oldest first. @throws Failure home_damaged */
export function listKeys(folder: string): readonly KeyRecord[] {
  return namesIn(folder)
    .map((name) => /^authority-([1-9][0-9]{0,8})\.json$/.exec(name)?.[1])
    .filter((id) => id !== undefined)
    .map((id) => readRecord(fileOf(folder, Number(id)), isKey))
    .filter((key) => key !== null)
    .sort((one, other) => one.id - other.id);
}

/** The text of a key's secret, hex or sealed; null where only its public half is here. */
export function secretText(folder: string, id: number): string | null {
  return readIfThere(secretFile(folder, id));
}

/**
 * The key that signs. `passphrase` is asked for only where it is sealed.
 * @throws Failure no_authority, home_damaged, passphrase_wrong, and what `passphrase` throws
 */
export async function signingKey(
  folder: string,
  passphrase: () => Promise<string>,
): Promise<SigningKey & { readonly record: KeyRecord }> {
  const record = listKeys(folder).at(-1);
  const kept = record === undefined ? null : secretText(folder, record.id);
  if (record === undefined || kept === null) {
    throw new Failure("no_authority", "this home has no authority", {
      place: folder,
      remedy: "Make it: sallyport auth init.",
    });
  }
  const secret = await openSecret(kept, secretFile(folder, record.id), passphrase);
  return { id: record.id, secret: Buffer.from(secret, "hex"), record };
}

/** Hex, of what is kept in the file `place`. @throws Failure home_damaged, passphrase_wrong */
export async function openSecret(kept: string, place: string, passphrase: () => Promise<string>): Promise<string> {
  const { isSealed, unseal } = await import("./seal.ts");
  const secret = (isSealed(kept) ? await unseal(kept, await passphrase(), place) : kept).trim();
  if (publicForm.test(secret)) return secret;
  throw new Failure("home_damaged", "the authority's key is not what sallyport writes", {
    place,
    remedy: "Restore it from a backup, or make another: sallyport auth rotate-key.",
  });
}

export function secretFile(folder: string, id: number): string {
  return join(folder, `authority-${id}.key`);
}

function fileOf(folder: string, id: number): string {
  return join(folder, `authority-${id}.json`);
}

export function isKey(value: unknown): value is KeyRecord {
  const key = value as Partial<KeyRecord> | null;
  return (
    typeof key === "object" &&
    Number.isSafeInteger(key?.id) &&
    publicForm.test(key?.public ?? "") &&
    typeof key?.created === "string"
  );
}
