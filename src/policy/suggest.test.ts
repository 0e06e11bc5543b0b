import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "#core/action.ts";
import { compilePolicy } from "./compile.ts";
import { evaluate } from "./evaluate.ts";
import { policyFromFlags } from "./extend.ts";
import { parsePolicy } from "./parse.ts";
import { type Asked, createSuggesting, suggestionText } from "./suggest.ts";

const get = (host: string, path = "/", port = 443, method = "GET"): Asked => ({
  host,
  port,
  request: { method, path },
});

function suggested(asked: readonly Asked[], narrow = false) {
  const suggesting = createSuggesting();
  for (const one of asked) suggesting.take(one, narrow);
  return suggesting.result();
}

const cases: readonly (readonly [string, readonly Asked[], readonly string[]])[] = [
  ["a host on one port is named with it", [get("b.example")], ["b.example:443"]],
  ["both usual ports are the bare name", [get("b.example"), get("b.example", "/", 80)], ["b.example"]],
  [
    "other ports stand by themselves",
    [get("b.example", "/", 8443), get("b.example")],
    ["b.example:443", "b.example:8443"],
  ],
  [
    "hosts are sorted, each once",
    [get("b.example"), get("a.example"), get("b.example")],
    ["a.example:443", "b.example:443"],
  ],
  ["what is no HTTP is a port too", [{ host: "db.example", port: 5432, request: null }], ["db.example:5432"]],
  ["an address of six is bracketed", [get("2606:4700::1111")], ["[2606:4700::1111]:443"]],
  ["a host that is not in normal form is left out", [get("A.example"), get("x\ny")], []],
];
for (const [title, asked, allow] of cases) {
  test(title, () => {
    const suggestion = suggested(asked);
    assert.deepEqual(suggestion.allow, allow);
    assert.deepEqual(suggestion.rules, []);
    policyFromFlags(allow);
  });
}

test("narrow names methods and paths; a query is no part of a path", () => {
  const { allow, rules } = suggested([get("a.example", "/v1/x?q=1"), get("a.example", "/v1/y", 443, "POST")], true);
  assert.deepEqual(allow, []);
  assert.deepEqual(rules, [{ host: "a.example", port: 443, method: ["GET", "POST"], path: ["/v1/x", "/v1/y"] }]);
});

test("of many paths, the deepest folder that holds them all is named", () => {
  const many = Array.from({ length: 20 }, (_, n) =>
    get("a.example", `/repos/ours/${n % 2 === 0 ? "issues" : "pulls"}/${n}`),
  );
  assert.deepEqual(suggested(many, true).rules[0]?.path, ["/repos/ours/**"]);
  const apart = Array.from({ length: 20 }, (_, n) => get("a.example", `/${n}`));
  assert.deepEqual(suggested(apart, true).rules[0]?.path, ["/**"]);
});

test("a path that no pattern can name leaves every path", () => {
  assert.equal(suggested([get("a.example", "/a/../b")], true).rules[0]?.path, null);
});

test("the text is a policy that allows what was asked for, and nothing beside it", () => {
  const asked = [get("a.example"), get("[bad"), { host: "db.example", port: 5432, request: null }];
  const suggesting = createSuggesting();
  for (const one of asked) suggesting.take(one, false);
  for (let n = 0; n < 20; n++) suggesting.take(get("narrow.example", `/ours/${n}`), true);
  const text = suggestionText(suggesting.result(), "What it asked for.", false);
  const policy = compilePolicy([parsePolicy(text, { name: "suggested.toml" })]);
  const verdict = (action: Action) => evaluate(policy, action).verdict;
  const http = (host: string, path: string, method = "GET"): Action => ({
    kind: "http",
    scheme: "https",
    host,
    port: 443,
    method,
    path,
    body: false,
    upgrade: null,
  });
  assert.equal(verdict(http("a.example", "/any")), "allow");
  assert.equal(verdict(http("narrow.example", "/ours/3?x")), "allow");
  assert.equal(verdict({ kind: "connect", host: "db.example", port: 5432, protocol: "tcp" }), "allow");
  assert.equal(verdict(http("narrow.example", "/theirs")), "deny");
  assert.equal(verdict(http("narrow.example", "/ours/3", "DELETE")), "deny");
  assert.equal(verdict(http("other.example", "/")), "deny");
});

test("memory does not grow with the hosts and paths that an agent makes up", () => {
  const suggesting = createSuggesting();
  for (let n = 0; n < 3000; n++) suggesting.take(get(`h${n}.example`, `/${n}`), n % 2 === 0);
  for (let n = 0; n < 3000; n++) suggesting.take(get("h0.example", `/p${n}`), true);
  const { allow, rules, more } = suggesting.result();
  assert.equal(allow.length + rules.length, 1000);
  assert.equal(more, 1000);
  assert.equal(rules[0]?.path, null);
});
