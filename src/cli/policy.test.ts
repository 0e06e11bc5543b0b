import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const entry = join(import.meta.dirname, "../../bin/sallyport.ts");

function sallyport(args: readonly string[], input: string) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [entry, ...args], { input, encoding: "utf8" });
  return { status, stdout, stderr };
}

const policy = '# zero_trust.runtime.v1\n[network]\nallow = ["example.com"]\n';

test("policy check reads standard input, and is silent about nothing", () => {
  assert.deepEqual(sallyport(["policy", "check", "-"], policy), {
    status: 0,
    stdout: "(standard input): valid\n",
    stderr: "",
  });
});

test("policy check tells every problem with its place, and exits with 1", () => {
  const { status, stdout, stderr } = sallyport(
    ["policy", "check", "-"],
    '# zero_trust.runtime.v1\n[network]\nalow = []\nallow = ["*.com"]\n',
  );
  assert.equal(status, 1);
  assert.equal(stdout, "");
  assert.match(stderr, /\(standard input\):3:1: \[network\] has no key "alow".*\n {2}Did you mean "allow"\?\n/);
  assert.match(stderr, /\(standard input\):4:10: .*over-broad/);
});

test("policy check --json is one object of errors and warnings", () => {
  const bad = JSON.parse(sallyport(["policy", "check", "-", "--json"], "[netwrok]\n").stdout);
  assert.equal(bad.valid, false);
  assert.deepEqual(
    bad.errors.map((error: { code: string; place: string }) => [error.code, error.place]),
    [
      ["policy_invalid", "(standard input):1:1"],
      ["policy_invalid", "(standard input):1:2"],
    ],
  );
  const open = JSON.parse(
    sallyport(["policy", "check", "-", "--json"], '# zero_trust.runtime.v1\n[network]\ndefault = "allow"\n').stdout,
  );
  assert.deepEqual([open.valid, open.warnings[0].code], [true, "default_allow"]);
});

const explained: readonly (readonly [words: readonly string[], status: number, said: RegExp])[] = [
  [
    ["GET", "https://example.com/x?y"],
    0,
    /^allowed: GET https:\/\/example\.com\/x\?y by network\.allow\[0\] at \(standard input\):3:10\n/,
  ],
  [["GET", "https://Example.com."], 0, /^allowed: GET https:\/\/example\.com\/ /],
  [
    ["GET", "https://www.example.com/"],
    1,
    /^denied: .* \(domain_not_allowed\)\n {2}nearest .*\n {2}change {3}add "www\.example\.com" to \[network\] allow/,
  ],
  [["CONNECT", "example.com:443"], 0, /^allowed: CONNECT example\.com:443 \(tls\)/],
  [["CONNECT", "example.com:443", "tcp"], 1, /protocol_not_allowed/],
  [["CONNECT", "[::1]:22"], 1, /domain_not_allowed/],
  [["DNS", "example.com"], 0, /^allowed: DNS example\.com/],
];
for (const [words, status, said] of explained) {
  test(`policy explain: ${words.join(" ")}`, () => {
    const run = sallyport(["policy", "explain", "-", "--", ...words], policy);
    assert.equal(run.status, status, run.stderr);
    assert.match(run.stdout, said);
  });
}

for (const words of [
  ["GET", "example.com"],
  ["GET", "https://exa mple.com/"],
  ["CONNECT", "example.com"],
  ["CONNECT", "a.com:443", "udp"],
  ["DNS", "0x7f.1"],
  ["LOOK"],
]) {
  test(`policy explain cannot read the action ${words.join(" ")}, and says so`, () => {
    const run = sallyport(["policy", "explain", "-", "--json", "--", ...words], policy);
    assert.equal(run.status, 125);
    assert.equal(JSON.parse(run.stderr).error.code, "usage");
  });
}

test("policy explain --json is the explanation", () => {
  const { decision, policies } = JSON.parse(
    sallyport(["policy", "explain", "-", "--json", "--", "GET", "https://a.org/"], policy).stdout,
  );
  assert.equal(decision.reason, "domain_not_allowed");
  assert.equal(policies[0].change, 'add "a.org" to [network] allow in (standard input)');
});

test("a policy that cannot be read is said so", () => {
  const { status, stderr } = sallyport(["policy", "check", "/nonexistent/policy.toml", "--json"], "");
  assert.equal(status, 125);
  assert.equal(JSON.parse(stderr).error.code, "policy_unreadable");
});
