// `sallyport auth init|rotate-key|list-keys`.

import { addKey, type KeyRecord, listKeys } from "#control/store/keys.ts";
import { revocationsSince } from "#control/store/revocations.ts";
import { Failure } from "#core/failure.ts";
import { type Home, openHome } from "../home.ts";
import { printJson, printLine, printTable } from "../output.ts";

interface Flags {
  readonly json?: boolean;
}

export function init({ json = false }: Flags): void {
  const home = openHome(process.env);
  const before = listKeys(home.keys).at(-1);
  const key = before ?? addKey(home.keys, new Date().toISOString());
  if (json) printJson({ home: home.path, created: before === undefined, key });
  else if (before === undefined) {
    printLine(`${home.path}: the authority is made; its key ${key.id} signs (public key ${key.public})`);
    printLine("next: sallyport auth create-agent --agent-id ID --owner WHO");
  } else printLine(`${home.path}: there is an authority already; its key ${key.id} signs (public key ${key.public})`);
}

export function rotate({ json = false }: Flags): void {
  const home = openHome(process.env);
  const before = authorityKeys(home).at(-1);
  const key = addKey(home.keys, new Date().toISOString());
  if (json) printJson({ key, before });
  else {
    printLine(`key ${key.id} signs from now on (public key ${key.public})`);
    printLine(
      `key ${before?.id} verifies what it signed until that expires; revoke-key --key ${before?.id} ends it now`,
    );
  }
}

export function list({ json = false }: Flags): void {
  const home = openHome(process.env);
  const keys = authorityKeys(home);
  const revoked = new Set(
    revocationsSince(home.revoked, 0).flatMap(({ revoked: what }) => (what.kind === "key" ? [what.key] : [])),
  );
  const state = ({ id }: KeyRecord) => (revoked.has(id) ? "revoked" : id === keys.at(-1)?.id ? "signs" : "verifies");
  if (json) printJson(keys.map((key) => ({ ...key, state: state(key) })));
  else
    printTable([
      ["KEY", "STATE", "CREATED", "PUBLIC KEY"],
      ...keys.map((key) => [String(key.id), state(key), key.created, key.public]),
    ]);
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
