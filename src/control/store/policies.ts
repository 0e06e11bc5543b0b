// The published policies: `policies/<id>/<version>.json`, written once and never changed. A new version is a new file; two
// who publish at once get two versions.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { isId } from "#identity/names.ts";
import { compilePolicy } from "#policy/compile.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { Policy, PolicyDocument } from "#policy/policy.ts";
import { createFile, namesIn, readRecord } from "./files.ts";

export interface PolicyRecord {
  readonly policy_id: string;
  /** 1, 2, … */
  readonly version: number;
  /** `sha256:` and 64 hex digits: what tokens are bound to. */
  readonly digest: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  readonly policy: PolicyDocument;
}

/** Publishes a new policy as version 1. @throws Failure policy_exists */
export function createPolicy(folder: string, id: string, policy: Policy, created: string): PolicyRecord {
  const record = publish(folder, id, 1, policy, created);
  if (record !== null) return record;
  throw new Failure("policy_exists", `there is a policy ${id} already`, {
    place: "--policy-id",
    remedy: `Change it with: sallyport auth update-policy --policy-id ${id}.`,
  });
}

/** Publishes what `change` makes of the newest version as the next one. @throws Failure policy_unknown, home_damaged */
export function updatePolicy(
  folder: string,
  id: string,
  change: (before: Policy) => Policy,
  created: string,
): PolicyRecord {
  for (;;) {
    const newest = readPolicy(folder, id);
    const record = publish(folder, id, newest.version + 1, change(policyOf(newest)), created);
    if (record !== null) return record; // else somebody else was first: theirs is what is changed
  }
}

/** A version that another authority published. */
export function adoptPolicy(folder: string, record: PolicyRecord): void {
  mkdirSync(join(folder, record.policy_id), { recursive: true, mode: 0o700 });
  createFile(fileOf(folder, record.policy_id, record.version), `${JSON.stringify(record, null, 2)}\n`, 0o400);
}

/** The newest version, or the one that is named. @throws Failure policy_unknown, home_damaged */
export function readPolicy(folder: string, id: string, version?: number): PolicyRecord {
  const versions = isId(id) ? versionsOf(folder, id) : [];
  const wanted = version ?? versions.at(-1);
  const found = wanted === undefined ? null : readRecord(fileOf(folder, id, wanted), isPolicyRecord);
  if (found === null) throw unknown(folder, id, version, versions);
  if (compilePolicy([policyOf(found)]).digest !== found.digest) {
    throw new Failure("home_damaged", "a published policy is not what was published", {
      place: fileOf(folder, id, found.version),
      remedy: "Restore it from a backup; nothing is guessed about who may do what.",
    });
  }
  return found;
}

/** Every version of every policy, by id and version. @throws Failure home_damaged */
export function listPolicies(folder: string): readonly PolicyRecord[] {
  return namesIn(folder)
    .filter(isId)
    .sort()
    .flatMap((id) => versionsOf(folder, id).map((version) => readPolicy(folder, id, version)));
}

/** The record's policy, as any other that was parsed. */
export function policyOf(record: PolicyRecord): Policy {
  const name = `${record.policy_id} version ${record.version}`;
  return parsePolicy(JSON.stringify(record.policy), { name, format: "json", expanded: true });
}

function publish(folder: string, id: string, version: number, policy: Policy, created: string): PolicyRecord | null {
  const { digest } = compilePolicy([policy]);
  const record: PolicyRecord = { policy_id: id, version, digest, created, policy: policy.document };
  mkdirSync(join(folder, id), { recursive: true, mode: 0o700 });
  return createFile(fileOf(folder, id, version), `${JSON.stringify(record, null, 2)}\n`, 0o400) ? record : null;
}

function versionsOf(folder: string, id: string): readonly number[] {
  return namesIn(join(folder, id))
    .map((name) => /^([1-9][0-9]{0,8})\.json$/.exec(name)?.[1])
    .filter((version) => version !== undefined)
    .map(Number)
    .sort((one, other) => one - other);
}

function fileOf(folder: string, id: string, version: number): string {
  return join(folder, id, `${version}.json`);
}

function unknown(folder: string, id: string, version: number | undefined, versions: readonly number[]): Failure {
  const place = "--policy-id";
  if (versions.length > 0) {
    return new Failure("policy_unknown", `policy ${id} has no version ${version}`, {
      place,
      remedy: `It has 1 to ${versions.at(-1)}.`,
    });
  }
  const known = namesIn(folder).filter((name) => isId(name) && versionsOf(folder, name).length > 0);
  return new Failure("policy_unknown", `there is no policy ${JSON.stringify(id)}`, {
    place,
    remedy:
      known.length === 0
        ? "Make one: sallyport auth create-policy --policy-id ID --allowed-domains HOST,…"
        : `There are: ${known.slice(0, 10).join(", ")}.`,
  });
}

export function isPolicyRecord(value: unknown): value is PolicyRecord {
  const record = value as Partial<PolicyRecord> | null;
  return (
    typeof record === "object" &&
    isId(record?.policy_id) &&
    Number.isSafeInteger(record.version) &&
    typeof record.digest === "string" &&
    typeof record.created === "string" &&
    typeof record.policy === "object"
  );
}
