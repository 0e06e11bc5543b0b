// The presets that are shipped: each is a policy of rules alone, says what it is for, and opens no more than it says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Action } from "#core/action.ts";
import { checkPolicy } from "#policy/check.ts";
import { type CompiledPolicy, compilePolicy } from "#policy/compile.ts";
import { evaluate } from "#policy/evaluate.ts";
import { policyFromFlags } from "#policy/extend.ts";
import { parsePolicy } from "#policy/parse.ts";
import { shippedPresets } from "./presets.ts";

const all = shippedPresets.list();

test("the presets that the documents promise are there", () => {
  const promised =
    "npm pypi crates go maven debian ubuntu github gitlab rubygems docker openai anthropic gemini mistral openrouter";
  for (const name of promised.split(" "))
    assert.ok(
      all.some((one) => one.name === name),
      name,
    );
});

for (const preset of all) {
  const { name, version } = preset;
  test(`@${name}/${version} is a policy of rules alone, without operator's keys, that says what it is for`, () => {
    const text = shippedPresets.read(preset);
    assert.match(text, new RegExp(`^# zero_trust\\.runtime\\.v1\n# @${name}: .+\\.\n`));
    const policy = parsePolicy(text, { name: `${name}.toml` });
    const { version: schema, network, ...others } = policy.document;
    assert.equal(schema, "zero_trust.runtime.v1");
    assert.deepEqual(others, {});
    assert.deepEqual(Object.keys(network ?? {}), ["rule"]);
    const rules = network?.rule ?? [];
    assert.ok(rules.length > 0);
    for (const rule of rules) {
      assert.deepEqual(
        Object.keys(rule).filter((key) => !["id", "host", "port", "method", "path"].includes(key)),
        [],
      );
      assert.ok(rule.port !== undefined, "each rule names its ports");
      if (rules.length > 1) assert.ok(rule.id !== undefined, "one of several rules has an id");
    }
    assert.deepEqual(checkPolicy(policy), []);
  });
}

test("what a version of a preset opens never changes: a change is another version", () => {
  const now = Object.fromEntries(
    all.map((preset) => {
      const name = `@${preset.name}/${preset.version}`;
      return [name, compilePolicy([parsePolicy(shippedPresets.read(preset), { name, format: "toml" })]).digest];
    }),
  );
  const file = join(import.meta.dirname, "../../test/vectors/presets.json");
  assert.deepEqual(now, JSON.parse(readFileSync(file, "utf8")), JSON.stringify(now, null, 2));
});

const held = new Map<string, CompiledPolicy>();

function decided(allow: string, words: string): string {
  const compiled = held.get(allow) ?? compilePolicy([policyFromFlags(allow.split(" "), shippedPresets)]);
  held.set(allow, compiled);
  const [method = "", url = ""] = words.split(" ");
  const [, scheme, host = "", path = "/"] = /^(https?):\/\/([^/]+)(.*)$/.exec(url) ?? [];
  const http: Action = {
    kind: "http",
    scheme: scheme === "http" ? "http" : "https",
    host,
    port: scheme === "http" ? 80 : 443,
    method,
    path,
    body: method === "POST" || method === "PUT",
    upgrade: null,
  };
  const decision = evaluate(compiled, http);
  return decision.verdict === "allow" ? decision.rule : decision.reason;
}

for (const [allow, action, expected] of [
  ["@npm", "GET https://registry.npmjs.org/@types%2fnode", "@npm/1"],
  ["@npm", "PUT https://registry.npmjs.org/mine", "method_not_allowed"],
  ["@npm", "GET http://registry.npmjs.org/x", "port_not_allowed"],
  ["@pypi", "GET https://files.pythonhosted.org/packages/a.whl", "@pypi/1"],
  ["@pypi", "POST https://upload.pypi.org/legacy/", "domain_not_allowed"],
  ["@crates", "GET https://index.crates.io/se/rd/serde", "@crates/1"],
  ["@crates", "PUT https://crates.io/api/v1/crates/new", "method_not_allowed"],
  ["@go", "GET https://proxy.golang.org/golang.org/x/net/@v/list", "@go/1.modules"],
  ["@go", "GET https://storage.googleapis.com/proxy-golang-org-prod/a?X=1", "@go/1.storage"],
  ["@go", "GET https://storage.googleapis.com/somebodys-bucket/a", "path_not_allowed"],
  ["@debian", "GET http://deb.debian.org/debian/dists/stable/InRelease", "@debian/1"],
  ["@ubuntu", "GET http://de.archive.ubuntu.com/ubuntu/", "@ubuntu/1"],
  ["@github", "GET https://github.com/o/r.git/info/refs?service=git-upload-pack", "@github/1.read"],
  ["@github", "POST https://github.com/o/r.git/git-upload-pack", "@github/1.fetch"],
  ["@github", "POST https://github.com/o/r.git/git-receive-pack", "method_not_allowed"],
  ["@github", "POST https://api.github.com/graphql", "method_not_allowed"],
  ["@github @github-push", "POST https://github.com/o/r/git-receive-pack", "@github-push/1"],
  ["@github @github-push", "POST https://github.com/login", "method_not_allowed"],
  ["@github-api", "PATCH https://api.github.com/repos/o/r", "@github-api/1"],
  ["@gitlab", "POST https://gitlab.com/group/sub/r.git/git-upload-pack", "@gitlab/1.fetch"],
  ["@gitlab", "POST https://gitlab.com/group/sub/r.git/git-receive-pack", "method_not_allowed"],
  ["@gitlab @gitlab-push", "POST https://gitlab.com/o/r.git/git-receive-pack", "@gitlab-push/1"],
  ["@docker", "GET https://registry-1.docker.io/v2/library/alpine/manifests/latest", "@docker/1"],
  ["@docker", "PUT https://registry-1.docker.io/v2/library/alpine/manifests/latest", "method_not_allowed"],
  ["@openai", "POST https://api.openai.com/v1/responses", "@openai/1.ask"],
  ["@openai", "GET https://api.openai.com/v1/models", "@openai/1.look"],
  ["@openai", "POST https://api.openai.com/v1/files", "path_not_allowed"],
  ["@anthropic", "POST https://api.anthropic.com/v1/messages?beta=true", "@anthropic/1.ask"],
  ["@anthropic", "POST https://api.anthropic.com/v1/messages/batches", "path_not_allowed"],
  [
    "@gemini",
    "POST https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse",
    "@gemini/1.ask",
  ],
  ["@gemini", "POST https://generativelanguage.googleapis.com/upload/v1beta/files", "path_not_allowed"],
  ["@mistral", "POST https://api.mistral.ai/v1/chat/completions", "@mistral/1.ask"],
  ["@openrouter", "POST https://openrouter.ai/api/v1/chat/completions", "@openrouter/1.ask"],
  ["@openrouter", "POST https://openrouter.ai/api/v1/keys", "path_not_allowed"],
] as const) {
  test(`--allow ${allow}: ${action} is ${expected}`, () => assert.equal(decided(allow, action), expected));
}
