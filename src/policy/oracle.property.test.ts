// The compiled policy against a naive reading of the same document: every rule looked at, one after the other.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Action } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import { compilePolicy } from "./compile.ts";
import { evaluate } from "./evaluate.ts";
import type { NetworkRule, NetworkSection, PolicyDocument } from "./policy.ts";

const labels = ["a", "b", "c", "api"];
const suffixes = ["x.com", "b.x.com", "y.org"];
const name = fc
  .tuple(fc.array(fc.constantFrom(...labels), { maxLength: 3 }), fc.constantFrom(...suffixes))
  .map(([front, suffix]) => [...front, suffix].join("."));
const host = fc.oneof(
  { weight: 3, arbitrary: name },
  { weight: 1, arbitrary: fc.constantFrom("93.184.216.34", "10.0.0.1", "2001:4860::1") },
);
const pattern = fc.oneof(
  host,
  name.map((text) => `*.${text}`),
  name.map((text) => `**.${text}`),
);
const port = fc.constantFrom(80, 443, 22, 8080);
const method = fc.constantFrom("GET", "POST", "HEAD");
const segment = fc.constantFrom("a", "b", "c");
const pathPattern = fc
  .tuple(fc.array(fc.oneof(segment, fc.constant("*")), { maxLength: 3 }), fc.boolean())
  .map(([segments, deep]) => `/${[...segments, ...(deep || segments.length === 0 ? ["**"] : [])].join("/")}`);

function bracketed(text: string): string {
  return text.includes(":") ? `[${text}]` : text;
}

const endpoint = fc
  .tuple(pattern, fc.option(port))
  .map(([text, at]) => (at === null ? bracketed(text) : `${bracketed(text)}:${at}`));
const some = <T>(one: fc.Arbitrary<T>) =>
  fc.option(fc.uniqueArray(one, { minLength: 1, maxLength: 2 }), { nil: undefined });

const rule: fc.Arbitrary<NetworkRule> = fc
  .record({
    host: fc.array(pattern, { minLength: 1, maxLength: 2 }),
    port: some(port),
    method: some(method),
    path: some(pathPattern),
    protocol: fc.option(fc.constantFrom("any" as const, "http" as const, "tls" as const, "tcp" as const), {
      nil: undefined,
    }),
    body_on_get: fc.option(fc.boolean(), { nil: undefined }),
  })
  .map(
    (made) =>
      Object.fromEntries(
        Object.entries(made).filter(
          ([key, value]) => value !== undefined && !(made.protocol === "tcp" && (key === "method" || key === "path")),
        ),
      ) as unknown as NetworkRule,
  );

const network: fc.Arbitrary<NetworkSection> = fc.record({
  default: fc.constantFrom("deny" as const, "deny" as const, "deny" as const, "allow" as const),
  allow: fc.array(endpoint, { maxLength: 4 }),
  deny: fc.oneof(
    { weight: 2, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.array(endpoint, { maxLength: 2 }) },
  ),
  rule: fc.array(rule, { maxLength: 8 }),
});

const path = fc.oneof(
  { weight: 4, arbitrary: fc.array(segment, { maxLength: 4 }).map((segments) => `/${segments.join("/")}`) },
  { weight: 1, arbitrary: fc.constantFrom("/a/", "/%61/b", "/a?x=/../", "/a//b", "/a/../b", "/a;b", "/%2e", "/a%2fb") },
);
const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant("http" as const),
    scheme: fc.constantFrom("http" as const, "https" as const),
    host,
    port,
    method,
    path,
    body: fc.boolean(),
    upgrade: fc.constantFrom(null, null, "websocket", "h2c"),
  }),
  fc.record({
    kind: fc.constant("connect" as const),
    host,
    port,
    protocol: fc.constantFrom("tls" as const, "http" as const, "tcp" as const),
  }),
  fc.record({ kind: fc.constant("dns" as const), host, type: fc.constant("A") }),
);

function decide(section: NetworkSection, asked: Action): Decision {
  const document: PolicyDocument = { version: "zero_trust.runtime.v1", network: section };
  return evaluate(compilePolicy([{ name: "p", document, places: new Map() }]), asked);
}

