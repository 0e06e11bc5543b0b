import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action, HttpAction } from "#core/action.ts";
import { compilePolicy } from "./compile.ts";
import { actionText, explain } from "./explain.ts";
import { parsePolicy } from "./parse.ts";

const policy = compilePolicy([
  parsePolicy(
    `# zero_trust.runtime.v1
[network]
allow = ["example.com", "10.0.0.5:80"]
deny = ["bad.example.com"]
[[network.rule]]
id = "github"
host = "api.github.com"
method = ["GET"]
path = ["/repos/*/issues", "/v1/**"]
[[network.rule]]
host = "*.example.com"
tls = "pass"
`,
    { name: "p.toml" },
  ),
]);

function http(method: string, host: string, path: string, more: Partial<HttpAction> = {}): Action {
  return { kind: "http", scheme: "https", host, port: 443, method, path, body: false, upgrade: null, ...more };
}

const cases: readonly (readonly [
  title: string,
  action: Action,
  expected: { decided: string; place: string | null; nearest: string | null; differs?: RegExp; change: RegExp | null },
])[] = [
  [
    "an allow names its rule and place",
    http("GET", "api.github.com", "/v1/x"),
    { decided: "github", place: "p.toml:5:3", nearest: null, change: null },
  ],
  [
    "an entry of allow has a place of its own",
    http("GET", "example.com", "/"),
    { decided: "network.allow[0]", place: "p.toml:3:10", nearest: null, change: null },
  ],
  [
    "a deny entry decides, and is what must change",
    http("GET", "bad.example.com", "/"),
    {
      decided: "domain_not_allowed",
      place: "p.toml:4:9",
      nearest: "network.rule[1]",
      differs: /deny wins/,
      change: /out of \[network\] deny \(p\.toml:4:9\)/,
    },
  ],
  [
    "a method",
    http("POST", "api.github.com", "/v1/x"),
    {
      decided: "method_not_allowed",
      place: null,
      nearest: "github",
      differs: /method is GET/,
      change: /add "POST" to method of github \(p\.toml:5:3\)/,
    },
  ],
  [
    "a path",
    http("GET", "api.github.com", "/v2/%41?q"),
    {
      decided: "path_not_allowed",
      place: null,
      nearest: "github",
      differs: /path is \/repos\/\*\/issues, \/v1\/\*\*/,
      change: /add "\/v2\/A" to path of github/,
    },
  ],
  [
    "an ambiguous path",
    http("GET", "api.github.com", "/v1/../x"),
    { decided: "malformed_request", place: null, nearest: "github", differs: /two ways/, change: /normal form/ },
  ],
  [
    "a body on GET",
    http("GET", "api.github.com", "/v1/x", { body: true }),
    {
      decided: "malformed_request",
      place: null,
      nearest: "github",
      differs: /no body/,
      change: /body_on_get = true into github/,
    },
  ],
  [
    "a port",
    http("GET", "example.com", "/", { port: 8443 }),
    {
      decided: "port_not_allowed",
      place: null,
      nearest: "network.allow[0]",
      differs: /port is 80, 443/,
      change: /add "example\.com:8443" to \[network\] allow in p\.toml/,
    },
  ],
  [
    "a neighbour's name",
    http("GET", "www.api.github.com", "/"),
    {
      decided: "domain_not_allowed",
      place: null,
      nearest: "github",
      differs: /host is api\.github\.com/,
      change: /add "www\.api\.github\.com"/,
    },
  ],
  [
    "a name that is near nothing",
    http("GET", "other.org", "/"),
    { decided: "domain_not_allowed", place: null, nearest: null, change: /add "other\.org"/ },
  ],
  [
    "a protocol",
    { kind: "connect", host: "example.com", port: 443, protocol: "tcp" },
    {
      decided: "protocol_not_allowed",
      place: null,
      nearest: "network.allow[0]",
      differs: /any, which on port 443 is HTTP in TLS/,
      change: /protocol = "tcp"/,
    },
  ],
  [
    "DNS",
    { kind: "dns", host: "other.org", type: "A" },
    { decided: "domain_not_allowed", place: null, nearest: null, change: /add "other\.org"/ },
  ],
];
for (const [title, action, { decided, place, nearest, differs = /^/, change }] of cases) {
  test(`explained: ${title}`, () => {
    const { decision, policies } = explain(policy, action);
    const [part] = policies;
    assert.ok(part !== undefined);
    assert.equal(decision.verdict === "allow" ? decision.rule : decision.reason, decided);
    assert.equal(part.place, place);
    assert.equal(part.nearest?.rule ?? null, nearest);
    assert.match(part.nearest?.differs ?? "", differs);
    if (change === null) assert.equal(part.change, null);
    else assert.match(part.change ?? "", change);
  });
}

test("an action is one line", () => {
  assert.equal(actionText(http("GET", "a.com", "/x?y")), "GET https://a.com/x?y");
  assert.equal(actionText(http("GET", "::1", "/", { port: 8443 })), "GET https://[::1]:8443/");
  assert.equal(actionText(http("GET", "::1", "/")), "GET https://[::1]/");
  assert.equal(actionText({ kind: "connect", host: "a.com", port: 22, protocol: "tcp" }), "CONNECT a.com:22 (tcp)");
  assert.equal(actionText({ kind: "dns", host: "a.com", type: "A" }), "DNS a.com");
});
