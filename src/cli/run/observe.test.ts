import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "#core/action.ts";
import { compilePolicy } from "#policy/compile.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { PolicySource } from "../policy/source.ts";
import { observedText, openObserving } from "./observe.ts";

const parsed = (text: string, name: string) => parsePolicy(`# zero_trust.runtime.v1\n${text}`, { name });
const source = (text: string, ceiling: string | null = null): PolicySource => ({
  policy: compilePolicy([
    ...(ceiling === null ? [] : [parsed(ceiling, "/etc/sallyport/policy.toml")]),
    parsed(text, "mine.toml"),
  ]),
  sources: ["mine.toml"],
  files: [],
  notices: [],
  withGranted: () => compilePolicy([]),
});
const get = (host: string, path = "/"): Action => ({
  kind: "http",
  scheme: "https",
  host,
  port: 443,
  method: "GET",
  path,
  body: false,
  upgrade: null,
});

const refused: readonly (readonly [string, PolicySource, boolean])[] = [
  ["under a token", source(""), true],
  ["where a violation ends the run", source("[execution]\nterminate_on_policy_violation = true\n"), false],
  ["where the level is strict", source('[security_context]\nlevel = "strict"\n'), false],
  [
    "where the machine's ceiling says that one ends it",
    source("", "[execution]\nterminate_on_policy_violation = true\n"),
    false,
  ],
];
for (const [title, policy, underToken] of refused) {
  test(`nothing is observed ${title}`, () => {
    assert.throws(() => openObserving(policy, underToken), { code: "usage", place: "--observe" });
  });
}

test("what the ceiling denies is denied, and is no suggestion", () => {
  const observing = openObserving(source("", '[network]\nallow = ["**.example.com", "ours.example"]\n'), false);
  for (const host of ["api.example.com", "theirs.example"])
    observing.take(get(host), observing.observation.judge(get(host)));
  assert.equal(observing.observation.judge(get("theirs.example")).verdict, "deny");
  const { allow } = observing.result("s-1");
  assert.deepEqual(allow, ["api.example.com:443"]);
});

test("what is printed cannot be forged by the names that an agent asks for", () => {
  const observing = openObserving(source(""), false);
  const hostile = get("evil\u001b]0;owned\u0007.example");
  observing.take(hostile, { verdict: "deny", reason: "domain_not_allowed", rule: null, remedy: null, detail: null });
  const text = observedText(observing.result("s-1"), "s-1");
  assert.doesNotMatch(text.replaceAll("\n", ""), /\p{Cc}/u);
});
