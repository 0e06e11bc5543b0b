import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "#core/action.ts";
import { compilePolicy, openPolicy } from "#policy/compile.ts";
import { evaluate, reachable } from "#policy/evaluate.ts";
import { policyFromFlags } from "#policy/extend.ts";
import { parsePolicy } from "#policy/parse.ts";
import { request } from "#test/log/sample.ts";
import { createObservation, observedRule } from "./observe.ts";

const parsed = (text: string, name = "test.toml") => parsePolicy(`# zero_trust.runtime.v1\n${text}`, { name });
const connect = (host: string, port: number, protocol: "tls" | "http" | "tcp" = "tls"): Action => ({
  kind: "connect",
  host,
  port,
  protocol,
});

const policy = parsed(`
[network]
allow = ["api.example.com", "10.1.2.3:443"]
deny = ["telemetry.example.com"]
[[network.rule]]
host = "repo.example.com"
method = ["GET"]
path = ["/ours/**"]
`);
const ceiling = parsed('[network]\ndefault = "allow"\ndeny = ["forbidden.example"]', "/etc/sallyport/policy.toml");

const under = (...ceilings: (typeof ceiling)[]) =>
  createObservation(compilePolicy([...ceilings, policy]), compilePolicy([...ceilings, openPolicy("--observe")]));

test("what the policy allows is decided as without observation", () => {
  for (const action of [request("/", "api.example.com"), request("/ours/x", "repo.example.com")]) {
    const decision = under().judge(action);
    assert.deepEqual(decision, evaluate(compilePolicy([policy]), action));
    assert.equal(decision.verdict === "allow" && decision.wouldDeny, undefined);
  }
});

const would: readonly (readonly [Action, string])[] = [
  [request("/", "unknown.example"), "domain_not_allowed"],
  [request("/theirs", "repo.example.com"), "path_not_allowed"],
  [{ ...request("/ours/x", "repo.example.com"), method: "POST" } as Action, "method_not_allowed"],
  [connect("api.example.com", 8443), "port_not_allowed"],
  [connect("9.9.9.9", 22, "tcp"), "domain_not_allowed"],
  [{ kind: "dns", host: "unknown.example", type: "A" }, "domain_not_allowed"],
];
for (const [action, reason] of would) {
  test(`what would be denied for ${reason} passes, and says so: ${JSON.stringify(action).slice(0, 60)}`, () => {
    const decision = under().judge(action);
    assert.ok(decision.verdict === "allow");
    assert.equal(decision.rule, observedRule);
    assert.equal(decision.wouldDeny?.reason, reason);
    assert.deepEqual(decision.obligations.private, []);
    assert.equal(under().judge(action).verdict, "allow");
  });
}

const closed: readonly (readonly [string, Action, string])[] = [
  ["a private address", connect("10.9.9.9", 443), "private_address"],
  ["the loopback", connect("127.0.0.1", 80, "http"), "private_address"],
  ["a metadata service", request("/latest", "169.254.169.254"), "private_address"],
  ["the loopback over IPv6", connect("::1", 443), "private_address"],
  ["a private address in an IPv6 dress", connect("::ffff:10.0.0.1", 443), "private_address"],
  ["what the policy denies by name", request("/", "telemetry.example.com"), "domain_not_allowed"],
  ["what is not what the port is for", connect("unknown.example", 443, "tcp"), "protocol_not_allowed"],
];
for (const [title, action, reason] of closed) {
  test(`observation does not open ${title}`, () => {
    const decision = under().judge(action);
    assert.equal(decision.verdict === "deny" && decision.reason, reason);
  });
}

test("a name that leads to private space is let through by name, and closed when its addresses are known", () => {
  const decision = under().judge(request("/", "unknown.example"));
  assert.ok(decision.verdict === "allow");
  const addresses = ["10.0.0.1", "127.0.0.1", "169.254.169.254", "fd00::1", "93.184.216.34"];
  assert.deepEqual(reachable(decision, addresses), ["93.184.216.34"]);
});

test("the machine's ceiling holds: what it denies is denied, not observed", () => {
  const decision = under(ceiling).judge(request("/", "forbidden.example"));
  assert.equal(decision.verdict === "deny" && decision.reason, "domain_not_allowed");
  assert.equal(under(ceiling).judge(request("/", "unknown.example")).verdict, "allow");
  const narrow = parsed('[network]\nallow = ["api.example.com"]', "/etc/sallyport/policy.toml");
  assert.equal(under(narrow).judge(request("/", "unknown.example")).verdict, "deny");
});

test("equal answers are one object, so that an upstream connection is shared as without observation", () => {
  const observation = createObservation(compilePolicy([policyFromFlags([])]), compilePolicy([openPolicy("--observe")]));
  assert.equal(observation.judge(request("/a", "x.example")), observation.judge(request("/b", "x.example")));
});
