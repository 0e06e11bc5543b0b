// What the commands of `sallyport bundle` do.

import { sign } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Bundle,
  bundleDigest,
  bundleText,
  bundleType,
  cannotFollow,
  invalid,
  readBundle,
  readPayload,
} from "#control/bundle/bundle.ts";
import {
  applyBundle,
  type BundleFolders,
  currentBundle,
  nextBundle,
  rememberMade,
  signerKeys,
} from "#control/bundle/store.ts";
import { keyOf, machineKey, signingKey } from "#control/store/keys.ts";
import { Failure } from "#core/failure.ts";
import { signedBytes, writeEnvelope } from "#identity/attestation/dsse.ts";
import { statementType } from "#identity/attestation/statement.ts";
import { utcText } from "#lib/utc.ts";
import { authorityKeys } from "./auth/keys.ts";
import { type PassphraseFlags, passphraseFrom } from "./auth/passphrase.ts";
import { readText } from "./auth/text-file.ts";
import { openHome } from "./home.ts";
import { printJson, printLine } from "./output.ts";

interface Flags {
  readonly out?: string;
  readonly key?: string;
  readonly json?: boolean;
}

function folders(): BundleFolders {
  const { path, agents, policies, keys, revoked } = openHome(process.env);
  return { bundles: join(path, "bundles"), agents, policies, keys, revoked };
}

export function build(flags: Flags & { readonly ttl: number }): void {
  authorityKeys(openHome(process.env));
  const now = Date.now();
  const bundle = nextBundle(folders(), new Date(now).toISOString(), Math.floor(now / 1000) + flags.ttl);
  write(bundleText(bundle), bundle, bundleDigest(bundleText(bundle)), flags);
}

export async function signBundle(file: string, flags: Flags & PassphraseFlags): Promise<void> {
  const home = openHome(process.env);
  authorityKeys(home);
  const payload = readText(file, "file").trimEnd();
  const bundle = readPayload(payload, file);
  const key = await signingKey(home.keys, () => passphraseFrom(flags)("open"));
  const bytes = Buffer.from(payload);
  const sig = sign(null, signedBytes(bundleType, bytes), keyOf(key.secret, key.record.public));
  const signature = { keyid: String(key.id), sig, cert: null };
  const text = writeEnvelope({ payloadType: bundleType, payload: bytes, signatures: [signature] });
  rememberMade(folders().bundles, readBundle(text, [key.record], file));
  write(text, bundle, bundleDigest(bytes), flags);
}

function write(text: string, { version }: Bundle, digest: string, { out, json = false }: Flags): void {
  if (out === undefined) {
    printLine(text);
    return;
  }
  writeFileSync(out, `${text}\n`, { mode: 0o644 });
  if (json) printJson({ version, digest, file: out });
  else printLine(`${out}: version ${version} (${digest})`);
}

export function verifyBundle(file: string, { key, json = false }: Flags): void {
  const where = folders();
  const keys = key === undefined ? signerKeys(where, null) : [{ id: 0, public: publicKey(key) }];
  const read = readBundle(readText(file, "file").trimEnd(), keys, file);
  const why = cannotFollow(read, currentBundle(where.bundles), Date.now() / 1000);
  if (why !== null) throw invalid(file, why);
  const { version, previous, expires, agents, policies, revocations } = read.bundle;
  if (json) {
    printJson({ valid: true, version, digest: read.digest, previous, expires: utcText(expires) });
    return;
  }
  printLine(`valid: version ${version} (${read.digest}), may be applied until ${utcText(expires)}`);
  printLine(`  ${agents.length} agents, ${policies.length} policy versions, ${revocations.length} revocations`);
}

export function apply(file: string, { key, json = false }: Flags): void {
  const named = key === undefined ? null : publicKey(key);
  const applied = applyBundle(folders(), readText(file, "file").trimEnd(), file, named, new Date());
  if (json) printJson(applied);
  else printLine(`version ${applied.version} is in force (${applied.digest})`);
}

export function status({ attest = false, json = false }: Flags & { readonly attest?: boolean }): void {
  const home = openHome(process.env);
  const current = currentBundle(folders().bundles);
  if (attest) {
    if (current === null)
      throw new Failure("bundle_invalid", "no bundle is in force here", {
        remedy: "Apply one: sallyport bundle apply.",
      });
    printLine(statementOf(home.keys, current));
    return;
  }
  if (json) printJson({ current });
  else if (current === null) printLine("no bundle is in force: what stands in this home alone counts");
  else printLine(`version ${current.version} is in force since ${current.since} (${current.digest})`);
}

/** What is in force, since when, by this machine's own key: for who asks whether a machine enforces what it should. */
function statementOf(keys: string, current: NonNullable<ReturnType<typeof currentBundle>>): string {
  const key = machineKey(keys, new Date().toISOString());
  const payload = Buffer.from(
    JSON.stringify({
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: "bundle", digest: { sha256: current.digest.slice("sha256:".length) } }],
      predicateType: "urn:sallyport:bundle-status:v1",
      predicate: { supervisor_key: key.public, ...current, stated: new Date().toISOString() },
    }),
  );
  const sig = sign(null, signedBytes(statementType, payload), keyOf(key.secret, key.public));
  return writeEnvelope({ payloadType: statementType, payload, signatures: [{ keyid: key.public, sig, cert: null }] });
}

/** @throws Failure usage */
function publicKey(text: string): string {
  if (/^[0-9a-f]{64}$/.test(text)) return text;
  throw new Failure("usage", "a public key is 64 hex digits", {
    place: "--key",
    remedy: "Copy it from `sallyport auth list-keys`, at the authority.",
  });
}
