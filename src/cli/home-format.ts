// The format of a home: the number in its `version` file. A home of an older format is brought to this one, step by step, when it
// is opened; one of a newer format is refused, because what this program does not know it might damage.
// Rules: reading changes nothing; a step may be done twice or cut off anywhere, and the number is written last, by a rename.

import { chmodSync, lstatSync, readdirSync, readFileSync, type Stats } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { writeWhole } from "#lib/whole-file.ts";

/** What every home has. */
export const folders = ["agents", "policies", "keys", "revoked", "secrets", "sessions", "log"] as const;
/** The format that this program reads and writes. */
export const format = 1;
const file = "version";
const text = (of: number): string => `sallyport.home.v${of}\n`;

/** What brings a home from the format of its place in this list to the next. */
const steps: readonly ((path: string) => void)[] = [closeFolders];

/** `absent`: nothing is there, or an empty folder. Format 0 is a home without a `version` file. */
export type HomeState = { readonly state: "absent" } | { readonly state: "there"; readonly format: number };

/** What stands at `path`, changing nothing. @throws Failure home_unusable for what cannot be made into this user's home. */
export function inspectHome(path: string): HomeState {
  const found = look(path);
  if (found === undefined) return { state: "absent" };
  if (!found.isDirectory())
    throw unusable(path, "the home is a link or not a folder", "Name the folder itself in SALLYPORT_HOME.");
  if (found.uid !== process.geteuid?.())
    throw unusable(path, `the home belongs to user ${found.uid}`, "Set SALLYPORT_HOME to a folder of your own.");
  if ((found.mode & 0o077) !== 0) throw unusable(path, "others may enter the home", `Close it: chmod 700 '${path}'.`);
  const said = readVersion(path);
  if (said === text(format)) return { state: "there", format };
  if (said !== null && said.trim() !== "") return { state: "there", format: known(path, said) };
  const names = readdirSync(path);
  if (names.length === 0) return { state: "absent" };
  if (!names.some((name) => isOurs(name)))
    throw unusable(path, "this folder holds other things", "Set SALLYPORT_HOME to an empty folder, or to none yet.");
  return { state: "there", format: 0 };
}

/** True for what sallyport, or its user, keeps in a home. */
export function isOurs(name: string): boolean {
  return [
    ...folders,
    file,
    "policy.toml",
    "policy.yaml",
    "state.db",
    "trusted",
    "profiles",
    "running",
    "bundles",
    "alerts",
  ].some((known) => name === known || name.startsWith(`${known}.`));
}

/** Brings a home of an older format to this one. @throws Failure home_unusable when it cannot be written. */
export function migrateHome(path: string, from: number): void {
  try {
    for (const step of steps.slice(from)) step(path);
    writeWhole(join(path, file), text(format), 0o600);
  } catch (cause) {
    const message = `the home cannot be written: ${(cause as Error).message}`;
    throw unusable(path, message, "Free the disk, or give this user the home back.", cause);
  }
}

/** From before the number: folders that were made by hand, or by a build that left them open. */
function closeFolders(path: string): void {
  for (const folder of folders) if (look(join(path, folder))?.isDirectory()) chmodSync(join(path, folder), 0o700);
}

function known(path: string, said: string): number {
  const found = /^sallyport\.home\.v([1-9]\d{0,5})\s*$/.exec(said);
  const place = join(path, file);
  if (found === null)
    throw unusable(
      place,
      "this is no version of a home",
      "Set SALLYPORT_HOME to another folder, or put this one right.",
    );
  const number = Number(found[1]);
  if (number <= format) return number;
  const message = `a newer sallyport made this home (format ${number}; this one knows ${format})`;
  throw unusable(place, message, "Update sallyport, or set SALLYPORT_HOME to another folder.");
}

function readVersion(path: string): string | null {
  try {
    return readFileSync(join(path, file), "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw unusable(
      join(path, file),
      `the home's version cannot be read: ${(cause as Error).message}`,
      "Put it right.",
      cause,
    );
  }
}

function look(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (cause) {
    const remedy = "Set SALLYPORT_HOME to a folder that this user can reach.";
    throw unusable(path, `the home cannot be reached: ${(cause as Error).message}`, remedy, cause);
  }
}

export function unusable(place: string, message: string, remedy: string, cause?: unknown): Failure {
  return new Failure("home_unusable", message, { place, remedy, cause });
}
