// Sallyport's home: `SALLYPORT_HOME`, else `~/.sallyport`. Made on first use, mode 0700; refused when it belongs to someone
// else or others may enter it, because keys and logs are there (home-format.ts).

import { existsSync, lstatSync, mkdirSync, readdirSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { Failure } from "#core/failure.ts";
import { folders, format, inspectHome, migrateHome, unusable } from "./home-format.ts";

export interface Home {
  readonly path: string;
  readonly agents: string;
  readonly policies: string;
  readonly keys: string;
  readonly revoked: string;
  readonly secrets: string;
  readonly sessions: string;
  readonly log: string;
}

/** Where the home is, made or not. @throws Failure home_unusable for a path that is not absolute */
export function homePath(env: { readonly [name: string]: string | undefined }): string {
  const named = env.SALLYPORT_HOME;
  if (named === undefined || named === "") return join(env.HOME || homedir(), ".sallyport");
  if (!isAbsolute(named)) {
    const remedy = "Set SALLYPORT_HOME to an absolute path, or unset it for ~/.sallyport.";
    throw unusable(named, "SALLYPORT_HOME is not an absolute path", remedy);
  }
  return named;
}

/** Opens the home, making what is missing, and bringing it to this format. @throws Failure home_unusable */
export function openHome(env: { readonly [name: string]: string | undefined }): Home {
  const path = homePath(env);
  const found = inspectHome(path);
  if (found.state === "absent") {
    make(path, true);
    // Whoever made it at this moment may not be us.
    inspectHome(path);
  }
  const entries = readdirSync(path, { withFileTypes: true });
  const there = new Set(entries.filter((entry) => entry.isDirectory()).map(({ name }) => name));
  if (!there.has("revoked") && there.has("keys")) refuseLostRevocations(path);
  for (const folder of folders) if (!there.has(folder)) make(join(path, folder), false);
  if (found.state === "absent") migrateHome(path, format);
  else if (found.format !== format) migrateHome(path, found.format);
  const inside = (folder: (typeof folders)[number]) => join(path, folder);
  return {
    path,
    agents: inside("agents"),
    policies: inside("policies"),
    keys: inside("keys"),
    revoked: inside("revoked"),
    secrets: inside("secrets"),
    sessions: inside("sessions"),
    log: inside("log"),
  };
}

/** An authority's home without its revocations would let run what was stopped. @throws Failure home_damaged */
function refuseLostRevocations(path: string): void {
  if (!readdirSync(join(path, "keys")).some((name) => name.startsWith("authority-"))) return;
  throw new Failure("home_damaged", "the home has keys, and what was revoked is gone", {
    place: join(path, "revoked"),
    remedy: "Restore the folder from a backup; if nothing was ever revoked, make it: mkdir -m 700.",
  });
}

function make(path: string, parents: boolean): void {
  try {
    // Not `recursive`: below /proc, Node then tries for ever.
    for (const folder of [...(parents ? missingParents(path) : []), path]) makeOne(folder);
  } catch (cause) {
    const remedy = "Set SALLYPORT_HOME to a folder that this user can make.";
    throw unusable(path, `the home cannot be made: ${(cause as Error).message}`, remedy, cause);
  }
}

function makeOne(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // There already, or made by another run at this moment; what it is, is looked at later.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || lstatSync(path).isFile()) throw error;
  }
}

/** The folders above `path` that are not there, outermost first. */
function missingParents(path: string): string[] {
  const missing: string[] = [];
  for (let folder = dirname(path); !existsSync(folder); folder = dirname(folder)) missing.unshift(folder);
  return missing;
}