// ---- the naive reading

const isAddress = (text: string) => /^[0-9.]+$/.test(text) || text.includes(":");

function names(text: string, asked: string): boolean {
  if (!text.startsWith("*")) return text === asked;
  if (isAddress(asked)) return false;
  if (text.startsWith("**.")) return asked.endsWith(text.slice(2));
  return asked.endsWith(text.slice(1)) && !asked.slice(0, -text.length + 1).includes(".");
}

function split(text: string): { host: string; port: number | null } {
  const found = /^(?:\[(.*)\]|([^:]*))(?::(\d+))?$/.exec(text);
  return { host: found?.[1] ?? found?.[2] ?? "", port: found?.[3] === undefined ? null : Number(found[3]) };
}

function opensPath(text: string, asked: string): boolean {
  const clean = decodeURIComponent(asked.split("?")[0] ?? "");
  const form = text.replace(/\/\*\*$/, "/.*").replace(/\/\*(?=\/|$)/g, "/[^/]+");
  return new RegExp(`^${form}$`).test(clean);
}

const isOdd = (asked: string) => ["/a//b", "/a/../b", "/a;b", "/%2e", "/a%2fb"].includes(asked);

interface Reading {
  readonly host: boolean;
  readonly port: boolean;
  readonly spoken: boolean;
  readonly method: boolean;
  readonly path: boolean;
  readonly body: boolean;
}

function read(one: NetworkRule, asked: Action): Reading {
  const none = { host: false, port: false, spoken: false, method: false, path: false, body: false };
  if (!one.host.some((text) => names(text, asked.host))) return none;
  if (asked.kind === "dns") return { ...none, host: true };
  if (!(one.port ?? [80, 443]).includes(asked.port)) return { ...none, host: true };
  const habit = asked.port === 443 ? "tls" : asked.port === 22 ? "none" : "http";
  const protocol = one.protocol ?? "any";
  const tunnel =
    protocol === "tcp" ||
    (protocol === "any" && habit === "none" && one.method === undefined && one.path === undefined);
  const clear = protocol === "tcp" || (protocol !== "tls" && habit !== "tls");
  const said = asked.kind === "connect" ? asked.protocol : asked.scheme === "https" ? "tls" : "http";
  const upgrade = asked.kind === "http" && asked.upgrade === "h2c";
  const spoken = upgrade ? tunnel && (said === "tls" || clear) : said === "tls" || (said === "http" ? clear : tunnel);
  if (asked.kind === "connect") return { host: true, port: true, spoken, method: true, path: true, body: true };
  return {
    host: true,
    port: true,
    spoken,
    method: one.method === undefined || one.method.includes(asked.method),
    path: one.path === undefined || (!isOdd(asked.path) && one.path.some((text) => opensPath(text, asked.path))),
    body: !asked.body || asked.method === "POST" || (one.body_on_get === true && !upgrade),
  };
}

const privates = new Set(["10.0.0.1"]);

