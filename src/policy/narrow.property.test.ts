// A child never has more than its parent: at any depth, in every key of the schema. The keys are taken from the schema, so
// one that is added fails here until it is either covered or refused.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Action } from "#core/action.ts";
import { Failure } from "#core/failure.ts";
import { type CompiledPolicy, compilePolicy } from "./compile.ts";
import { evaluate, reachable } from "./evaluate.ts";
import { hostNarrowing, narrowable, narrowingKeys, narrowingPolicy } from "./narrow.ts";
import type { Policy } from "./policy.ts";
import { type Keys, type Shape, schema, schemaVersion } from "./schema.ts";

/** Paths of every key below a section, `network.rule` as one: its own keys are covered by its values below. */
function leaves(keys: Keys, before = ""): { path: string; shape: Shape }[] {
  return Object.entries(keys).flatMap(([key, { shape }]) =>
    shape.type === "table" ? leaves(shape.keys, `${before}${key}.`) : [{ path: before + key, shape }],
  );
}

const hosts = ["a.x.com", "b.x.com", "y.org", "10.0.0.1"] as const;
const pattern = fc.constantFrom(...hosts, "*.x.com", "**.x.com");
const endpoint = fc.tuple(pattern, fc.constantFrom("", ":80", ":443", ":8080")).map(([host, port]) => `${host}${port}`);
const rule = fc.record(
  {
    host: fc.array(pattern, { minLength: 1, maxLength: 2 }),
    port: fc.subarray([80, 443, 8080], { minLength: 1 }),
    method: fc.subarray(["GET", "POST"], { minLength: 1 }),
    path: fc.subarray(["/a", "/a/**", "/b/*"], { minLength: 1 }),
    protocol: fc.constantFrom("any", "http"),
    private: fc.subarray(["10.0.0.0/8", "10.0.0.0/16", "192.168.0.0/16", "0.0.0.0/0"], { minLength: 1 }),
    body_on_get: fc.boolean(),
    delegate_only: fc.boolean(),
  },
  { requiredKeys: ["host"] },
);
const count = fc.integer({ min: 1, max: 5 });

/** Values of each key that a narrowing may speak of. */
const values: { readonly [path: string]: fc.Arbitrary<unknown> } = {
  version: fc.constant(schemaVersion),
  "network.default": fc.constantFrom("deny", "allow"),
  "network.allow": fc.array(endpoint, { maxLength: 3 }),
  "network.deny": fc.array(endpoint, { maxLength: 2 }),
  "network.dns_deny": fc.constantFrom("answer", "nxdomain"),
  "network.max_inspect_bytes": count,
  "network.rule": fc.array(rule, { maxLength: 4 }),
  "execution.level": fc.constantFrom("standard", "strict"),
  "execution.max_runtime_seconds": count,
  "execution.max_output_bytes": count,
  "execution.max_output_lines": count,
  "execution.max_requests": count,
  "execution.max_memory": fc.integer({ min: 2 ** 20, max: 2 ** 40 }),
  "execution.max_processes": fc.integer({ min: 1, max: 100_000 }),
  "execution.terminate_on_policy_violation": fc.boolean(),
  "execution.audit_all_actions": fc.boolean(),
  "execution.nested_sandbox": fc.constantFrom("deny", "allow"),
  "execution.env": fc.subarray(["HOME_KEY", "SECRET", "SECRET=x", "OTHER=1"]),
  "execution.spawn": fc.subarray(["notifier", "helper", "other"]),
  "execution.durability": fc.constantFrom("group", "each"),
  "budget.max_spend_usd": count,
  "budget.max_requests": count,
};

/** A policy that says some of them. */
const document: fc.Arbitrary<unknown> = fc
  .record(Object.fromEntries(Object.entries(values).filter(([path]) => path !== "version")), { requiredKeys: [] })
  .map((said) => {
    const made: Record<string, Record<string, unknown>> = {};
    for (const [path, value] of Object.entries(said)) {
      const [section = "", key = ""] = path.split(".");
      made[section] = { ...made[section], [key]: value };
    }
    return { version: schemaVersion, ...made };
  });

const action: fc.Arbitrary<Action> = fc.oneof(
  fc.record({
    kind: fc.constant("http" as const),
    scheme: fc.constantFrom("http" as const, "https" as const),
    host: fc.constantFrom(...hosts),
    port: fc.constantFrom(80, 443, 8080),
    method: fc.constantFrom("GET", "POST"),
    path: fc.constantFrom("/a", "/a/b", "/b/c", "/"),
    body: fc.boolean(),
    upgrade: fc.constant(null),
  }),
  fc.record({
    kind: fc.constant("connect" as const),
    host: fc.constantFrom(...hosts),
    port: fc.constantFrom(80, 443, 8080),
    protocol: fc.constantFrom("tls" as const, "http" as const, "tcp" as const),
  }),
);

const addresses = ["10.0.0.1", "10.9.0.1", "192.168.1.1", "93.184.216.34"];

/** What is not to grow, each as a number: more is more. */
function powers({ execution, maxInspectBytes, dnsDeny }: CompiledPolicy): { readonly [power: string]: number } {
  const cap = (value: number | null) => value ?? Number.POSITIVE_INFINITY;
  return {
    runtime: cap(execution.maxRuntimeSeconds),
    lines: cap(execution.maxOutputLines),
    bytes: cap(execution.maxOutputBytes),
    requests: cap(execution.maxRequests),
    memory: execution.maxMemoryBytes,
    processes: execution.maxProcesses,
    standard: Number(execution.level === "standard"),
    nested: Number(execution.nestedSandbox === "allow"),
    lenient: Number(!execution.terminateOnPolicyViolation),
    unaudited: Number(!execution.auditAllActions),
    grouped: Number(execution.durability === "group"),
    inspect: maxInspectBytes,
    answered: Number(dnsDeny === "answer"),
  };
}

