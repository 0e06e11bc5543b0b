// Where policy files stand, and how they are read. One name has two spellings (`.toml`, `.yaml`); both at once is an error,
// because nobody could say which of them counts.

import { closeSync, constants, existsSync, fstatSync, openSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { Failure } from "#core/failure.ts";

/** A policy's text, and the file it was read from. */
export interface PolicyText {
  readonly file: string;
  /** How places in it are told: the file as a person would name it from where they stand. */
  readonly name: string;
  readonly text: string;
}

/** The machine's ceiling stands here, as `policy.toml` or `policy.yaml`. */
const ceilingFolder = "/etc/sallyport";
/** Bytes. */
const largestPolicy = 16 * 2 ** 20;
const projectNames = ["sallyport.policy.toml", "sallyport.policy.yaml"] as const;

/** What the machine's administrator lets everybody have at most; null without one. @throws Failure policy_unreadable, policy_invalid */
export function readCeiling(): PolicyText | null {
  return readOne(ceilingFolder, ["policy.toml", "policy.yaml"]);
}

/** The user's own default, in the home; null without one. @throws Failure policy_unreadable, policy_invalid */
export function readDefault(home: string): PolicyText | null {
  return readOne(home, ["policy.toml", "policy.yaml"]);
}

/** The policy that a project brings along; null without one. @throws Failure policy_unreadable, policy_invalid */
export function readProject(workspace: string): PolicyText | null {
  const found = readOne(workspace, projectNames);
  return found === null ? null : { ...found, name: basename(found.file) };
}

/** True for a name that a project's own policy has. */
export function isProjectName(name: string): boolean {
  return projectNames.some((known) => known === name);
}

/** The project's own policy files that are there: read-only in the cell whether or not this run is under one: a later one would be. */
export function projectFiles(workspace: string): string[] {
  return projectNames.map((name) => join(workspace, name)).filter((file) => existsSync(file));
}

/** A file that somebody named; `-` is standard input. @throws Failure policy_unreadable */
export function readNamed(file: string): PolicyText {
  try {
    return {
      file,
      name: file === "-" ? "(standard input)" : file,
      text: readFileSync(file === "-" ? 0 : file, "utf8"),
    };
  } catch (cause) {
    throw unreadable(file, cause, "Name a readable policy file, or - for standard input.");
  }
}

function readOne(folder: string, names: readonly string[]): PolicyText | null {
  const found = names.map((name) => readIfThere(join(folder, name))).filter((text) => text !== null);
  const [first, second] = found;
  if (first !== undefined && second !== undefined) {
    throw new Failure("policy_invalid", `${second.file} is there too, and only one of the two can count`, {
      place: first.file,
      remedy: "Remove one of the two.",
    });
  }
  return first ?? null;
}

/** A file that is not there is no policy; one that cannot be read is an error, because it may be a ceiling. */
function readIfThere(file: string): PolicyText | null {
  try {
    return { file, name: file, text: readOrdinary(file) };
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw unreadable(file, cause, "Make the file readable, or remove it.");
  }
}

/** A project's may be a pipe that nobody writes to, or a link to what has no end: neither is waited for. */
function readOrdinary(file: string): string {
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const facts = fstatSync(fd);
    if (!facts.isFile()) throw new Error("it is no file");
    if (facts.size > largestPolicy) throw new Error(`it is larger than ${largestPolicy / 2 ** 20} MiB`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

function unreadable(place: string, cause: unknown, remedy: string): Failure {
  return new Failure("policy_unreadable", `the policy cannot be read: ${(cause as Error).message}`, {
    place,
    remedy,
    cause,
  });
}