/** Whether it is allowed, and if not, for which reasons it may be denied. */
function naive(section: NetworkSection, asked: Action): "allow" | RegExp {
  const denies = (section.deny ?? []).map(split).filter((deny) => names(deny.host, asked.host));
  if (denies.some(({ port: at }) => at === null)) return /^domain_not_allowed$/;
  if (asked.kind !== "dns" && denies.some(({ port: at }) => at === asked.port)) return /^port_not_allowed$/;
  const rules: NetworkRule[] = [
    ...(section.rule ?? []),
    ...(section.allow ?? []).map((text) => {
      const { host: only, port: at } = split(text);
      return at === null ? { host: [only] } : { host: [only], port: [at] };
    }),
  ];
  if (section.default === "allow") rules.push({ host: [asked.host], port: [80, 443, 22, 8080] });
  const readings = rules.map((one) => read(one, asked));
  const named = readings.filter((one) => one.host);
  if (named.length === 0) return /^domain_not_allowed$/;
  if (asked.kind === "dns") {
    const ports = new Set(
      rules.filter((one) => one.host.some((text) => names(text, asked.host))).flatMap((one) => one.port ?? [80, 443]),
    );
    const everyPort = section.default === "allow";
    return everyPort || [...ports].some((at) => !denies.some((deny) => deny.port === at))
      ? "allow"
      : /^domain_not_allowed$/;
  }
  const there = named.filter((one) => one.port);
  if (there.length === 0) return /^port_not_allowed$/;
  const full = there.filter((one) => one.spoken && one.method && one.path && one.body);
  if (full.length > 0) {
    const byDefault = readings.length > 0 && section.default === "allow" ? 1 : 0;
    const spelt = readings.slice(0, readings.length - byDefault).some((one) => full.includes(one));
    return privates.has(asked.host) && !spelt ? /^private_address$/ : "allow";
  }
  if (!there.some((one) => one.spoken)) return /^protocol_not_allowed$/;
  return /^(method_not_allowed|path_not_allowed|malformed_request|protocol_not_allowed)$/;
}

function agrees(section: NetworkSection, asked: Action): void {
  const decision = decide(section, asked);
  const expected = naive(section, asked);
  if (expected === "allow") assert.equal(decision.verdict, "allow", JSON.stringify(decision));
  else assert.match(decision.verdict === "deny" ? decision.reason : `allow by ${decision.rule}`, expected);
}

test("a compiled policy decides what a naive reading of its rules does", () => {
  fc.assert(fc.property(network, action, agrees), { numRuns: 10_000 });
});

test("the order of rules, entries and values never matters, whatever decides", () => {
  const shuffledNetwork = network.chain((section) =>
    fc.tuple(
      fc.constant(section),
      fc.shuffledSubarray([...(section.allow ?? [])], { minLength: section.allow?.length ?? 0 }),
      fc.shuffledSubarray([...(section.rule ?? [])], { minLength: section.rule?.length ?? 0 }),
      fc.shuffledSubarray([...(section.deny ?? [])], { minLength: section.deny?.length ?? 0 }),
    ),
  );
  const essence = (decision: Decision) => (decision.verdict === "allow" ? decision.obligations : decision.reason);
  fc.assert(
    fc.property(shuffledNetwork, action, ([section, allow, rules, deny], asked) => {
      const turned = rules.map((one) => ({
        ...one,
        host: [...one.host].reverse(),
        ...(one.path === undefined ? {} : { path: [...one.path].reverse() }),
      }));
      assert.deepEqual(
        essence(decide({ ...section, allow, deny, rule: turned }, asked)),
        essence(decide(section, asked)),
      );
    }),
    { numRuns: 3000 },
  );
});

test("with 10,000 rules it decides the same as the naive reading", () => {
  const rules = fc.sample(rule, { numRuns: 5000, seed: 1 });
  const allow = fc
    .sample(endpoint, { numRuns: 5000, seed: 2 })
    .map((text, index) => text.replace("x.com", `x${index % 500}.com`));
  const section: NetworkSection = {
    default: "deny",
    allow,
    deny: ["b.b.x.com", "**.c.y.org:443"],
    rule: rules.map((one, index) => ({
      ...one,
      host: one.host.map((text) => text.replace("x.com", `x${index % 500}.com`)),
    })),
  };
  const document: PolicyDocument = { version: "zero_trust.runtime.v1", network: section };
  const compiled = compilePolicy([{ name: "p", document, places: new Map() }]);
  for (const [index, sampled] of fc.sample(action, { numRuns: 500, seed: 3 }).entries()) {
    const asked = { ...sampled, host: sampled.host.replace("x.com", `x${index % 500}.com`) };
    const decision = evaluate(compiled, asked);
    const expected = naive(section, asked);
    if (expected === "allow") assert.equal(decision.verdict, "allow", JSON.stringify([asked, decision]));
    else
      assert.match(
        decision.verdict === "deny" ? decision.reason : `allow by ${decision.rule} ${JSON.stringify(asked)}`,
        expected,
      );
  }
});
