import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#core/failure.ts";
import { compilePolicy } from "./compile.ts";
import { parsePolicy, readPolicy } from "./parse.ts";

const head = "# zero_trust.runtime.v1\n";

const sampleToml = `# zero_trust.runtime.v1

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

const sampleYaml = `# /etc/sallyport/policy.yaml
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

test("the TOML form parses unchanged and means what it says", () => {
  assert.deepEqual(parsePolicy(sampleToml, { name: "policy.toml" }).document, {
    version: "zero_trust.runtime.v1",
    identity: { require_attestation: true, allowed_issuers: ["internal-ca.sallyport.example"] },
    network: { default: "deny", allow: ["api.internal.corp:443", "telemetry.sallyport.example:443"] },
    filesystem: { default: "deny", allow_read: ["/data/agent/*"], allow_write: [] },
    execution: { max_runtime_seconds: 300, terminate_on_policy_violation: true, audit_all_actions: true },
  });
});

test("the operators' YAML parses unchanged to the same schema", () => {
  assert.deepEqual(parsePolicy(sampleYaml, { name: "/etc/sallyport/policy.yaml" }).document, {
    version: "zero_trust.runtime.v1",
    execution: { level: "strict", user: "nobody", max_runtime_seconds: 300, max_output_bytes: 50_000_000 },
    network: { allow: ["api.openai.com", "internal-db.local"], default: "deny" },
    violation: { action: "kill_process_group", alert_webhook: "https://security-ops.example.com/alerts" },
  });
});

const everything = `# zero_trust.runtime.v1
version = "zero_trust.runtime.v1"
extendable = true
[identity]
require_attestation = false
allowed_issuers = []
[network]
default = "deny"
allow = ["Example.com", "*.example.com:8443", "[2001:DB8::1]:443", "10.0.0.5:5432"]
deny = ["**.evil.com", "**"]
dns_deny = "nxdomain"
max_inspect_bytes = "2MiB"
[[network.rule]]
id = "github-write"
host = ["api.github.com", "uploads.github.com"]
port = 443
method = "POST"
path = ["/repos/*/issues", "/%72eleases/**"]
protocol = "http"
tls = "terminate"
private = ["10.0.0.0/8", "fd00::/8"]
body_on_get = true
credential = "github"
budget = "daily"
ask = true
body = ["title != ''"]
[upstream]
resolve = { "api.internal.corp" = "10.1.2.3:443", "other.corp" = ["10.1.2.4", "[fd00::1]:8443", "fd00::2"] }
ca = "file.pem"
[filesystem]
default = "deny"
allow_read = ["/data"]
allow_write = ["/out"]
deny = ["/data/private"]
workspace = "copy"
[execution]
level = "standard"
max_runtime_seconds = "5m"
max_output_bytes = "50MiB"
max_output_lines = 10000
max_requests = 100
max_memory = "4GiB"
max_processes = 64
user = "nobody"
terminate_on_policy_violation = true
audit_all_actions = false
isolation = "process"
nested_sandbox = "allow"
env = ["PATH", "A=b=c"]
durability = "each"
[budget]
max_spend_usd = 1.5
max_requests = 10
[tools]
default = "deny"
allow = ["read"]
deny = ["write"]
[content]
scan = ["secrets"]
redact = ["email"]
block = ["keys"]
[approval]
approvers = ["ops@example.com"]
timeout_seconds = "10m"
[[label]]
name = "pii"
match = "email"
[[hook]]
id = "opa"
rego = "policy.rego"
url = "https://opa.example.com/v1"
timeout_seconds = 1
[violation]
action = "deny"
alert_webhook = "https://example.com/alert"
`;

test("the whole schema parses, and each value has one normal form", () => {
  const { document } = parsePolicy(everything, { name: "p.toml" });
  assert.deepEqual(document.network?.allow, [
    "example.com",
    "*.example.com:8443",
    "[2001:db8::1]:443",
    "10.0.0.5:5432",
  ]);
  assert.deepEqual(document.network?.max_inspect_bytes, 2 ** 21);
  assert.deepEqual(document.network?.rule?.[0]?.path, ["/repos/*/issues", "/releases/**"]);
  assert.deepEqual(document.network?.rule?.[0]?.method, ["POST"]);
  assert.deepEqual(document.upstream?.resolve, {
    "api.internal.corp": ["10.1.2.3:443"],
    "other.corp": ["10.1.2.4", "[fd00::1]:8443", "fd00::2"],
  });
  assert.equal(document.execution?.max_runtime_seconds, 300);
  assert.equal(document.execution?.max_output_bytes, 50 * 2 ** 20);
  assert.equal(document.execution?.max_memory, 4 * 2 ** 30);
});

