// `sallyport auth create-policy|update-policy|show-policy|list-policies`.

import {
  createPolicy,
  listPolicies,
  type PolicyRecord,
  policyOf,
  readPolicy,
  updatePolicy,
} from "#control/store/policies.ts";
import { addRevocation } from "#control/store/revocations.ts";
import { Failure } from "#core/failure.ts";
import { checkId } from "#identity/names.ts";
import { policyFromFlags } from "#policy/extend.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { NetworkSection, Policy } from "#policy/policy.ts";
import { schemaVersion } from "#policy/schema.ts";
import { openHome } from "../home.ts";
import { printJson, printLine, printTable } from "../output.ts";
import { readNamed } from "../policy/files.ts";
import { shippedPresets } from "../presets.ts";
import { authorityKeys } from "./keys.ts";

interface PolicyFlags {
  readonly policyId: string;
  readonly allowedDomains?: readonly string[];
  readonly maxSpendUsd?: number;
  readonly file?: string;
  readonly json?: boolean;
}

const nothing: Policy = {
  name: "flags",
  document: { version: schemaVersion, network: { default: "deny" } },
  places: new Map(),
};

export function create(flags: PolicyFlags): void {
  const id = checkId(flags.policyId, "policy id", "--policy-id");
  const home = openHome(process.env);
  authorityKeys(home);
  told(createPolicy(home.policies, id, changed(nothing, flags), new Date().toISOString()), flags);
}

export function update(flags: PolicyFlags & { readonly live?: boolean }): void {
  if (flags.allowedDomains === undefined && flags.maxSpendUsd === undefined && flags.file === undefined) {
    throw new Failure("usage", "nothing to change was named", {
      remedy: "Name --allowed-domains, --max-spend-usd or --file.",
    });
  }
  const home = openHome(process.env);
  authorityKeys(home);
  const change = (before: Policy) => changed(before, flags);
  const record = updatePolicy(home.policies, flags.policyId, change, new Date().toISOString());
  if (flags.live) {
    const { policy_id, version } = record;
    addRevocation(home.revoked, { kind: "update", policy_id, version }, new Date().toISOString());
  }
  told(record, flags);
}

/** What the flags say over what was there: the file whole, then each flag its own key. */
function changed(before: Policy, flags: PolicyFlags): Policy {
  const start = flags.file === undefined ? before : read(flags.file);
  const network =
    flags.allowedDomains === undefined
      ? start.document.network
      : withDomains(start.document.network ?? {}, flags.allowedDomains);
  const budget =
    flags.maxSpendUsd === undefined
      ? start.document.budget
      : { ...start.document.budget, max_spend_usd: flags.maxSpendUsd };
  const document = {
    ...start.document,
    ...(network === undefined ? {} : { network }),
    ...(budget === undefined ? {} : { budget }),
  };
  // Once more as a text: what is published parses again.
  return parsePolicy(JSON.stringify(document), { name: flags.policyId, format: "json", expanded: true });
}

/** The hosts and presets in the place of those that were there; rules of the policy's own stay. */
function withDomains(before: NetworkSection, domains: readonly string[]): NetworkSection {
  const { allow = [], rule = [] } = policyFromFlags(domains, shippedPresets).document.network ?? {};
  const own = (before.rule ?? []).filter(({ id }) => id?.startsWith("@") !== true);
  const rules = [...own, ...rule];
  const { rule: _, ...rest } = before;
  return { ...rest, allow, ...(rules.length === 0 ? {} : { rule: rules }) };
}

function read(file: string): Policy {
  return parsePolicy(readNamed(file).text, { name: file, presets: shippedPresets });
}

function told({ policy_id, version, digest }: PolicyRecord, { json = false }: { readonly json?: boolean }): void {
  if (json) printJson({ policy_id, version, digest });
  else printLine(`policy ${policy_id} version ${version} (${digest})`);
}

export function show(flags: {
  readonly policyId: string;
  readonly policyVersion?: number;
  readonly json?: boolean;
}): void {
  const home = openHome(process.env);
  authorityKeys(home);
  const record = readPolicy(home.policies, flags.policyId, flags.policyVersion);
  if (flags.json) printJson(record);
  else {
    printLine(`# ${record.policy_id} version ${record.version}, ${record.created}, ${record.digest}`);
    printLine(JSON.stringify(policyOf(record).document, null, 2));
  }
}

export function list({ json = false }: { readonly json?: boolean }): void {
  const home = openHome(process.env);
  authorityKeys(home);
  const policies = listPolicies(home.policies);
  if (json)
    printJson(policies.map(({ policy_id, version, digest, created }) => ({ policy_id, version, digest, created })));
  else
    printTable([
      ["POLICY", "VERSION", "CREATED", "DIGEST"],
      ...policies.map(({ policy_id, version, digest, created }) => [policy_id, String(version), created, digest]),
    ]);
}
