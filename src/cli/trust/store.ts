// Which projects' policies the user trusts: one record a file in the home's folder `trusted`, 0600. An agent could write the
// policy of the project it works on, so a policy that was found there counts only as the very text that a person
// looked at. A record is of one place (the real path of its folder, and its name) and holds that text, so that what
// changed since can be told; files that the policy names (certificate authorities) are held by their digest.

import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { Failure } from "#core/failure.ts";
import { writeWhole } from "#lib/whole-file.ts";
import type { PolicyText } from "../policy/files.ts";

export interface TrustRecord {
  /** Where the policy stands. */
  readonly path: string;
  /** Its text when it was trusted. */
  readonly text: string;
  /** Files that it names, by path: `sha256:` and 64 hex digits. */
  readonly files: { readonly [path: string]: string };
  /** RFC 3339, UTC. */
  readonly trusted: string;
}

/** `changed`: it was trusted with another text, or a file that it names is another one. */
export type TrustState = "trusted" | "changed" | "unknown";

/** The name under which a file is trusted, whatever links lead to its folder. */
export function trustPath(file: string): string {
  const path = resolve(file);
  return join(realpathSync(dirname(path)), basename(path));
}

function digestOf(text: string | Uint8Array): string {
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}

/** What is known of a policy that was read. @throws Failure home_unusable for a record that cannot be read */
export function trustOf(home: string, { file, text }: PolicyText): { state: TrustState; record: TrustRecord | null } {
  const record = readRecord(recordFile(home, trustPath(file)));
  if (record === null) return { state: "unknown", record };
  const same =
    record.text === text && Object.entries(record.files).every(([path, digest]) => digestNow(path) === digest);
  return { state: same ? "trusted" : "changed", record };
}

/** `files`: what the policy names. */
export function trust(home: string, { file, text }: PolicyText, files: readonly string[], now: Date): TrustRecord {
  const path = trustPath(file);
  const digests = files.map((name) => [name, digestNow(name)] as const);
  const record: TrustRecord = { path, text, files: Object.fromEntries(digests), trusted: now.toISOString() };
  const target = recordFile(home, path);
  mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
  writeWhole(target, `${JSON.stringify(record)}\n`, 0o600);
  return record;
}

/** False where it was not trusted. */
export function revokeTrust(home: string, path: string): boolean {
  const file = recordFile(home, path);
  const there = readRecord(file) !== null;
  rmSync(file, { force: true });
  return there;
}

/** All records, by path. */
export function listTrust(home: string): TrustRecord[] {
  let names: string[];
  try {
    names = readdirSync(folderOf(home));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
  return names
    .filter((name) => name.endsWith(".json"))
    .map((name) => readRecord(join(folderOf(home), name)))
    .filter((record) => record !== null)
    .sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** `absent` for what is not there or cannot be read: once it can, it is another file. */
function digestNow(path: string): string {
  try {
    return digestOf(readFileSync(path));
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return "absent";
  }
}

function folderOf(home: string): string {
  return join(home, "trusted");
}

function recordFile(home: string, path: string): string {
  return join(folderOf(home), `${digestOf(path).slice("sha256:".length)}.json`);
}

function readRecord(file: string): TrustRecord | null {
  try {
    const record = JSON.parse(readFileSync(file, "utf8")) as TrustRecord | null;
    if (typeof record?.text !== "string" || typeof record.path !== "string") throw new Error("it is no such record");
    return record;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new Failure("home_unusable", `a record of trust cannot be read: ${(cause as Error).message}`, {
      place: file,
      remedy: "Remove it, and trust the policy again: sallyport trust FILE.",
      cause,
    });
  }
}
