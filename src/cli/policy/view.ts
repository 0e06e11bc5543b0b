// A policy as a person reads it: who may be reached and how, presets expanded, then every other key; and what of it is
// worth a look before it is trusted.

import { addressClass } from "#lib/address-class.ts";
import { hostLoopback, isLiteralAddress } from "#lib/host-name.ts";
import { checkPolicy } from "#policy/check.ts";
import { compilePolicy, type PolicyPart } from "#policy/compile.ts";
import { evaluatePart } from "#policy/evaluate.ts";
import { type Policy, placeIn } from "#policy/policy.ts";
import type { Rule } from "#policy/rule.ts";
import { operatorKeys, writtenKeys } from "#policy/written-keys.ts";

/** A rule as JSON, and why the machine's ceiling leaves nothing of a host of it. */
export interface RuleView {
  readonly rule: string;
  readonly place: string;
  readonly host: readonly string[];
  /** Null is every port. */
  readonly port: readonly number[] | null;
  readonly method: readonly string[] | null;
  readonly path: readonly string[] | null;
  readonly protocol: string;
  readonly tls: string;
  readonly private: readonly string[];
  /** Hosts of this rule that another policy closes, with the reason. */
  readonly closed: readonly { readonly host: string; readonly by: string; readonly reason: string }[];
}

/** The rules of a policy; `others` are those that it is intersected with. */
export function ruleViews(part: PolicyPart, others: readonly PolicyPart[]): RuleView[] {
  return part.rules.map((rule) => ({
    rule: rule.allow.rule,
    place: placeIn(part.policy, rule.path),
    host: rule.hosts.map(({ text }) => text),
    port: rule.ports,
    method: rule.methods,
    path: rule.paths?.map((pattern) => `/${pattern.join("/")}`) ?? null,
    protocol: rule.protocol,
    tls: rule.allow.obligations.tls,
    private: rule.allow.obligations.private,
    closed: rule.hosts.flatMap(({ text }) => others.flatMap((other) => closedBy(other, rule, text))),
  }));
}

/** Asks with a host, path and method that the rule lets pass. */
function closedBy(other: PolicyPart, rule: Rule, host: string): RuleView["closed"] {
  const name = host.replace(/^\*\*?\.?/, (wildcard) => (wildcard.endsWith(".") ? "any." : "any.example"));
  const port = rule.ports?.[0] ?? 443;
  const path = `/${(rule.paths?.[0] ?? []).map((segment) => segment.replace(/^\*+$/, "any")).join("/")}`;
  const decision = evaluatePart(
    other,
    rule.protocol === "tcp"
      ? { kind: "connect", host: name, port, protocol: "tcp" }
      : {
          kind: "http",
          scheme: port === 80 || port === 8080 ? "http" : "https",
          host: name,
          port,
          method: rule.methods?.[0] ?? "GET",
          path,
          body: false,
          upgrade: null,
        },
  );
  return decision.verdict === "allow" ? [] : [{ host, by: other.name, reason: decision.reason }];
}

/** Rows of a table, its heading first; empty where nothing may be reached. */
export function ruleRows(views: readonly RuleView[]): string[][] {
  const rows = views.flatMap((view) => {
    const hosts = view.host.length === 0 ? ["every public host"] : view.host;
    const closed = (host: string) => view.closed.find((one) => one.host === host);
    const told = hosts.map((host) => {
      const by = closed(host);
      return by === undefined ? host : `${host}  closed by ${by.by} (${by.reason})`;
    });
    const may = mayRows(view);
    return Array.from({ length: Math.max(told.length, may.length) }, (_, at) => [
      told[at] ?? "",
      at === 0 ? (view.port?.join(" ") ?? "all") : "",
      may[at] ?? "",
      at === 0 ? `${view.rule} (${view.place})` : "",
    ]);
  });
  return rows.length === 0 ? [] : [["HOST", "PORT", "MAY", "RULE"], ...rows];
}

function mayRows({ method, path, protocol, tls, private: ranges }: RuleView): string[] {
  const methods = method?.join(" ") ?? (path === null ? "everything" : "every method");
  const how = [
    ...(protocol === "any" ? [] : [protocol === "tcp" ? "bytes of any kind, unread" : `${protocol} only`]),
    ...(tls === "pass" && protocol !== "tcp" ? ["TLS untouched"] : []),
    ...(ranges.length === 0 ? [] : [`at ${ranges.join(", ")}`]),
  ].join(", ");
  const first = `${methods}${path === null ? "" : ` ${path[0]}`}${how === "" ? "" : ` (${how})`}`;
  return [first, ...(path ?? []).slice(1).map((one) => `${methods} ${one}`)];
}

/** Every key but those that `ruleRows` tells, as `section.key = value`. */
export function keyLines(policy: Policy): string[] {
  return writtenKeys(policy)
    .filter(
      ({ path, key: { shape } }) =>
        path !== "version" &&
        path !== "network.allow" &&
        !path.startsWith("network.rule") &&
        shape.type !== "table" &&
        !(shape.type === "list" && shape.of.type === "table"),
    )
    .map(({ path, value }) => `${path} = ${JSON.stringify(value)}`);
}

export interface Concern {
  readonly place: string;
  readonly message: string;
}

/** What a policy that others wrote should be looked at for. */
export function concerns(policy: Policy): Concern[] {
  const keys = operatorKeys(policy).map(({ path, value }) => ({
    place: placeIn(policy, path),
    message: `${path} = ${JSON.stringify(value)}: an operator's key`,
  }));
  const [part] = compilePolicy([policy]).parts;
  const near = (part?.rules ?? []).flatMap((rule) =>
    rule.hosts
      .filter(
        ({ suffix }) =>
          suffix === hostLoopback ||
          (isLiteralAddress(suffix) && !["public", "loopback"].includes(addressClass(suffix))),
      )
      .map(({ text }) => ({
        place: placeIn(policy, rule.path),
        message: `${rule.allow.rule} reaches ${text === hostLoopback ? "services of this machine" : `${text}, which is not public`}`,
      })),
  );
  const warnings = checkPolicy(policy).map(({ place, message, code }) => ({ place, message: `${message} (${code})` }));
  return [...keys, ...near, ...warnings];
}
