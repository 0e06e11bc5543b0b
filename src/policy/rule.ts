// Every way a policy allows something, in one shape: `[[network.rule]]`, an entry of `allow`, or `default = "allow"`.
// The decision of each is made here once, and shared by every action that gets it.

import type { Allow, Obligations } from "#core/decision.ts";
import { addressClass } from "#lib/address-class.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { hostLoopback, isLiteralAddress } from "#lib/host-name.ts";
import { type HostPattern, type Parsed, parseEndpoint, parseHostPattern } from "./host-pattern.ts";
import { type PathPattern, parsePathPattern } from "./path-pattern.ts";
import type { NetworkRule, Policy } from "./policy.ts";

export interface Rule {
  readonly hosts: readonly HostPattern[];
  /** Null is every port. */
  readonly ports: readonly number[] | null;
  readonly methods: readonly string[] | null;
  readonly paths: readonly PathPattern[] | null;
  readonly protocol: "any" | "http" | "tls" | "tcp";
  readonly allow: Allow;
  /** Where the rule stands in its policy: `network.rule[0]`. */
  readonly path: string;
  /** What the rule says without its id and place: rules that say the same have equal text. */
  readonly says: string;
}

const barePorts = [80, 443];

/** Where the host's own loopback is, in the order in which it is tried. */
export const loopbackAddresses = ["127.0.0.1", "::1"] as const;

/** The rules of a policy, in the order of the text; `default = "allow"` last. */
export function rulesOf({ document: { network }, delegated }: Policy): Rule[] {
  const rules = (network?.rule ?? []).flatMap((rule, index) =>
    rule.delegate_only && !delegated ? [] : [detailed(rule, `network.rule[${index}]`)],
  );
  for (const [index, entry] of (network?.allow ?? []).entries()) {
    const { host, port } = must(parseEndpoint(entry));
    const id = `network.allow[${index}]`;
    rules.push(made(id, id, { hosts: [host], ports: port === null ? barePorts : [port], private: named([host]) }));
  }
  if (network?.default === "allow")
    rules.push(made("network.default", "network.default", { hosts: [], ports: null, private: [] }));
  return rules;
}

function detailed(rule: NetworkRule, path: string): Rule {
  const hosts = rule.host.map((text) => must(parseHostPattern(text)));
  return made(rule.id ?? path, path, {
    hosts,
    ports: rule.port ?? barePorts,
    methods: rule.method ?? null,
    paths: rule.path?.map((text) => must(parsePathPattern(text))) ?? null,
    protocol: rule.protocol ?? "any",
    tls: rule.tls ?? "terminate",
    private: [...(rule.private ?? []), ...named(hosts)],
    bodyOnGet: rule.body_on_get ?? false,
  });
}

interface Said {
  readonly hosts: readonly HostPattern[];
  readonly ports: readonly number[] | null;
  readonly methods?: readonly string[] | null;
  readonly paths?: readonly PathPattern[] | null;
  readonly protocol?: Rule["protocol"];
  readonly tls?: Obligations["tls"];
  readonly private: readonly string[];
  readonly bodyOnGet?: boolean;
}

function made(id: string, path: string, said: Said): Rule {
  const { hosts, ports, methods = null, paths = null, protocol = "any", bodyOnGet = false } = said;
  // A tunnel is never read, whatever is in it.
  const tls = protocol === "tcp" ? "pass" : (said.tls ?? "terminate");
  const obligations: Obligations = { tls, protocol, private: [...new Set(said.private)].sort(), bodyOnGet };
  const allow: Allow = { verdict: "allow", rule: id, obligations };
  const says = canonicalJson({
    hosts: hosts.map((host) => host.text).sort(),
    ports: ports === null ? null : [...ports].sort((one, other) => one - other),
    methods: methods === null ? null : [...methods].sort(),
    paths: paths === null ? null : paths.map((pattern) => pattern.join("/")).sort(),
    tls,
    protocol,
    private: obligations.private,
    bodyOnGet,
  });
  return { hosts, ports, methods, paths, protocol, allow, path, says };
}

/** Addresses that a rule names and thereby opens; never those that only a range of exactly one address opens. */
function named(hosts: readonly HostPattern[]): string[] {
  const [first] = hosts;
  if (hosts.length === 1 && first?.kind === "exact" && first.suffix === hostLoopback) return [...loopbackAddresses];
  return hosts
    .filter(({ kind, suffix }) => kind === "exact" && isLiteralAddress(suffix) && !isGuarded(suffix))
    .map(({ suffix }) => suffix);
}

/** True for addresses that no wide range opens: a metadata service, nobody, everybody. */
export function isGuarded(address: string): boolean {
  const kind = addressClass(address);
  return kind === "metadata" || kind === "unspecified" || kind === "multicast" || kind === "broadcast";
}

/**
 * Which of two rules that both match gives the decision: the one that says more, then a fixed order of what they say.
 * The order of the text never counts.
 */
export function compareRules(one: Rule, other: Rule): number {
  const weight = (rule: Rule) =>
    (rule.paths === null ? 0 : 4) + (rule.methods === null ? 0 : 2) + (rule.protocol === "any" ? 0 : 1);
  return weight(other) - weight(one) || (one.says < other.says ? -1 : one.says > other.says ? 1 : 0);
}

/** What parsing already accepted. */
function must<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw new TypeError(parsed.problem);
  return parsed.value;
}
