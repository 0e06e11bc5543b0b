import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePolicy } from "#policy/compile.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { PolicySource } from "../policy/source.ts";
import { runProfile } from "./source.ts";

const nowhere = "/nonexistent";
const env = { HOME: nowhere, ANTHROPIC_API_KEY: "a", ANTHROPIC_MODEL: "b" };

function under(...texts: readonly string[]): PolicySource {
  const policy = compilePolicy(
    texts.map((text, at) => parsePolicy(`# zero_trust.runtime.v1\n${text}`, { name: `${at}.toml` })),
  );
  return { policy, sources: ["profile claude"], files: [], notices: [], withGranted: () => policy };
}

test("a ceiling that lists variables lets no other key of the caller's through, and the line says what is left", () => {
  const profile = runProfile("claude", { home: nowhere, env, allow: [] });
  const open = under("[network]\n");
  assert.ok(profile.env(open.policy).includes("ANTHROPIC_API_KEY"));
  assert.match(profile.line(open), /ANTHROPIC_API_KEY, ANTHROPIC_MODEL/);
  const ceiling = under('[execution]\nenv = ["ANTHROPIC_MODEL", "LANG"]\n', "[network]\n");
  const left = profile.env(ceiling.policy);
  assert.ok(!left.includes("ANTHROPIC_API_KEY"));
  assert.ok(left.includes("ANTHROPIC_MODEL"));
  assert.ok(left.includes("DISABLE_TELEMETRY=1"), "what it sets is no secret of the caller's");
  assert.match(profile.line(ceiling), /\(hosts, ANTHROPIC_MODEL, /);
});

test("an empty variable is none", () => {
  const profile = runProfile("claude", { home: nowhere, env: { ...env, ANTHROPIC_API_KEY: "" }, allow: [] });
  assert.doesNotMatch(profile.line(under("[network]\n")), /API_KEY/);
});
