// What of an agent's state in the user's home its cell has: files copied into the agent's private home at the start, and the
// host's own, read-only or not. Nothing comes back but what is shown writable.
// Rules: the private home was an agent's, and another run may be writing in it now: every folder on the way is opened without
// following a link, and what is written takes its name by a rename; what is no ordinary file or folder is put aside.

import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { Failure } from "#core/failure.ts";
import { reaching } from "./put-right.ts";

/** More of a settings file is not copied. */
const largestCopy = 4 * 2 ** 20; // bytes

/** For the view of the cell. */
export interface AgentView {
  readonly show: readonly { readonly path: string; readonly source: string; readonly writable: boolean }[];
  /** Files that are in the cell alone. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
}

export interface StateQuestion {
  /** HOME of the user, and where the cell has its own. */
  readonly home: string;
  /** The folder of the host that is HOME in the cell. */
  readonly privateHome: string;
  readonly state: readonly { readonly path: string; readonly as: "copy" | "read" | "write" }[];
}

/** Copies, and says what is to be shown. @throws Failure sandbox_failed for a file that is there and cannot be read */
export function bringState({ home, privateHome, state }: StateQuestion): Pick<AgentView, "show"> {
  const show: { path: string; source: string; writable: boolean }[] = [];
  for (const { path, as } of state) {
    const source = join(home, path);
    if (!existsSync(source)) continue;
    if (as !== "copy") show.push({ path: source, source, writable: as === "write" });
    else put(privateHome, path, readSettings(source));
  }
  return { show };
}

function readSettings(source: string): Buffer {
  try {
    const facts = statSync(source);
    if (!facts.isFile()) throw new Error("it is no file");
    if (facts.size > largestCopy) throw new Error("it is larger than 4 MiB");
    return readFileSync(source);
  } catch (cause) {
    throw new Failure("sandbox_failed", `the agent's settings cannot be copied: ${(cause as Error).message}`, {
      place: source,
      remedy: "Make it a readable file, or run with --no-profile.",
      cause,
    });
  }
}

/** Puts a file below `top`, in whose folders an agent may have put anything. */
function put(top: string, path: string, bytes: Buffer): void {
  let folder = openFolder(top);
  try {
    for (const name of dirname(path)
      .split("/")
      .filter((part) => part !== ".")) {
      const next = enter(within(folder, name));
      closeSync(folder);
      folder = next;
    }
    const draft = within(folder, `.${randomBytes(8).toString("hex")}`);
    writeFileSync(draft, bytes, { flag: "wx", mode: 0o600 });
    const target = within(folder, basename(path));
    try {
      if (lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) putAside(target);
      renameSync(draft, target);
    } catch (error) {
      rmSync(draft, { force: true });
      throw error;
    }
  } finally {
    closeSync(folder);
  }
}

/** A name in a folder that is open: the folder cannot be another one by then. */
function within(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`;
}

function enter(path: string): number {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  if (facts !== undefined && !facts.isDirectory()) putAside(path);
  if (!facts?.isDirectory()) mkdirSync(path, { mode: 0o700 });
  return openFolder(path);
}

/** Opened to its owner, where an agent closed it. */
function openFolder(path: string): number {
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const folder = reaching(path, path, () => openSync(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const { mode } = fstatSync(folder);
  if ((mode & 0o700) !== 0o700) fchmodSync(folder, (mode & 0o777) | 0o700);
  return folder;
}

function putAside(path: string): void {
  renameSync(path, `${path}.removed-${randomBytes(4).toString("hex")}`);
}
