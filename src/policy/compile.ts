// Policies to what `evaluate` asks. Several policies hold together: an action must be allowed by all of them.

import { createHash } from "node:crypto";
import type { Allow, Deny, Obligations } from "#core/decision.ts";
import type { JsonValue } from "#core/event.ts";
import { type Cidr, contains, formatCidr, parseCidr } from "#lib/address.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { type Execution, mergeExecution, mergeUpstream, type Upstream } from "./execution.ts";
import { type Filesystem, mergeFilesystem } from "./filesystem.ts";
import { parseEndpoint } from "./host-pattern.ts";
import { type Closed, HostTables } from "./host-table.ts";
import type { Policy, PolicyDocument } from "./policy.ts";
import { type Rule, rulesOf } from "./rule.ts";
import { schemaVersion } from "./schema.ts";

/** One of the policies that hold together. */
export interface PolicyPart {
  readonly name: string;
  readonly policy: Policy;
  readonly rules: readonly Rule[];
  readonly hosts: HostTables;
  /** True where `--allow` may add to it. */
  readonly addable: boolean;
}

export interface CompiledPolicy {
  readonly parts: readonly PolicyPart[];
  /** `sha256:` and 64 hex digits, of `canonical`. */
  readonly digest: string;
  /** RFC 8785 JSON: the documents of all policies that hold together, an array; each parses again as a policy. */
  readonly canonical: string;
  readonly execution: Execution;
  readonly upstream: Upstream;
  readonly filesystem: Filesystem;
  readonly dnsDeny: "answer" | "nxdomain";
  /** Who an agent must prove to be; `issuers` null: nobody need vouch for it. */
  readonly identity: { readonly required: boolean; readonly issuers: readonly string[] | null };
  /** Where each denial's event is sent: what every policy says. */
  readonly alertWebhooks: readonly string[];
  /** What happens to a run whose token is revoked or expires. */
  readonly onRevoke: "kill" | "cut";
  /** bytes */
  readonly maxInspectBytes: number;
  /**
   * The decision of two policies that both allow, under the rule of the other, whose `part` is named; a narrowing, or one beside a
   * token, leaves it the rule that it has. The same two always give the same object, within a bound.
   */
  both(one: Allow, other: Allow, part: PolicyPart): Allow;
}

/** @throws Failure policy_invalid where policies that hold together contradict each other. */
export function compilePolicy(policies: readonly Policy[]): CompiledPolicy {
  const canonical = `[${policies.map(({ document }) => canonicalJson(document as unknown as JsonValue)).join(",")}]`;
  const inspect = policies
    .map(({ document }) => document.network?.max_inspect_bytes)
    .filter((value) => value !== undefined);
  const execution = mergeExecution(policies);
  return {
    parts: policies.filter((policy) => !policy.narrows || policy.document.network !== undefined).map(compilePart),
    canonical,
    digest: `sha256:${createHash("sha256").update(canonical).digest("hex")}`,
    execution,
    filesystem: mergeFilesystem(policies, execution.level === "strict"),
    upstream: mergeUpstream(policies),
    dnsDeny: policies.some(({ document }) => document.network?.dns_deny === "nxdomain") ? "nxdomain" : "answer",
    identity: mergeIdentity(policies),
    alertWebhooks: [
      ...new Set(policies.map(({ document }) => document.violation?.alert_webhook).filter((url) => url !== undefined)),
    ],
    onRevoke: cuts(policies) ? "cut" : "kill",
    maxInspectBytes: inspect.length === 0 ? 2 ** 20 : Math.min(...inspect),
    both: createBoth(),
  };
}

/** The policy that opens every public name and port: never held alone, only beside others or while a run is observed. */
export function openPolicy(name: string): Policy {
  const document: PolicyDocument = { version: schemaVersion, network: { default: "allow" } };
  return { name, document, places: new Map() };
}

/** Each policy's list holds: who is to vouch stands in all of them. */
function mergeIdentity(policies: readonly Policy[]): CompiledPolicy["identity"] {
  const said = policies.map(({ document }) => document.identity ?? {});
  const lists = said.map(({ allowed_issuers }) => allowed_issuers).filter((list) => list !== undefined);
  const [first, ...more] = lists;
  return {
    required: said.some(({ require_attestation }) => require_attestation === true),
    issuers: first === undefined ? null : first.filter((name) => more.every((list) => list.includes(name))),
  };
}

/** One that says `cut`, and none that says `kill`. */
function cuts(policies: readonly Policy[]): boolean {
  const said = policies.map(({ document }) => document.violation?.on_revoke).filter((value) => value !== undefined);
  return said.length > 0 && said.every((value) => value === "cut");
}

function compilePart(policy: Policy): PolicyPart {
  const rules = rulesOf(policy);
  const closed = (policy.document.network?.deny ?? []).map(closedBy);
  return {
    name: policy.name,
    policy,
    rules,
    hosts: new HostTables(rules, closed),
    addable: policy.document.extendable === true,
  };
}

function closedBy(text: string, index: number): Closed {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new TypeError(parsed.problem);
  const { host, port } = parsed.value;
  const deny: Deny = {
    verdict: "deny",
    reason: port === null ? "domain_not_allowed" : "port_not_allowed",
    rule: `network.deny[${index}]`,
    remedy: null,
    detail: null,
  };
  return { host, port, deny };
}

const mostPairs = 65_536;

function createBoth(): CompiledPolicy["both"] {
  let kept = new Map<Allow, Map<Allow, Allow>>();
  let pairs = 0;
  return (one, other, part) => {
    let row = kept.get(one);
    const found = row?.get(other);
    if (found !== undefined) return found;
    if (pairs++ >= mostPairs) {
      kept = new Map();
      pairs = 1;
      row = undefined;
    }
    row ??= new Map();
    kept.set(one, row);
    const made: Allow = {
      verdict: "allow",
      rule: part.policy.narrows || part.policy.beside ? one.rule : other.rule,
      obligations: tighter(one.obligations, other.obligations),
    };
    row.set(other, made);
    return made;
  };
}

/** From what lets most pass to what lets least. */
const protocols = ["tcp", "any", "http", "tls"] as const;

function tighter(one: Obligations, other: Obligations): Obligations {
  return {
    tls: one.tls === "terminate" || other.tls === "terminate" ? "terminate" : "pass",
    protocol: protocols[Math.max(protocols.indexOf(one.protocol), protocols.indexOf(other.protocol))] ?? "tls",
    private: commonRanges(one.private, other.private),
    bodyOnGet: one.bodyOnGet && other.bodyOnGet,
  };
}

/** Two ranges share nothing, or one holds the other. */
function commonRanges(one: readonly string[], other: readonly string[]): readonly string[] {
  const ranges = (texts: readonly string[]) => texts.map(parseCidr).filter((cidr) => cidr !== null);
  const holds = (outer: Cidr, inner: Cidr) => outer.prefix <= inner.prefix && contains(outer, inner.base);
  const common = ranges(one).flatMap((a) => ranges(other).flatMap((b) => (holds(a, b) ? [b] : holds(b, a) ? [a] : [])));
  return [...new Set(common.map(formatCidr))];
}
