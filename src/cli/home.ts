// Sallyport's home: `SALLYPORT_HOME`, else `~/.sallyport`. Made on first use, mode 0700; refused when it belongs to someone
// else or others may enter it, because keys and logs are there.

import { existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { Failure } from "#core/failure.ts";

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

const folders = ["agents", "policies", "keys", "revoked", "secrets", "sessions", "log"] as const;
/** What the `version` file says: the layout of this folder. */
const layout = "sallyport.home.v1";

/** Where the home is, made or not. @throws Failure home_unusable for a path that is not absolute */
export function homePath(env: { readonly [name: string]: string | undefined }): string {
  const named = env.SALLYPORT_HOME;
  if (named === undefined || named === "") return join(env.HOME || homedir(), ".sallyport");
  if (!isAbsolute(named)) {
    throw new Failure("home_unusable", "SALLYPORT_HOME is not an absolute path", {
      place: named,
      remedy: "Set SALLYPORT_HOME to an absolute path, or unset it for ~/.sallyport.",
    });
  }
  return named;
}

/** Opens the home, making what is missing. @throws Failure home_unusable */
export function openHome(env: { readonly [name: string]: string | undefined }): Home {
  const path = homePath(env);
  make(path, true);
  refuseForeign(path);
  for (const folder of folders) make(join(path, folder), false);
  checkLayout(join(path, "version"));
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

function refuseForeign(path: string): void {
  const found = lstatSync(path);
  if (!found.isDirectory())
    throw unusable(path, "the home is a link or not a folder", "Name the folder itself in SALLYPORT_HOME.");
  if (found.uid !== process.geteuid?.()) {
    throw unusable(path, `the home belongs to user ${found.uid}`, "Set SALLYPORT_HOME to a folder of your own.");
  }
  if ((found.mode & 0o077) !== 0) {
    throw unusable(path, "others may enter the home", `Close it: chmod 700 '${path}'`);
  }
}

function checkLayout(file: string): void {
  try {
    writeFileSync(file, `${layout}\n`, { flag: "wx", mode: 0o600 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") {
      throw unusable(
        file,
        `the home cannot be written: ${(cause as Error).message}`,
        "Free the disk, or give this user the home back.",
        cause,
      );
    }
    const found = readFileSync(file, "utf8").trim();
    // Empty: another run is making the home at this very moment.
    if (found !== layout && found !== "") {
      throw unusable(
        file,
        "another version of sallyport made this home",
        "Use that version, or set SALLYPORT_HOME to another folder.",
      );
    }
  }
}

function unusable(place: string, message: string, remedy: string, cause?: unknown): Failure {
  return new Failure("home_unusable", message, { place, remedy, cause });
}