for (const [name, text] of [
  ["everything", everything],
  ["the sample", sampleToml],
] as const) {
  test(`a parsed policy is JSON that parses again to the same policy and digest: ${name}`, () => {
    const once = parsePolicy(text, { name: "p.toml" });
    const json = compilePolicy([once]).canonical.slice(1, -1);
    const again = parsePolicy(json, { name: "log", format: "json" });
    assert.deepEqual(again.document, once.document);
    assert.equal(compilePolicy([again]).digest, compilePolicy([once]).digest);
    const yaml = parsePolicy(json, { name: "log", format: "yaml" });
    assert.deepEqual(yaml.document, once.document);
  });
}

test("YAML may use the schema's own names, with the version in a comment or a key", () => {
  const expected = { version: "zero_trust.runtime.v1", network: { allow: ["a.com"] } };
  assert.deepEqual(
    parsePolicy("# zero_trust.runtime.v1\nnetwork:\n  allow: [a.com]\n", { name: "p.yml" }).document,
    expected,
  );
  assert.deepEqual(
    parsePolicy("version: zero_trust.runtime.v1\nnetwork:\n  allow:\n    - a.com\n", { name: "p.yaml" }).document,
    expected,
  );
});

const problems: readonly (readonly [
  title: string,
  text: string,
  place: string,
  message: RegExp,
  remedy?: RegExp | undefined,
  name?: string,
])[] = [
  ["no version", "[network]\n", "1:1", /version is not there/, /# zero_trust\.runtime\.v1/],
  [
    "another version",
    "# zero_trust.runtime.v2\n",
    "1:1",
    /"zero_trust\.runtime\.v2" is not one/,
    /# zero_trust\.runtime\.v1/,
  ],
  ["the version on the second line", "\n# zero_trust.runtime.v1\n", "1:1", /version is not there/],
  ["an unknown version", 'version = "zero_trust.runtime.v2"\n', "1:11", /"zero_trust\.runtime\.v2" is unknown/, /v1/],
  ["a misspelt section", `${head}[netwrok]\n`, "2:2", /no key "netwrok"/, /Did you mean "network"/],
  ["a misspelt key", `${head}[network]\nalow = []\n`, "3:1", /\[network\] has no key "alow"/, /"allow"/],
  [
    "a misspelt key in an inline table",
    `${head}network = { default = "deny", alow = [] }\n`,
    "2:31",
    /no key "alow"/,
    /"allow"/,
  ],
  [
    "a misspelt dotted key",
    `${head}execution.max_runtime = 3\n`,
    "2:11",
    /no key "max_runtime"/,
    /"max_runtime_seconds"/,
  ],
  [
    "a misspelt key in the second rule",
    `${head}[[network.rule]]\nhost = "a.com"\n[[network.rule]]\nhost = "b.com"\nmethods = ["GET"]\n`,
    "6:1",
    /\[network\.rule\] has no key "methods"/,
    /"method"/,
  ],
  ["a key in the wrong case", `${head}[network]\nAllow = []\n`, "3:1", /no key "Allow"/, /"allow"/],
  ["a hyphen for an underscore", `${head}[execution]\nmax-memory = 1\n`, "3:1", /"max-memory"/, /"max_memory"/],
  ["a key that is near nothing", `${head}[tools]\nzzz = 1\n`, "3:1", /no key "zzz"/, /default, allow, deny/],
  ["a prototype's key", `${head}__proto__ = 1\n`, "2:1", /no key "__proto__"/],
  ["a constructor", `${head}[network]\nconstructor = 1\n`, "3:1", /no key "constructor"/],
  [
    "a wrong type",
    `${head}[network]\nallow = "a.com"\n`,
    "3:9",
    /network\.allow is a list, not "a\.com"/,
    /allow = \[/,
  ],
  [
    "a wrong type in a list over lines",
    `${head}[network]\nallow = [\n  "a.com",\n  7,\n]\n`,
    "5:3",
    /network\.allow\[1\] is a text, not 7/,
  ],
  [
    "a table where a list of tables belongs",
    `${head}[network.rule]\nhost = "a.com"\n`,
    "2:10",
    /network\.rule is a list, not a table/,
    /\[\[network\.rule\]\]/,
  ],
  ["a section that is no table", `${head}network = 1\n`, "2:11", /network is a table, not 1/],
  ["a wrong choice", `${head}[network]\ndefault = "denny"\n`, "3:11", /one of "deny", "allow", not "denny"/, /"deny"/],
  ["a text for a boolean", `${head}[execution]\naudit_all_actions = "true"\n`, "3:21", /true or false, not "true"/],
  ["a date", `${head}[execution]\nmax_requests = 2026-11-21\n`, "3:16", /a whole number from 1/],
  ["zero", `${head}[execution]\nmax_requests = 0\n`, "3:16", /a whole number from 1, not 0/],
  ["a fraction", `${head}[execution]\nmax_processes = 1.5\n`, "3:17", /not 1\.5/],
  ["a size without meaning", `${head}[execution]\nmax_output_bytes = "50 megs"\n`, "3:20", /a size \(bytes/],
  ["a negative size", `${head}[execution]\nmax_memory = -1\n`, "3:14", /a size/],
  ["a size that is no whole number of bytes", `${head}[execution]\nmax_memory = "0.3B"\n`, "3:14", /a size/],
  ["a duration without meaning", `${head}[execution]\nmax_runtime_seconds = "5 min"\n`, "3:23", /a duration/],
  ["a port of 65536", `${head}[[network.rule]]\nhost = "a.com"\nport = 65536\n`, "4:8", /1 to 65535, not 65536/],
  ["a rule without a host", `${head}[[network.rule]]\nid = "a"\n`, "2:3", /network\.rule\[0\] has no "host"/],
  ["a rule with no hosts", `${head}[[network.rule]]\nhost = []\n`, "3:8", /an empty list/],
  ["a URL", `${head}[network]\nallow = ["https://Example.com:443/x"]\n`, "3:10", /is a URL/, /"example\.com"/],
  ["a path", `${head}[network]\nallow = ["example.com/x"]\n`, "3:10", /no host/, /"example\.com"/],
  ["white space", `${head}[network]\nallow = [" example.com"]\n`, "3:10", /no host/, /"example\.com"/],
  ["a NUL", `${head}[network]\nallow = ["example.com\\u0000.evil.com"]\n`, "3:10", /no host/],
  [
    "an internationalised name",
    `${head}[network]\nallow = ["münchen.de"]\n`,
    "3:10",
    /no host/,
    /"xn--mnchen-3ya\.de"/,
  ],
  [
    "a leading dot",
    `${head}[network]\nallow = [".example.com"]\n`,
    "3:10",
    /no host/,
    /"\*\.example\.com".*"\*\*\.example\.com"/,
  ],
  ["a wildcard inside", `${head}[network]\nallow = ["api.*.example.com"]\n`, "3:10", /no pattern/, /at the left/],
  ["a wildcard within a label", `${head}[network]\nallow = ["api*.example.com"]\n`, "3:10", /no pattern/],
  ["everything", `${head}[network]\nallow = ["*"]\n`, "3:10", /depth/, /"\*\*"/],
  ["every name", `${head}[network]\nallow = ["**"]\n`, "3:10", /over-broad/, /unsafe_/],
  ["every .com", `${head}[network]\nallow = ["*.com"]\n`, "3:10", /over-broad/, /unsafe_/],
  ["every .corp at any depth", `${head}[network]\nallow = ["**.corp:443"]\n`, "3:10", /over-broad/, /unsafe_/],
  ["an over-broad rule", `${head}[[network.rule]]\nid = "all"\nhost = "**.com"\n`, "4:1", /over-broad/, /unsafe_/],
  ["a preset", `${head}[network]\nallow = ["@npm"]\n`, "3:10", /there is no preset "@npm"/],
  ["a bad port", `${head}[network]\nallow = ["a.com:0443"]\n`, "3:10", /"0443" is no port/],
  [
    "an IPv6 address without brackets",
    `${head}[network]\nallow = ["2001:db8::1"]\n`,
    "3:10",
    /no host or host:port/,
    /\[2001:db8::1\]/,
  ],
  ["an address that only inet_aton reads", `${head}[network]\nallow = ["0x7f.1"]\n`, "3:10", /no host/],
  ["a decimal address", `${head}[network]\nallow = ["2130706433"]\n`, "3:10", /no host/],
  ["a wildcard before an address", `${head}[network]\nallow = ["*.0.0.1"]\n`, "3:10", /no host/],
  [
    "a port in a rule's host",
    `${head}[[network.rule]]\nhost = "a.com:443"\n`,
    "3:8",
    /has a port/,
    /host = "a\.com" and port = 443/,
  ],
  [
    "a lower-case method",
    `${head}[[network.rule]]\nhost = "a.com"\nmethod = "get"\n`,
    "4:10",
    /methods differ by case/,
    /"GET"/,
  ],
  ["CONNECT as a method", `${head}[[network.rule]]\nhost = "a.com"\nmethod = "CONNECT"\n`, "4:10", /CONNECT/],
  ["a path without a slash", `${head}[[network.rule]]\nhost = "a.com"\npath = "x"\n`, "4:8", /slash/, /"\/x"/],
  ["a path with a query", `${head}[[network.rule]]\nhost = "a.com"\npath = "/x?y"\n`, "4:8", /query/, /"\/x"/],
  ["a path that is ambiguous", `${head}[[network.rule]]\nhost = "a.com"\npath = "/x/../y"\n`, "4:8", /two ways/],
  ["a wildcard within a segment", `${head}[[network.rule]]\nhost = "a.com"\npath = "/x*"\n`, "4:8", /no pattern/],
  ["a double wildcard inside a path", `${head}[[network.rule]]\nhost = "a.com"\npath = "/**/x"\n`, "4:8", /inside/],
  [
    "a range with bits after its prefix",
    `${head}[[network.rule]]\nhost = "a.com"\nprivate = "10.0.0.1/8"\n`,
    "4:11",
    /no range/,
  ],
  [
    "pass with a method",
    `${head}[[network.rule]]\nhost = "a.com"\nmethod = "GET"\ntls = "pass"\n`,
    "5:1",
    /shows no method/,
  ],
  [
    "a tunnel with a path",
    `${head}[[network.rule]]\nhost = "a.com"\npath = "/x"\nprotocol = "tcp"\n`,
    "5:1",
    /shows no path/,
  ],
  [
    "pass with http",
    `${head}[[network.rule]]\nhost = "a.com"\nprotocol = "http"\ntls = "pass"\n`,
    "5:1",
    /shows no HTTP/,
  ],
  [
    "an id twice",
    `${head}[[network.rule]]\nid = "a"\nhost = "a.com"\n[[network.rule]]\nid = "a"\nhost = "b.com"\n`,
    "6:1",
    /id "a" is taken/,
  ],
  [
    "a pinned name that leads to a name",
    `${head}[upstream]\nresolve = { "a.corp" = "b.corp:443" }\n`,
    "3:24",
    /no address/,
  ],
  ["a pinned pattern", `${head}[upstream.resolve]\n"*.a.corp" = "10.0.0.1"\n`, "3:1", /is a pattern/],
  [
    "a name pinned twice",
    `${head}[upstream.resolve]\n"a.corp" = "10.0.0.1"\n"A.corp." = "10.0.0.2"\n`,
    "4:1",
    /names a\.corp twice/,
  ],
  ["a variable's name", `${head}[execution]\nenv = ["A B=c"]\n`, "3:8", /no name of an environment variable/],
  ["a webhook in the clear", `${head}[violation]\nalert_webhook = "http://a.com"\n`, "3:17", /no https URL/],
  ["no TOML", `${head}[network\n`, "2:9", /no TOML/],
  ["a TOML key twice", `${head}a = 1\na = 2\n`, "3:1", /no TOML/],
  [
    "a misspelt YAML key",
    "# zero_trust.runtime.v1\nnetwork:\n  alow: []\n",
    "3:3",
    /no key "alow"/,
    /"allow"/,
    "p.yaml",
  ],
  [
    "a wrong YAML value",
    "# zero_trust.runtime.v1\nnetwork:\n  allow:\n    - a.com\n    - 7\n",
    "5:7",
    /network\.allow\[1\] is a text, not 7/,
    undefined,
    "p.yaml",
  ],
  [
    "a misspelt operators' key",
    "constraints:\n  max_runtme: 3\n",
    "2:3",
    /\[constraints\] has no key "max_runtme"/,
    /"max_runtime"/,
    "p.yaml",
  ],
  [
    "a misspelt operators' key below",
    "constraints:\n  network:\n    allow_domain: []\n",
    "3:5",
    /\[constraints\.network\] has no key "allow_domain"/,
    /"allow_domains"/,
    "p.yaml",
  ],
  [
    "an operators' section that is no table",
    "constraints: 3\n",
    "1:1",
    /constraints is a table, not 3/,
    undefined,
    "p.yaml",
  ],
  [
    "the same thing said in both forms",
    "# zero_trust.runtime.v1\nexecution:\n  user: a\nsecurity_context:\n  user: b\n",
    "5:3",
    /says execution\.user a second time/,
    undefined,
    "p.yaml",
  ],
  [
    "a YAML alias",
    "# zero_trust.runtime.v1\nnetwork:\n  allow: &a [a.com]\n  deny: *a\n",
    "3:13",
    /anchors/,
    undefined,
    "p.yaml",
  ],
  ["a YAML tag", "# zero_trust.runtime.v1\nnetwork:\n  allow: !!set {a.com}\n", "3:16", /tags/, undefined, "p.yaml"],
  ["a YAML key twice", "# zero_trust.runtime.v1\nnetwork: {}\nnetwork: {}\n", "3:1", /no YAML/, undefined, "p.yaml"],
  [
    "two YAML documents",
    "# zero_trust.runtime.v1\n---\nnetwork: {}\n---\nnetwork: {}\n",
    "4:1",
    /more than one/,
    undefined,
    "p.yaml",
  ],
  ["YAML that is a list", "- 1\n", "1:1", /table of sections/, undefined, "p.yaml"],
  ["no YAML", "a: [\n", "2:1", /no YAML/, undefined, "p.yaml"],
  ["no JSON", '{"version": "zero_trust.runtime.v1",}', "1:37", /no JSON/, undefined, "p.json"],
  [
    "JSON with a key twice",
    '{"version": "zero_trust.runtime.v1", "network": {},\n "network": {}}',
    "2:2",
    /no YAML|unique/,
    undefined,
    "p.json",
  ],
  ["JSON without a version", '{"network": {}}', "1:1", /version/, /"version"/, "p.json"],
];

for (const [title, text, place, message, remedy, name = "p.toml"] of problems) {
  test(`refused with its place: ${title}`, () => {
    assert.throws(
      () => parsePolicy(text, { name }),
      (error) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.code, "policy_invalid");
        assert.match(error.message, message);
        assert.equal(error.place, `${name}:${place}`, error.message);
        if (remedy !== undefined) assert.match(error.remedy ?? "", remedy);
        return true;
      },
    );
  });
}

test("everything that is wrong is told in one go, in the order of the text", () => {
  const { policy, problems: found } = readPolicy(
    '[network]\nalow = []\nallow = ["a b", "*.com"]\n[[network.rule]]\nhots = 1\n[execution]\nuser = "No Body"\n',
    { name: "p.toml" },
  );
  assert.equal(policy, null);
  assert.deepEqual(
    found.map(({ at }) => `${at.line}:${at.column}`),
    ["1:1", "2:1", "3:10", "3:17", "4:3", "5:1", "7:8"],
  );
});

test("over-broad patterns pass where the rule's id confesses them, and anywhere in deny", () => {
  const text = `${head}[network]\ndeny = ["**", "*.com"]\n[[network.rule]]\nid = "unsafe_everything"\nhost = ["**", "**.com"]\n`;
  assert.deepEqual(parsePolicy(text, { name: "p.toml" }).document.network?.rule?.[0]?.host, ["**", "**.com"]);
});

test("a text that is too long is refused unread", () => {
  assert.throws(() => parsePolicy(head + "#".repeat(17 * 2 ** 20), { name: "p.toml" }), /16 MiB/);
});
