import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stringify } from "yaml";
import { commentsOfYaml } from "./comments.ts";
import { compilePolicy } from "./compile.ts";
import { readPolicy } from "./parse.ts";
import { policyToml } from "./toml-text.ts";

function convert(text: string): string {
  const { written, problems } = readPolicy(text, { name: "p.yaml" });
  assert.ok(written !== null, JSON.stringify(problems));
  return policyToml(written.document, commentsOfYaml(text, written.places));
}

test("the operators' form becomes the same policy in TOML, comments at what they stand at", () => {
  const yaml = `# /etc/sallyport/policy.yaml
# Ours, since 2024.

security_context:
  level: "strict" # as agreed
  # Nobody in particular.
  user: "nobody"

# What it may take.
constraints:
  max_runtime: 300s
  max_output_bytes: 50MB   # more fills the disk
  network:
    allow_domains:
      # the model
      - "api.openai.com"
      - internal-db.local  # "#" here is no comment's end
    default_policy: "deny"

violation_protocol:
  action: "kill_process_group"
# the end
`;
  assert.equal(
    convert(yaml),
    `# zero_trust.runtime.v1
# /etc/sallyport/policy.yaml
# Ours, since 2024.

[network]
default = "deny"
allow = [
  # the model
  "api.openai.com",
  "internal-db.local", # "#" here is no comment's end
]

[execution]
level = "strict" # as agreed
# What it may take.
max_runtime_seconds = 300
max_output_bytes = "50MB" # more fills the disk
# Nobody in particular.
user = "nobody"

[violation]
action = "kill_process_group"

# the end
`,
  );
});

test("presets stay presets, and what looks like a comment in a text is none", () => {
  const toml = convert(
    'version: zero_trust.runtime.v1\nexecution:\n  env:\n    - "A=#b"\n    - |-\n      C=#d\nextendable: true\n',
  );
  assert.equal(toml, '# zero_trust.runtime.v1\n\nextendable = true\n\n[execution]\nenv = ["A=#b", "C=#d"]\n');
});

const label = fc.stringMatching(/^[a-z][a-z0-9]{0,8}$/);
const host = fc.tuple(label, label).map(([one, other]) => `${one}.${other}.example`);
const endpoint = fc.oneof(
  host,
  fc.tuple(host, fc.integer({ min: 1, max: 65535 })).map(([name, port]) => `${name}:${port}`),
  host.map((name) => `**.${name}`),
  fc.constantFrom("[fd00::5]:443", "10.0.0.5:5432"),
);
const oneOrMore = <T>(of: fc.Arbitrary<T>) => fc.oneof(of, fc.array(of, { minLength: 1, maxLength: 3 }));
const optional = { requiredKeys: [] as [] };
const rule = fc.record(
  {
    host: oneOrMore(host),
    port: oneOrMore(fc.integer({ min: 1, max: 65535 })),
    method: oneOrMore(fc.constantFrom("GET", "POST")),
    path: oneOrMore(fc.constantFrom("/a/*", "/b/**", "/%20c")),
    private: oneOrMore(fc.constantFrom("10.0.0.0/8", "fd00::/8")),
    body_on_get: fc.boolean(),
  },
  { requiredKeys: ["host"] },
);
const policy = fc.record(
  {
    extendable: fc.boolean(),
    network: fc.record(
      {
        default: fc.constantFrom("deny", "allow"),
        allow: fc.array(endpoint),
        deny: fc.array(endpoint),
        max_inspect_bytes: fc.oneof(fc.integer({ min: 1, max: 2 ** 40 }), fc.constantFrom("50MB", "4GiB", 1_048_576)),
        rule: fc.array(rule, { maxLength: 3 }),
      },
      optional,
    ),
    upstream: fc.record({ resolve: fc.dictionary(host, oneOrMore(fc.constant("10.1.2.3:443"))) }, optional),
    filesystem: fc.record({ allow_read: fc.array(fc.string({ unit: "grapheme", minLength: 1 })) }, optional),
    execution: fc.record(
      {
        max_runtime_seconds: fc.constantFrom(5, "5m", "300s"),
        max_requests: fc.integer({ min: 1, max: 2 ** 50 }),
        env: fc.array(fc.string({ unit: "binary" }).map((value) => `NAME=${value.replaceAll("\0", "")}`)),
      },
      optional,
    ),
    budget: fc.record({ max_spend_usd: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }) }, optional),
    label: fc.array(fc.record({ name: label, match: oneOrMore(label) }, { requiredKeys: ["name"] }), { maxLength: 2 }),
    violation: fc.record({ action: fc.constantFrom("deny", "kill_process_group") }, optional),
  },
  optional,
);

test("whatever the policy, its TOML is the same policy: the digest of what is compiled is equal", () => {
  fc.assert(
    fc.property(policy, fc.boolean(), (document, asJson) => {
      const whole = { version: "zero_trust.runtime.v1", ...document };
      const text = asJson ? JSON.stringify(whole) : stringify(whole);
      const { written } = readPolicy(text, { name: asJson ? "p.json" : "p.yaml" });
      if (written === null) return; // what no policy can say is not converted
      const toml = policyToml(written.document, commentsOfYaml(text, written.places));
      const again = readPolicy(toml, { name: "p.toml" });
      assert.deepEqual(again.problems, [], toml);
      assert.ok(again.policy !== null);
      assert.equal(compilePolicy([again.policy]).digest, compilePolicy([written]).digest, toml);
    }),
    { numRuns: 500 },
  );
});
