// Bundles on disk: `bundles/<version>.json` as they came, `bundles/current.json` which of them is in force, `bundles/signer.json`
// whose they are. Applying writes what the bundle holds beside the home's own records, and says last that it is in force: one
// that cannot be applied whole changes nothing of what is.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { Failure } from "#core/failure.ts";
import { compilePolicy } from "#policy/compile.ts";
import { adoptAgent, listAgents } from "../store/agents.ts";
import { createFile, namesIn, readIfThere, readRecord, replaceFile } from "../store/files.ts";
import { adoptKey, listKeys } from "../store/keys.ts";
import { adoptPolicy, listPolicies, type PolicyRecord, policyOf } from "../store/policies.ts";
import { addRevocation, revocationsSince } from "../store/revocations.ts";
import { type Applied, type Bundle, cannotFollow, invalid, type ReadBundle, readBundle } from "./bundle.ts";

export interface BundleFolders {
  readonly bundles: string;
  readonly agents: string;
  readonly policies: string;
  readonly keys: string;
  readonly revoked: string;
}

/** The bundle in force; null where none was ever applied. @throws Failure home_damaged */
export function currentBundle(bundles: string): Applied | null {
  return readRecord(join(bundles, "current.json"), isApplied);
}

/** What this home's authority knows, as the bundle after the last one that it made. */
export function nextBundle(folders: BundleFolders, created: string, expires: number): Bundle {
  const last = lastMade(folders.bundles);
  return {
    v: 1,
    version: (last?.version ?? 0) + 1,
    previous: last?.digest ?? null,
    created,
    expires,
    keys: listKeys(folders.keys),
    agents: listAgents(folders.agents),
    policies: listPolicies(folders.policies),
    revocations: revocationsSince(folders.revoked, 0),
  };
}

/** Remembers a bundle that was signed here, so that the next one follows it. @throws Failure bundle_invalid */
export function rememberMade(bundles: string, { bundle, digest }: ReadBundle): void {
  mkdirSync(bundles, { recursive: true, mode: 0o700 });
  const made = { version: bundle.version, digest, since: bundle.created };
  if (createFile(join(bundles, `made-${bundle.version}.json`), `${JSON.stringify(made)}\n`, 0o400)) return;
  const before = readRecord(join(bundles, `made-${bundle.version}.json`), isApplied);
  if (before?.digest !== digest)
    throw invalid(`version ${bundle.version}`, "another bundle of this version was signed");
}

function lastMade(bundles: string): Applied | null {
  const versions = namesIn(bundles)
    .map((name) => /^made-([1-9][0-9]{0,8})\.json$/.exec(name)?.[1])
    .filter((version) => version !== undefined)
    .map(Number);
  return versions.length === 0 ? null : readRecord(join(bundles, `made-${Math.max(...versions)}.json`), isApplied);
}

/** Whose bundles count here: the key that was named when the first was applied, and those that a bundle of it added. */
export function signerKeys(folders: BundleFolders, named: string | null): readonly { id: number; public: string }[] {
  const pinned = readIfThere(join(folders.bundles, "signer.json"));
  if (pinned === null) return named === null ? [] : [{ id: 0, public: named }];
  const revoked = new Set(
    revocationsSince(folders.revoked, 0).flatMap(({ revoked: one }) => (one.kind === "key" ? [one.key] : [])),
  );
  const current = currentBundle(folders.bundles);
  const file = current === null ? null : readIfThere(join(folders.bundles, `${current.version}.json`));
  const own = [{ id: 0, public: (JSON.parse(pinned) as { public: string }).public }];
  if (file === null) return own;
  const known = new Map(listKeys(folders.keys).map((key) => [key.public, key]));
  return [...own, ...known.values()].filter((key) => !revoked.has(known.get(key.public)?.id ?? -1));
}

/**
 * Puts a bundle in force. `named`: the public key (hex) that a first bundle must be signed by; null later.
 * @throws Failure bundle_invalid, usage
 */
export function applyBundle(
  folders: BundleFolders,
  text: string,
  place: string,
  named: string | null,
  now: Date,
): Applied {
  mkdirSync(folders.bundles, { recursive: true, mode: 0o700 });
  const keys = signerKeys(folders, named);
  if (keys.length === 0) {
    throw new Failure("usage", "nobody's bundles count here yet", {
      place: "--key",
      remedy: "Name the authority's public key once: sallyport auth list-keys shows it there.",
    });
  }
  const read = readBundle(text, keys, place);
  const why = cannotFollow(read, currentBundle(folders.bundles), now.getTime() / 1000);
  if (why !== null) throw invalid(place, why);
  refuseContradictions(folders, read.bundle, place);
  adopt(folders, read.bundle, now);
  const { version } = read.bundle;
  createFile(join(folders.bundles, `${version}.json`), text, 0o400);
  if (named !== null) createFile(join(folders.bundles, "signer.json"), `${JSON.stringify({ public: named })}\n`, 0o400);
  const applied: Applied = { version, digest: read.digest, since: now.toISOString() };
  replaceFile(join(folders.bundles, "current.json"), `${JSON.stringify(applied)}\n`, 0o400);
  return applied;
}

/** Records are never overwritten: a bundle that says otherwise of one is refused before anything of it is written. */
function refuseContradictions(folders: BundleFolders, bundle: Bundle, place: string): void {
  const refuse = (what: string) => {
    throw invalid(place, `it says something else of ${what} than what stands here`);
  };
  const keys = new Map(listKeys(folders.keys).map((key) => [key.id, key]));
  for (const key of bundle.keys) if ((keys.get(key.id) ?? key).public !== key.public) refuse(`key ${key.id}`);
  const agents = new Map(listAgents(folders.agents).map((agent) => [agent.agent_id, agent]));
  for (const agent of bundle.agents)
    if ((agents.get(agent.agent_id) ?? agent).owner !== agent.owner) refuse(`agent ${agent.agent_id}`);
  const nameOf = ({ policy_id, version }: PolicyRecord) => `policy ${policy_id} version ${version}`;
  const policies = new Map(listPolicies(folders.policies).map((policy) => [nameOf(policy), policy]));
  for (const policy of bundle.policies)
    if ((policies.get(nameOf(policy)) ?? policy).digest !== policy.digest || !isWhole(policy)) refuse(nameOf(policy));
}

/** The digest is that of its own text. */
function isWhole(record: PolicyRecord): boolean {
  try {
    return compilePolicy([policyOf(record)]).digest === record.digest;
  } catch {
    return false; // no policy at all
  }
}

/** What is taken back comes first: should it be cut short, less holds than is meant, and never more. */
function adopt(folders: BundleFolders, bundle: Bundle, now: Date): void {
  const known = revocationsSince(folders.revoked, 0).map(({ revoked }) => revoked);
  for (const { revoked } of bundle.revocations)
    if (!known.some((one) => isDeepStrictEqual(one, revoked)))
      addRevocation(folders.revoked, revoked, now.toISOString());
  for (const key of bundle.keys) adoptKey(folders.keys, key);
  for (const policy of bundle.policies) adoptPolicy(folders.policies, policy);
  for (const agent of bundle.agents) adoptAgent(folders.agents, agent);
}

function isApplied(value: unknown): value is Applied {
  const { version, digest, since } = (value ?? {}) as Partial<Applied>;
  return Number.isSafeInteger(version) && typeof digest === "string" && typeof since === "string";
}
