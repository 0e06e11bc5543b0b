// What is worth a second look in a policy that is valid: what opens more than it seems to, and what does nothing.

import { addressClass } from "#lib/address-class.ts";
import { hostLoopback, isLiteralAddress } from "#lib/host-name.ts";
import { compilePolicy, type PolicyPart } from "./compile.ts";
import { type Endpoint, type HostPattern, isLoopback, isOverBroad, parseEndpoint } from "./host-pattern.ts";
import { portTable } from "./host-table.ts";
import { type Policy, placeIn } from "./policy.ts";
import { isGuarded, type Rule } from "./rule.ts";
import { unenforcedKeys } from "./unenforced.ts";

export type WarningCode =
  | "not_enforced_yet"
  | "default_allow"
  | "over_broad"
  | "shadowed"
  | "adds_nothing"
  | "not_opened"
  | "own_loopback"
  | "tls_disagrees";

export interface Warning {
  readonly code: WarningCode;
  readonly message: string;
  /** `file:line:column` */
  readonly place: string;
  readonly remedy: string | null;
}

/** In the order of the text as far as it is known. */
export function checkPolicy(policy: Policy): Warning[] {
  const [part] = compilePolicy([policy]).parts;
  if (part === undefined) return [];
  const warnings: Warning[] = [];
  const warn = (code: WarningCode, path: string, message: string, remedy: string | null) =>
    warnings.push({ code, message, place: placeIn(policy, path), remedy });

  for (const path of unenforcedKeys(policy)) {
    warn(
      "not_enforced_yet",
      path,
      `${path}: this build cannot enforce it, so a run under this policy does not start`,
      "Leave it out until a build can.",
    );
  }
  if (policy.document.network?.default === "allow") {
    warn(
      "default_allow",
      "network.default",
      "every public name, address and port is open but for the deny list",
      'Write default = "deny", and name the hosts.',
    );
  }
  const denies = (policy.document.network?.deny ?? []).map(endpoint);
  for (const rule of part.rules) {
    if (rule.hosts.some(isOverBroad)) {
      warn(
        "over_broad",
        `${rule.path}.host`,
        `${rule.allow.rule} spans names of owners who have nothing to do with each other`,
        null,
      );
    }
    if (rule.hosts.length > 0 && rule.hosts.every((host) => isClosed(host, rule.ports, denies))) {
      warn(
        "shadowed",
        rule.path,
        `${rule.allow.rule} allows nothing: [network] deny closes all its hosts`,
        "Leave out one of the two: deny wins.",
      );
    } else if (addsNothing(part, rule)) {
      warn(
        "adds_nothing",
        rule.path,
        `${rule.allow.rule} narrows nothing: another rule already allows these hosts whole`,
        "Rules only add. Take the host out of allow, or leave this rule out.",
      );
    }
    for (const host of rule.hosts) {
      const { kind, suffix, text } = host;
      if (isLoopback(host)) {
        warn(
          "own_loopback",
          rule.path,
          `${rule.allow.rule} opens nothing for ${text}: loopback is the cell's own and is never judged`,
          `For a service of this machine name "${hostLoopback}:${rule.ports?.length === 1 ? rule.ports[0] : "PORT"}".`,
        );
      }
      if (
        kind === "exact" &&
        isLiteralAddress(suffix) &&
        isGuarded(suffix) &&
        !rule.allow.obligations.private.some((range) => range.startsWith(suffix))
      ) {
        warn(
          "not_opened",
          rule.path,
          `${suffix} stays closed: it is a ${addressClass(suffix)} address`,
          `Write a [[network.rule]] with host = "${suffix}" and private = ["${suffix}"].`,
        );
      }
    }
  }
  for (const path of disagreements(part.rules)) {
    warn(
      "tls_disagrees",
      path,
      'tls = "pass" has no effect here: another rule of the same host and port reads the HTTP inside',
      "Say the same in both.",
    );
  }
  for (const [host, targets] of Object.entries(policy.document.upstream?.resolve ?? {})) {
    const closed = targets
      .map(
        (text) =>
          endpoint(text.includes("]") || !text.includes(":") || text.includes(".") ? text : `[${text}]`).host.suffix,
      )
      .filter((address) => addressClass(address) !== "public");
    const opened = part.hosts
      .view(host)
      .tables.some(({ ports }) => [...ports.values()].some(({ best }) => best.allow.obligations.private.length > 0));
    if (closed.length > 0 && !opened) {
      warn(
        "not_opened",
        `upstream.resolve.${host}`,
        `${host} leads to ${closed.join(", ")}, which no rule opens`,
        `Write a [[network.rule]] with host = "${host}" and private = ["${closed[0]}"].`,
      );
    }
  }
  return warnings;
}

function endpoint(text: string): Endpoint {
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new TypeError(parsed.problem);
  return parsed.value;
}

function isClosed(host: HostPattern, ports: readonly number[] | null, denies: readonly Endpoint[]): boolean {
  const covering = denies.filter((deny) => covers(deny.host, host));
  if (covering.some(({ port }) => port === null)) return true;
  return ports?.every((port) => covering.some((deny) => deny.port === port)) ?? false;
}

/** True where every host that `inner` names is one that `outer` names. */
function covers(outer: HostPattern, inner: HostPattern): boolean {
  if (outer.kind === "every") return inner.kind !== "exact" || !isLiteralAddress(inner.suffix);
  if (inner.kind === "every") return false;
  if (outer.kind === "exact") return inner.kind === "exact" && inner.suffix === outer.suffix;
  const below = inner.suffix.endsWith(`.${outer.suffix}`);
  if (outer.kind === "deep") return below || (inner.kind !== "exact" && inner.suffix === outer.suffix);
  if (inner.kind === "one") return inner.suffix === outer.suffix;
  return inner.kind === "exact" && below && !inner.suffix.slice(0, -outer.suffix.length - 1).includes(".");
}

/** True for a rule with a method or path whose named hosts another rule opens whole, on all its ports. */
function addsNothing(part: PolicyPart, rule: Rule): boolean {
  if ((rule.methods === null && rule.paths === null) || rule.ports === null) return false;
  return rule.hosts.every(
    ({ kind, suffix }) =>
      kind === "exact" &&
      rule.ports?.every((port) =>
        part.hosts.view(suffix).tables.some((table) => portTable(table, port)?.https?.everyMethod.whole.any != null),
      ),
  );
}

/** The places of `tls = "pass"` in rules that share a host and port with one that terminates. */
function disagreements(rules: readonly Rule[]): string[] {
  const read = new Set<string>();
  const spots = ({ hosts, ports }: Rule) => hosts.flatMap(({ text }) => (ports ?? []).map((port) => `${text} ${port}`));
  for (const rule of rules)
    if (rule.allow.obligations.tls === "terminate") for (const spot of spots(rule)) read.add(spot);
  return rules
    .filter(
      (rule) =>
        rule.allow.obligations.tls === "pass" && rule.protocol !== "tcp" && spots(rule).some((spot) => read.has(spot)),
    )
    .map(({ path }) => `${path}.tls`);
}
