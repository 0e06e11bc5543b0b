// How the authority's secrets are kept: as they are, or all of them sealed by one passphrase. Who changes that is alone while it
// lasts, so that no key is left as it was and none is under another passphrase than the rest.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { createFile, readIfThere, removeLeftovers, replaceSecret } from "./files.ts";
import { addKey, type KeyRecord, listKeys, openSecret, secretFile, secretText } from "./keys.ts";
import { isSealed, seal } from "./seal.ts";

export interface KeptSecret {
  readonly id: number;
  readonly file: string;
  readonly text: string;
  readonly sealed: boolean;
}

/** Asks for the passphrase that holds, or for one that is to hold from now on. */
export type AskPassphrase = (use: "open" | "seal") => Promise<string>;

/** The secrets that are in this home, oldest first. */
export function keptSecrets(folder: string): readonly KeptSecret[] {
  return listKeys(folder).flatMap(({ id }) => {
    const text = secretText(folder, id);
    return text === null ? [] : [{ id, file: secretFile(folder, id), text, sealed: isSealed(text) }];
  });
}

/** Seals what is not sealed yet, and gives its ids. @throws Failure usage, home_busy, passphrase_wrong */
export function sealKeys(folder: string, ask: AskPassphrase): Promise<readonly number[]> {
  return alone(folder, async () => {
    const kept = keptSecrets(folder);
    const open = kept.filter(({ sealed }) => !sealed);
    if (open.length === 0) {
      throw new Failure("usage", "the authority's keys are sealed already", {
        place: folder,
        remedy: "For another passphrase: sallyport auth unseal-keys, then seal-keys.",
      });
    }
    // Some are sealed where a sealing was broken off: the rest comes under the same passphrase.
    const sealed = kept.find((one) => one.sealed);
    const passphrase = await ask(sealed === undefined ? "seal" : "open");
    if (sealed !== undefined) await openSecret(sealed.text, sealed.file, async () => passphrase);
    removeLeftovers(folder, Date.now() - 60_000);
    for (const { file, text } of open) replaceSecret(file, await seal(text.trim(), passphrase));
    return open.map(({ id }) => id);
  });
}

/** Puts the secrets back as they were, and gives their ids. @throws Failure usage, home_busy, passphrase_wrong */
export function unsealKeys(folder: string, ask: AskPassphrase): Promise<readonly number[]> {
  return alone(folder, async () => {
    const sealed = keptSecrets(folder).filter((one) => one.sealed);
    if (sealed.length === 0) {
      throw new Failure("usage", "the authority's keys are not sealed", {
        place: folder,
        remedy: "Nothing needs to be done: whoever can read the home can sign.",
      });
    }
    const passphrase = await ask("open");
    const opened: { readonly file: string; readonly secret: string }[] = [];
    for (const { file, text } of sealed)
      opened.push({ file, secret: await openSecret(text, file, async () => passphrase) });
    for (const { file, secret } of opened) replaceSecret(file, `${secret}\n`);
    return sealed.map(({ id }) => id);
  });
}

/** The next key, kept as the newest is. @throws Failure home_busy, passphrase_wrong */
export function rotateKey(folder: string, created: string, ask: AskPassphrase): Promise<KeyRecord> {
  return alone(folder, async () => {
    const newest = keptSecrets(folder).at(-1);
    if (newest?.sealed !== true) return addKey(folder, created, null);
    const passphrase = await ask("open");
    await openSecret(newest.text, newest.file, async () => passphrase);
    return addKey(folder, created, passphrase);
  });
}

/** @throws Failure home_busy */
async function alone<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const lock = join(folder, "sealing.lock");
  while (!createFile(lock, `${process.pid}\n`, 0o600)) {
    const holder = Number(readIfThere(lock) ?? 0);
    if (isAlive(holder)) {
      throw new Failure("home_busy", `process ${holder} is changing the authority's keys`, {
        place: lock,
        remedy: "Wait for it to end.",
      });
    }
    rmSync(lock, { force: true });
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

function isAlive(pid: number): boolean {
  if (!Number.isSafeInteger(pid) || pid < 1) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
