// `sallyport auth init|rotate-key|seal-keys|unseal-keys|list-keys`.

import { addKey, type KeyRecord, listKeys } from "#control/store/keys.ts";
import { revocationsSince } from "#control/store/revocations.ts";
import { keptSecrets, rotateKey, sealKeys, unsealKeys } from "#control/store/sealed-keys.ts";
import { Failure } from "#core/failure.ts";
import { type Home, openHome } from "../home.ts";
import { printJson, printLine, printTable } from "../output.ts";
import { namesPassphrase, type PassphraseFlags, passphraseFrom } from "./passphrase.ts";

interface Flags extends PassphraseFlags {
  readonly json?: boolean;
}

export async function init({ json = false, ...flags }: Flags): Promise<void> {
  const home = openHome(process.env);
  const before = listKeys(home.keys).at(-1);
  if (before !== undefined && flags.passphraseFile !== undefined) {
    throw new Failure("usage", "there is an authority already", {
      place: "--passphrase-file",
      remedy: "Seal its keys: sallyport auth seal-keys --passphrase-file FILE.",
    });
  }
  const sealed = before === undefined && namesPassphrase(flags);
  const passphrase = sealed ? await passphraseFrom(flags)("seal") : null;
  const key = before ?? (await addKey(home.keys, new Date().toISOString(), passphrase));
  if (json) printJson({ home: home.path, created: before === undefined, key: withSecret(home, key) });
  else if (before === undefined) {
    printLine(`${home.path}: the authority is made; its key ${key.id} signs (public key ${key.public})`);
    if (sealed) printLine("its secret is sealed: what signs asks for the passphrase");
    printLine("next: sallyport auth create-agent --agent-id ID --owner WHO");
  } else printLine(`${home.path}: there is an authority already; its key ${key.id} signs (public key ${key.public})`);
}

export async function rotate({ json = false, ...flags }: Flags): Promise<void> {
  const home = openHome(process.env);
  const before = authorityKeys(home).at(-1);
  const key = await rotateKey(home.keys, new Date().toISOString(), passphraseFrom(flags));
  if (json) printJson({ key: withSecret(home, key), before });
  else {
    printLine(`key ${key.id} signs from now on (public key ${key.public})`);
    printLine(
      `key ${before?.id} verifies what it signed until that expires; revoke-key --key ${before?.id} ends it now`,
    );
  }
}

export async function sealAll({ json = false, ...flags }: Flags): Promise<void> {
  const home = openHome(process.env);
  authorityKeys(home);
  const keys = await sealKeys(home.keys, passphraseFrom(flags));
  if (json) printJson({ sealed: keys });
  else {
    printLine(`sealed ${named(keys)}: what signs asks for the passphrase, what verifies never does`);
    printLine("a backup from before still holds them as they were; without the passphrase nobody can sign");
  }
}

export async function unsealAll({ json = false, ...flags }: Flags): Promise<void> {
  const home = openHome(process.env);
  authorityKeys(home);
  const keys = await unsealKeys(home.keys, passphraseFrom(flags));
  if (json) printJson({ unsealed: keys });
  else printLine(`unsealed ${named(keys)}: whoever can read the home can sign`);
}

function named(keys: readonly number[]): string {
  return `${keys.length === 1 ? "key" : "keys"} ${keys.join(", ")}`;
}

export function list({ json = false }: Flags): void {
  const home = openHome(process.env);
  const keys = authorityKeys(home);
  const revoked = new Set(
    revocationsSince(home.revoked, 0).flatMap(({ revoked: what }) => (what.kind === "key" ? [what.key] : [])),
  );
  const state = ({ id }: KeyRecord) => (revoked.has(id) ? "revoked" : id === keys.at(-1)?.id ? "signs" : "verifies");
  const all = keys.map((key) => ({ ...withSecret(home, key), state: state(key) }));
  if (json) printJson(all);
  else
    printTable([
      ["KEY", "STATE", "SECRET", "CREATED", "PUBLIC KEY"],
      ...all.map((key) => [String(key.id), key.state, key.secret, key.created, key.public]),
    ]);
}

/** `elsewhere`: this home applies another authority's bundles, and has only the public half. */
function withSecret(home: Home, key: KeyRecord): KeyRecord & { readonly secret: "sealed" | "plain" | "elsewhere" } {
  const kept = keptSecrets(home.keys).find(({ id }) => id === key.id);
  return { ...key, secret: kept === undefined ? "elsewhere" : kept.sealed ? "sealed" : "plain" };
}

/** @throws Failure no_authority */
export function authorityKeys(home: Home): readonly KeyRecord[] {
  const keys = listKeys(home.keys);
  if (keys.length > 0) return keys;
  throw new Failure("no_authority", "this home has no authority", {
    place: home.path,
    remedy: "Make it: sallyport auth init.",
  });
}