function assertLess(child: CompiledPolicy, parent: CompiledPolicy, asked: readonly Action[]): void {
  const before = powers(parent);
  for (const [power, value] of Object.entries(powers(child))) assert.ok(value <= (before[power] ?? 0), power);
  const name = (entry: string) => entry.split("=", 1)[0] ?? "";
  for (const entry of child.execution.env) {
    const held = parent.execution.env.some((own) => own === entry || own === name(entry));
    assert.ok(held, `the environment gained ${entry}`);
  }
  assert.deepEqual(child.upstream, parent.upstream, "names lead where they led");
  assert.equal(child.execution.user, parent.execution.user);
  assert.equal(child.execution.isolation, parent.execution.isolation);
  for (const one of asked) {
    const now = evaluate(child, one);
    if (now.verdict === "deny") continue;
    const then = evaluate(parent, one);
    assert.ok(then.verdict === "allow", `${JSON.stringify(one)} was denied before`);
    const open = reachable(then, addresses);
    for (const address of reachable(now, addresses)) assert.ok(open.includes(address), `${address} was closed before`);
    assert.ok(!now.obligations.bodyOnGet || then.obligations.bodyOnGet);
    assert.ok(now.obligations.tls === "terminate" || then.obligations.tls === "pass");
  }
}

const compileChain = (root: Policy, chain: readonly unknown[]) =>
  compilePolicy([narrowable(root), ...chain.map((one, at) => narrowingPolicy(one, `block ${at + 1}`))]);

test("every key of the schema is either covered here or refused in a narrowing", () => {
  for (const { path, shape } of leaves(schema)) {
    if (narrowingKeys.includes(path)) {
      assert.ok(path in values, `${path} may be narrowed, so it needs values here`);
      continue;
    }
    const [section = "", key] = path.split(".");
    const said = key === undefined ? sample(shape) : { [key]: sample(shape) };
    assert.throws(
      () => narrowingPolicy({ version: schemaVersion, [section]: said }, "block 1"),
      (error: Failure) => error instanceof Failure && error.code === "policy_invalid",
      `${path} is neither covered nor refused`,
    );
  }
  assert.deepEqual(Object.keys(values).sort(), [...narrowingKeys].sort());
});

test("a child never has more than its parent, at any depth and in every key", () => {
  fc.assert(
    fc.property(
      document,
      fc.array(document, { minLength: 1, maxLength: 5 }),
      fc.array(action, { minLength: 5, maxLength: 15 }),
      (parent, chain, asked) => {
        const { narrows: _, ...root } = narrowingPolicy(parent, "parent");
        for (let depth = 1; depth <= chain.length; depth += 1)
          assertLess(compileChain(root, chain.slice(0, depth)), compileChain(root, chain.slice(0, depth - 1)), asked);
      },
    ),
    { numRuns: 400 },
  );
});

test("a narrowing to hosts leaves their addresses to the policy before it", () => {
  const { narrows: _, ...root } = narrowingPolicy(
    { version: schemaVersion, network: { rule: [{ host: ["a.x.com", "b.x.com"], private: ["10.0.0.0/8"] }] } },
    "parent",
  );
  const narrowed = compileChain(root, [hostNarrowing(["a.x.com"])]);
  const ask = (host: string, port = 443) => evaluate(narrowed, { kind: "connect", host, port, protocol: "tls" });
  const allowed = ask("a.x.com");
  assert.ok(allowed.verdict === "allow");
  assert.deepEqual(reachable(allowed, addresses), ["10.0.0.1", "10.9.0.1", "93.184.216.34"]);
  assert.equal(ask("b.x.com").verdict, "deny");
  assert.equal(ask("a.x.com", 8080).verdict, "deny");
});

test("a narrowing that does not speak of the network leaves it as it was", () => {
  const { narrows: _, ...root } = narrowingPolicy(
    { version: schemaVersion, network: { rule: [{ host: ["a.x.com"], port: [8080], private: ["10.0.0.0/8"] }] } },
    "parent",
  );
  const narrowed = compileChain(root, [{ version: schemaVersion, execution: { max_requests: 1 } }]);
  const allowed = evaluate(narrowed, { kind: "connect", host: "a.x.com", port: 8080, protocol: "tls" });
  assert.deepEqual(
    allowed,
    evaluate(compilePolicy([root]), { kind: "connect", host: "a.x.com", port: 8080, protocol: "tls" }),
  );
  assert.ok(allowed.verdict === "allow");
  assert.equal(narrowed.execution.maxRequests, 1);
});

/** Some value of a shape, as JSON. */
function sample(shape: Shape): unknown {
  switch (shape.type) {
    case "string":
      return { url: "https://x.com/", host: "x.com", user: "nobody", file: "/x.pem" }[shape.format as string] ?? "x";
    case "boolean":
      return true;
    case "integer":
    case "number":
    case "size":
    case "duration":
      return 1;
    case "choice":
      return shape.of[0];
    case "list":
      return [sample(shape.of)];
    case "some":
      return sample(shape.of);
    case "map":
      return { "x.com": "10.0.0.1" };
    case "table":
      return Object.fromEntries((shape.required ?? []).map((key) => [key, sample(shape.keys[key]?.shape as Shape)]));
  }
}
