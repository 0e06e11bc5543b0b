import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "#core/action.ts";
import { compilePolicy } from "./compile.ts";
import { evaluate } from "./evaluate.ts";
import { parsePolicy } from "./parse.ts";

const policy = `# zero_trust.runtime.v1
[network]
allow = ["whole.example"]
[[network.rule]]
id = "items"
host = "api.example"
port = 443
method = "GET"
path = "/items/*"
[[network.rule]]
host = "read.example"
method = ["GET", "HEAD"]
`;

const compiled = (text = policy) => compilePolicy([parsePolicy(text, { name: "p.toml" })]);

const http = (method: string, url: string, body = false): Action => {
  const [, scheme, host = "", path = ""] = /^(https?):\/\/([^/]+)(.*)$/.exec(url) ?? [];
  const https = scheme === "https";
  return {
    kind: "http",
    scheme: https ? "https" : "http",
    host,
    port: https ? 443 : 80,
    method,
    path,
    body,
    upgrade: null,
  };
};

for (const [what, action, remedy] of [
  ["a method", http("POST", "https://api.example/items/1"), 'Add "POST" to method of items (p.toml:4:3)'],
  ["a path", http("GET", "https://api.example/other?q=1"), 'Add "/other" to path of items (p.toml:4:3)'],
  [
    "both",
    http("DELETE", "https://api.example/other"),
    'Write a [[network.rule]] with host = "api.example", port = 443, method = "DELETE" and path = "/other" into p.toml',
  ],
  [
    "a method of a rule without an id",
    http("POST", "https://read.example/x"),
    'Add "POST" to method of network.rule[1] (p.toml:10:3)',
  ],
  ["a path too long to repeat", http("GET", `https://api.example/${"x".repeat(300)}`), null],
  [
    "a path in two readings",
    http("GET", "https://api.example/items/%2e%2e"),
    "Send the path in its normal form: no dot segments, //, ;, \\ or escapes of them",
  ],
  ["a body on GET", http("GET", "https://api.example/items/1", true), "Write body_on_get = true into items"],
  [
    "bytes that are no HTTP",
    { kind: "connect", host: "whole.example", port: 443, protocol: "tcp" } as const,
    'Write a [[network.rule]] with host = "whole.example", port = 443 and protocol = "tcp", which passes bytes of any kind unread',
  ],
] as const) {
  test(`a denial says what would let it pass: ${what}`, () => {
    const decision = evaluate(compiled(), action);
    assert.equal(decision.verdict, "deny");
    assert.equal(decision.verdict === "deny" ? decision.remedy : undefined, remedy);
  });
}

test("what a denial says to add is what lets it pass", () => {
  const asked = http("POST", "https://api.example/items/1");
  const added = policy.replace('method = "GET"', 'method = ["GET", "POST"]');
  assert.equal(evaluate(compiled(added), asked).verdict, "allow");
  const both = http("DELETE", "https://api.example/other");
  const written = `${policy}[[network.rule]]\nhost = "api.example"\nport = 443\nmethod = "DELETE"\npath = "/other"\n`;
  assert.equal(evaluate(compiled(written), both).verdict, "allow");
});

test("nobody is told to change a preset", () => {
  const text =
    '{"version":"zero_trust.runtime.v1","network":{"rule":[{"id":"@npm/1","host":["r.example"],"method":["GET"]}]}}';
  const held = compilePolicy([parsePolicy(text, { name: "p.toml", format: "json", expanded: true })]);
  const decision = evaluate(held, http("PUT", "https://r.example/x"));
  assert.match(
    (decision.verdict === "deny" && decision.remedy) || "",
    /^Write a \[\[network\.rule\]\] with host = "r\.example"/,
  );
});
