// Policy files as operators write them: what is printed here parses unchanged, means what it says, and is never half enforced.

import assert from "node:assert/strict";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("policy");
});
after(() => place?.close());

const sample = `# zero_trust.runtime.v1

[identity]
require_attestation = true
allowed_issuers = ["internal-ca.sallyport.example"]

[network]
default = "deny"
allow = [
  "api.internal.corp:443",
  "telemetry.sallyport.example:443"
]

[filesystem]
default = "deny"
allow_read = ["/data/agent/*"]
allow_write = []

[execution]
max_runtime_seconds = 300
terminate_on_policy_violation = true
audit_all_actions = true
`;

test("the sample policy parses unchanged, and check ends with 1 exactly where a run of this build could not enforce it", async () => {
  const ran = await place.run(["policy", "check", "--json", place.policy(sample)]);
  const { valid, enforced, errors, warnings } = JSON.parse(ran.stdout) as {
    valid: boolean;
    enforced: boolean;
    errors: unknown[];
    warnings: { code: string }[];
  };
  assert.deepEqual([valid, errors], [true, []]);
  assert.equal(ran.code, enforced ? 0 : 1);
  assert.equal(enforced, !warnings.some(({ code }) => code === "not_enforced_yet"));
});

test("the sample policy means what it says", async () => {
  const file = place.policy(sample);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["https://api.internal.corp/any", /allow/],
    ["https://telemetry.sallyport.example/", /allow/],
    ["https://api.internal.corp:8443/", /port_not_allowed/],
    ["http://api.internal.corp/", /port_not_allowed/],
    ["https://internal.corp/", /domain_not_allowed/],
  ];
  for (const [url, answer] of cases) {
    const ran = await place.run(["policy", "explain", file, "--", "GET", url]);
    assert.match(ran.stdout, answer, url);
  }
});

const operators = `# /etc/sallyport/policy.yaml
security_context:
  level: "strict"
  user: "nobody"

constraints:
  max_runtime: 300s
  max_output_bytes: 50MB
  network:
    allow_domains: ["api.openai.com", "internal-db.local"]
    default_policy: "deny"

violation_protocol:
  action: "kill_process_group"
  alert_webhook: "https://security-ops.example.com/alerts"
`;

test("the operators' YAML parses unchanged and means the same", async () => {
  const file = join(place.root, "policy.yaml");
  writeFileSync(file, operators);
  const checked = await place.run(["policy", "check", "--json", file]);
  assert.equal(JSON.parse(checked.stdout).valid, true, checked.stdout);
  const cases: readonly (readonly [string, RegExp])[] = [
    ["https://api.openai.com/v1/responses", /^allowed/],
    ["http://internal-db.local/", /^allowed/],
    ["https://api.openai.com.example.net/", /domain_not_allowed/],
  ];
  for (const [url, answer] of cases) {
    const ran = await place.run(["policy", "explain", file, "--", "GET", url]);
    assert.match(ran.stdout, answer, url);
  }
});

test("a section that cannot be enforced yet stops the run, naming line and key", async () => {
  const file = place.policy('# zero_trust.runtime.v1\n[content]\nscan = ["secrets"]\n');
  const ran = await place.run(["run", "--policy", file, "--", "touch", "ran"]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /:3:1: content\.scan .*\(not_enforced_yet\)/);
  assert.ok(!existsSync(join(place.workspace, "ran")));
});

test("an unknown key is an error with its line, column and the nearest known one", async () => {
  const file = place.policy('# zero_trust.runtime.v1\n[network]\nalow = ["example.com"]\n');
  const ran = await place.run(["policy", "check", file]);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /:3:1/);
  assert.match(ran.stderr, /\ballow\b/);
});

test("a policy without its version is refused", async () => {
  const file = place.policy('# some comment\n[network]\nallow = ["example.com"]\n');
  const ran = await place.run(["policy", "check", file]);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /zero_trust\.runtime\.v1/);
});

test("every failure is code, message, place and remedy with --json", async () => {
  const file = place.policy("# zero_trust.runtime.v1\n[network]\nalow = []\n");
  const checked = await place.run(["policy", "check", "--json", file]);
  const { errors } = JSON.parse(checked.stdout) as { errors: { [name: string]: unknown }[] };
  const refused = await place.run(["run", "--json", "--policy", file, "--", "true"]);
  const { error } = JSON.parse(refused.stderr) as { error: { [name: string]: unknown } };
  for (const failure of [errors[0], error]) {
    assert.deepEqual(Object.keys(failure ?? {}).sort(), ["code", "message", "place", "remedy"]);
    assert.equal(failure?.code, "policy_invalid");
    assert.equal(failure?.place, `${file}:3:1`);
  }
  assert.deepEqual([checked.code, refused.code], [1, 125]);
});
