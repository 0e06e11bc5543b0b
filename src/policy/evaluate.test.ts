import assert from "node:assert/strict";
import { test } from "node:test";
import type { Action } from "#core/action.ts";
import type { Allow, Decision } from "#core/decision.ts";
import { type CompiledPolicy, compilePolicy } from "./compile.ts";
import { evaluate, reachable } from "./evaluate.ts";
import { extendPolicy, policyFromFlags } from "./extend.ts";
import { parsePolicy } from "./parse.ts";

function policy(...texts: string[]): CompiledPolicy {
  return compilePolicy(
    texts.map((text, index) => parsePolicy(`# zero_trust.runtime.v1\n${text}`, { name: `p${index}.toml` })),
  );
}

/** `GET https://host/path`, `GET+ …` with a body, `tls host:port`, `http host:port`, `tcp host:port`, `dns host`. */
function action(text: string): Action {
  const [verb = "", target = "", upgrade] = text.split(" ");
  if (verb === "dns") return { kind: "dns", host: target, type: "A" };
  const url = /^(https?):\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?(.*)$/.exec(target);
  if (url === null) {
    const colon = target.lastIndexOf(":");
    return {
      kind: "connect",
      host: target.slice(0, colon).replace(/^\[|\]$/g, ""),
      port: Number(target.slice(colon + 1)),
      protocol: verb as "tls",
    };
  }
  const [, scheme = "", host = "", port, path = ""] = url;
  return {
    kind: "http",
    scheme: scheme as "http" | "https",
    host: host.replace(/^\[|\]$/g, ""),
    port: Number(port ?? (scheme === "https" ? 443 : 80)),
    method: verb.replace("+", ""),
    path: path === "" ? "/" : path,
    body: verb.endsWith("+"),
    upgrade: upgrade ?? null,
  };
}

function told(decision: Decision): string {
  return decision.verdict === "allow" ? decision.rule : decision.reason;
}

const hosts = policy(`
[network]
allow = ["github.com", "*.one.com", "**.deep.com", "db.example.com:5432", "a.deep.com:8443", "10.0.0.5:5432", "93.184.216.34", "[2001:4860::1]:443"]
deny = ["bad.one.com", "**.closed.deep.com", "a.deep.com:80"]
`);
const requests = policy(`
[[network.rule]]
id = "read"
host = "api.com"
method = ["GET", "HEAD"]
[[network.rule]]
id = "issues"
host = "api.com"
path = ["/repos/*/issues", "/v1/**"]
method = "POST"
[[network.rule]]
id = "search"
host = "api.com"
path = "/search"
method = "GET"
body_on_get = true
[[network.rule]]
id = "paths"
host = "paths.com"
path = ["/a", "/b/*", "/b/c", "/d/**", "/e/%41"]
`);
const protocols = policy(`
[[network.rule]]
id = "any"
host = "any.com"
port = [80, 443, 8080, 8443, 22]
[[network.rule]]
id = "http"
host = "http.com"
port = [80, 443, 5000]
protocol = "http"
[[network.rule]]
id = "tls"
host = "tls.com"
port = [80, 443, 5000]
protocol = "tls"
[[network.rule]]
id = "tcp"
host = "tcp.com"
port = [80, 443, 5000]
protocol = "tcp"
[[network.rule]]
id = "pass"
host = "pass.com"
port = [443, 5000]
tls = "pass"
[[network.rule]]
id = "path"
host = "path.com"
port = 5000
path = "/x"
`);
const open = policy(`
[network]
default = "allow"
deny = ["evil.com", "**.evil.com", "half.com:443"]
[[network.rule]]
id = "inside"
host = "in.corp.com"
private = "10.0.0.0/8"
`);

const tables: readonly (readonly [
  title: string,
  policy: CompiledPolicy,
  cases: readonly (readonly [action: string, told: string])[],
])[] = [
  [
    "hosts and ports",
    hosts,
    [
      ["GET https://github.com/x", "network.allow[0]"],
      ["GET http://github.com/x", "network.allow[0]"],
      ["GET https://github.com:8443/", "port_not_allowed"],
      ["tcp github.com:22", "port_not_allowed"],
      ["GET https://notgithub.com/", "domain_not_allowed"],
      ["GET https://github.com.evil.com/", "domain_not_allowed"],
      ["GET https://api.github.com/", "domain_not_allowed"],
      ["GET https://com/", "domain_not_allowed"],
      ["GET https://x.one.com/", "network.allow[1]"],
      ["GET https://one.com/", "domain_not_allowed"],
      ["GET https://x.y.one.com/", "domain_not_allowed"],
      ["GET https://xone.com/", "domain_not_allowed"],
      ["GET https://bad.one.com/", "domain_not_allowed"],
      ["GET https://x.deep.com/", "network.allow[2]"],
      ["GET https://x.y.z.deep.com/", "network.allow[2]"],
      ["GET https://deep.com/", "domain_not_allowed"],
      ["GET https://closed.deep.com/", "network.allow[2]"],
      ["GET https://x.closed.deep.com/", "domain_not_allowed"],
      ["GET https://a.deep.com:8443/", "network.allow[4]"],
      ["GET https://a.deep.com/", "network.allow[2]"],
      ["GET http://a.deep.com/", "port_not_allowed"],
      ["dns a.deep.com", "network.allow[4]"],
      ["dns github.com", "network.allow[0]"],
      ["dns x.one.com", "network.allow[1]"],
      ["dns bad.one.com", "domain_not_allowed"],
      ["dns other.com", "domain_not_allowed"],
      ["dns db.example.com", "network.allow[3]"],
      ["tcp db.example.com:5432", "network.allow[3]"],
      ["tls db.example.com:5432", "network.allow[3]"],
      ["tcp db.example.com:443", "port_not_allowed"],
      ["tcp 10.0.0.5:5432", "network.allow[5]"],
      ["tcp 10.0.0.6:5432", "domain_not_allowed"],
      ["GET https://93.184.216.34/", "network.allow[6]"],
      ["GET https://[2001:4860::1]/", "network.allow[7]"],
    ],
  ],
  [
    "methods and paths",
    requests,
    [
      ["GET https://api.com/anything?x=../", "read"],
      ["GET https://api.com/a/../b", "read"],
      ["POST https://api.com/repos/x/issues", "issues"],
      ["POST https://api.com/repos/x/issues?title=/..;//%00", "issues"],
      ["POST https://api.com/repos/x/%69ssues", "issues"],
      ["POST https://api.com/v1/a/b", "issues"],
      ["POST https://api.com/v1/", "issues"],
      ["POST https://api.com/v1", "method_not_allowed"],
      ["POST https://api.com/repos//issues", "malformed_request"],
      ["POST https://api.com/repos/x/issues/", "method_not_allowed"],
      ["POST https://api.com/repos/x/Issues", "method_not_allowed"],
      ["POST https://api.com/v1/%2e%2e/x", "malformed_request"],
      ["POST https://api.com/v1/..%2fx", "malformed_request"],
      ["POST https://api.com/v1/%252e", "malformed_request"],
      ["POST https://api.com/v1/a;b", "malformed_request"],
      ["POST https://api.com/v1/a\\b", "malformed_request"],
      ["POST https://api.com/v1/a#/b", "malformed_request"],
      ["DELETE https://api.com/x", "method_not_allowed"],
      ["get https://api.com/x", "method_not_allowed"],
      ["GET+ https://api.com/x", "malformed_request"],
      ["HEAD+ https://api.com/x", "malformed_request"],
      ["GET+ https://api.com/search", "search"],
      ["GET https://api.com/search", "search"],
      ["POST+ https://api.com/v1/a", "issues"],
      ["GET https://paths.com/a", "paths"],
      ["OPTIONS https://paths.com/a", "paths"],
      ["GET https://paths.com/b/x", "paths"],
      ["GET https://paths.com/b/", "path_not_allowed"],
      ["GET https://paths.com/b/x/y", "path_not_allowed"],
      ["GET https://paths.com/d/x/y", "paths"],
      ["GET https://paths.com/d", "path_not_allowed"],
      ["GET https://paths.com/e/A", "paths"],
      ["GET https://paths.com/", "path_not_allowed"],
      ["tls paths.com:443", "paths"],
      ["tcp paths.com:443", "protocol_not_allowed"],
    ],
  ],
  [
    "protocols",
    protocols,
    [
      ["GET https://any.com/", "any"],
      ["GET http://any.com/", "any"],
      ["tls any.com:443", "any"],
      ["tcp any.com:443", "protocol_not_allowed"],
      ["http any.com:443", "protocol_not_allowed"],
      ["GET http://any.com:443/", "protocol_not_allowed"],
      ["GET http://any.com:8443/", "protocol_not_allowed"],
      ["tcp any.com:80", "protocol_not_allowed"],
      ["tls any.com:80", "any"],
      ["GET https://any.com:8080/", "any"],
      ["tcp any.com:22", "any"],
      ["GET http://any.com:22/", "any"],
      ["GET https://any.com:22/", "any"],
      ["GET https://any.com/ websocket", "any"],
      ["GET https://any.com/ h2c", "protocol_not_allowed"],
      ["GET http://any.com:22/ tcp", "any"],
      ["GET http://http.com:5000/", "http"],
      ["GET https://http.com:5000/", "http"],
      ["tcp http.com:5000", "protocol_not_allowed"],
      ["GET http://http.com:443/", "protocol_not_allowed"],
      ["GET https://tls.com:5000/", "tls"],
      ["GET http://tls.com:5000/", "protocol_not_allowed"],
      ["GET http://tls.com/", "protocol_not_allowed"],
      ["tls tls.com:80", "tls"],
      ["tcp tls.com:5000", "protocol_not_allowed"],
      ["tcp tcp.com:443", "tcp"],
      ["tls tcp.com:443", "tcp"],
      ["http tcp.com:80", "tcp"],
      ["GET http://tcp.com/", "tcp"],
      ["tls pass.com:443", "pass"],
      ["tcp pass.com:443", "protocol_not_allowed"],
      ["tcp pass.com:5000", "protocol_not_allowed"],
      ["GET https://path.com:5000/x", "path"],
      ["GET http://path.com:5000/x", "path"],
      ["tcp path.com:5000", "protocol_not_allowed"],
      ["GET https://path.com:5000/x websocket", "path"],
    ],
  ],
  [
    "default = allow opens what is public, and nothing that is denied",
    open,
    [
      ["GET https://anything.org/x", "network.default"],
      ["tcp anything.org:22", "network.default"],
      ["tcp anything.org:443", "protocol_not_allowed"],
      ["dns anything.org", "network.default"],
      ["GET https://evil.com/", "domain_not_allowed"],
      ["dns x.evil.com", "domain_not_allowed"],
      ["GET https://half.com/", "port_not_allowed"],
      ["GET http://half.com/", "network.default"],
      ["dns half.com", "network.default"],
      ["GET https://93.184.216.34/", "network.default"],
      ["GET https://10.0.0.1/", "private_address"],
      ["GET http://169.254.169.254/latest/meta-data", "private_address"],
      ["tcp 127.0.0.1:22", "private_address"],
      ["tcp [::1]:22", "private_address"],
      ["tcp [64:ff9b::a9fe:a9fe]:22", "private_address"],
      ["GET https://in.corp.com/", "inside"],
    ],
  ],
  [
    "an empty allow list",
    policy("[network]\nallow = []"),
    [
      ["GET https://a.com/", "domain_not_allowed"],
      ["dns a.com", "domain_not_allowed"],
      ["tcp 1.1.1.1:53", "domain_not_allowed"],
    ],
  ],
  ["no network section", policy(""), [["GET https://a.com/", "domain_not_allowed"]]],
  [
    "no policy at all",
    compilePolicy([]),
    [
      ["GET https://a.com/", "domain_not_allowed"],
      ["dns a.com", "domain_not_allowed"],
    ],
  ],
  [
    "deny against allow, whatever comes first",
    policy('[network]\nallow = ["a.com", "b.com"]\ndeny = ["a.com", "**"]\n[[network.rule]]\nhost = "a.com"\n'),
    [
      ["GET https://a.com/", "domain_not_allowed"],
      ["GET https://b.com/", "domain_not_allowed"],
    ],
  ],
  [
    "two policies that hold together",
    policy(
      '[network]\nallow = ["**.corp.com", "a.com"]\ndeny = ["x.corp.com"]',
      '[network]\nallow = ["a.corp.com", "x.corp.com", "b.com"]',
    ),
    [
      ["GET https://a.corp.com/", "network.allow[0]"],
      ["GET https://x.corp.com/", "domain_not_allowed"],
      ["GET https://a.com/", "domain_not_allowed"],
      ["GET https://b.com/", "domain_not_allowed"],
      ["dns a.corp.com", "network.allow[0]"],
    ],
  ],
  [
    "unsafe rules match every name and no address",
    policy('[[network.rule]]\nid = "unsafe_all"\nhost = "**"\nport = 443'),
    [
      ["GET https://a/", "unsafe_all"],
      ["GET https://a.b.c/", "unsafe_all"],
      ["GET https://1.1.1.1/", "domain_not_allowed"],
      ["GET http://a.com/", "port_not_allowed"],
    ],
  ],
];
for (const [title, compiled, cases] of tables) {
  for (const [text, expected] of cases)
    test(`${title}: ${text} is ${expected}`, () => assert.equal(told(evaluate(compiled, action(text))), expected));
}

test("an allowed action gives the very same decision every time", () => {
  for (const text of ["GET https://github.com/x", "dns github.com"])
    assert.equal(evaluate(hosts, action(text)), evaluate(hosts, action(text)));
  const two = policy('[network]\nallow = ["a.com"]', '[network]\nallow = ["a.com"]');
  assert.equal(evaluate(two, action("GET https://a.com/x")), evaluate(two, action("GET https://a.com/y")));
});

test("a denial says what would allow it, to whoever may say so", () => {
  const flags = compilePolicy([policyFromFlags([])]);
  const remedy = (compiled: CompiledPolicy, text: string) =>
    (evaluate(compiled, action(text)) as { remedy: string | null }).remedy;
  assert.equal(remedy(flags, "GET https://example.com/x"), "--allow example.com");
  assert.equal(remedy(flags, "GET http://example.com/x"), "--allow example.com");
  assert.equal(remedy(flags, "dns example.com"), "--allow example.com");
  assert.equal(remedy(flags, "GET https://example.com:8443/x"), "--allow example.com:8443");
  assert.equal(remedy(flags, "tcp [2001:4860::1]:443"), "--allow [2001:4860::1]");
  assert.equal(remedy(flags, "tcp [2001:4860::1]:22"), "--allow [2001:4860::1]:22");
  assert.equal(remedy(policy("extendable = true"), "dns a.com"), "--allow a.com");
  assert.equal(remedy(policy(""), "dns a.com"), 'Add "a.com" to [network] allow in p0.toml');
  assert.equal(remedy(hosts, "GET https://bad.one.com/"), null);
  // A bare name would open the port that the rule narrows, for every method and path.
  const narrow = policy('[[network.rule]]\nhost = "a.com"\nport = 80\nmethod = "GET"\n');
  assert.equal(remedy(narrow, "GET https://a.com/"), 'Add "a.com:443" to [network] allow in p0.toml');
});

function allow(compiled: CompiledPolicy, text: string): Allow {
  const decision = evaluate(compiled, action(text));
  assert.equal(decision.verdict, "allow", text);
  return decision as Allow;
}

test("what an allow obliges to is what the rule says", () => {
  assert.deepEqual(allow(protocols, "tls pass.com:443").obligations, {
    tls: "pass",
    protocol: "any",
    private: [],
    bodyOnGet: false,
  });
  assert.deepEqual(allow(protocols, "tcp tcp.com:443").obligations, {
    tls: "pass",
    protocol: "tcp",
    private: [],
    bodyOnGet: false,
  });
  assert.deepEqual(allow(requests, "GET https://api.com/search").obligations, {
    tls: "terminate",
    protocol: "any",
    private: [],
    bodyOnGet: true,
  });
});

const ranges = policy(`
[network]
allow = ["a.com", "10.0.0.5:80", "169.254.169.254:80"]
[[network.rule]]
id = "wide"
host = "wide.com"
private = ["10.0.0.0/8", "169.254.0.0/16", "fd00::/8", "0.0.0.0/8", "224.0.0.0/4"]
[[network.rule]]
id = "shared"
host = "a.com"
path = "/x"
private = "10.1.0.0/16"
[[network.rule]]
id = "metadata"
host = "meta.com"
private = ["169.254.169.254/32", "fd00:ec2::254"]
[[network.rule]]
id = "literal"
host = "169.254.169.253"
private = "169.254.169.253"
`);

const reach: readonly (readonly [
  title: string,
  action: string,
  addresses: readonly string[],
  open: readonly string[],
])[] = [
  [
    "public addresses of both families",
    "GET https://a.com/",
    ["93.184.216.34", "2606:4700::1"],
    ["93.184.216.34", "2606:4700::1"],
  ],
  [
    "a name opens no private space",
    "GET https://a.com/",
    ["127.0.0.1", "10.9.0.1", "192.168.0.1", "::1", "fe80::1", "fd00::1", "0.0.0.0", "::", "169.254.169.254"],
    [],
  ],
  [
    "of several answers, only the one that is not private",
    "GET https://a.com/",
    ["10.9.0.1", "93.184.216.34"],
    ["93.184.216.34"],
  ],
  [
    "mapped and translated addresses are what they stand for",
    "GET https://a.com/",
    ["::ffff:10.9.0.1", "64:ff9b::7f00:1", "2002:7f00:1::1"],
    [],
  ],
  [
    "a rule's ranges, shared by all rules of that host and port",
    "GET https://a.com/",
    ["10.1.2.3", "10.2.2.3"],
    ["10.1.2.3"],
  ],
  [
    "wide ranges open what is private",
    "GET https://wide.com/",
    ["10.1.2.3", "fd00::1", "::ffff:10.1.2.3", "169.254.1.1", "192.168.0.1"],
    ["10.1.2.3", "fd00::1", "::ffff:10.1.2.3", "169.254.1.1"],
  ],
  [
    "wide ranges open no metadata, unspecified or multicast address",
    "GET https://wide.com/",
    ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fd00:ec2::254"],
    [],
  ],
  [
    "a range of exactly one address opens a metadata service",
    "GET https://meta.com/",
    ["169.254.169.254", "fd00:ec2::254", "169.254.169.253"],
    ["169.254.169.254", "fd00:ec2::254"],
  ],
  [
    "a literal private address is opened by being named",
    "GET http://10.0.0.5/",
    ["10.0.0.5", "10.0.0.6"],
    ["10.0.0.5"],
  ],
  ["what is no address is not reached", "GET https://wide.com/", ["", "wide.com", "10.1", "0x0a.1.2.3"], []],
];
for (const [title, text, addresses, expected] of reach) {
  test(`reachable: ${title}`, () => assert.deepEqual(reachable(allow(ranges, text), addresses), expected));
}

test("a literal metadata address is opened by a range of exactly it, not by being named", () => {
  assert.equal(told(evaluate(ranges, action("GET http://169.254.169.254/latest"))), "private_address");
  assert.equal(told(evaluate(ranges, action("GET http://169.254.169.253/latest"))), "literal");
});

test("policies that hold together share only what both open", () => {
  const rule = (keys: string) => `[[network.rule]]\nid = "r"\nhost = "a.com"\nport = [443, 5000]\n${keys}\n`;
  const obligations = (one: string, other: string, text = "tls a.com:443") =>
    allow(policy(rule(one), rule(other)), text).obligations;
  assert.deepEqual(
    obligations('private = ["10.0.0.0/8", "192.168.0.0/16"]', 'private = ["10.1.0.0/16", "172.16.0.0/12"]').private,
    ["10.1.0.0/16"],
  );
  assert.deepEqual(obligations('private = "10.1.2.3"', 'private = "10.0.0.0/8"').private, ["10.1.2.3/32"]);
  assert.deepEqual(obligations('private = "10.0.0.0/8"', "").private, []);
  assert.equal(obligations('tls = "pass"', "").tls, "terminate");
  assert.equal(obligations('tls = "pass"', 'tls = "pass"').tls, "pass");
  assert.equal(obligations('protocol = "tcp"', 'protocol = "http"').protocol, "http");
  assert.equal(obligations("body_on_get = true", "").bodyOnGet, false);
});

test("of limits, the tighter holds, and what is not said is left to the others", () => {
  const { execution } = policy(
    '[execution]\nmax_runtime_seconds = 300\nmax_requests = 5\nenv = ["A", "B=1"]\naudit_all_actions = false\nnested_sandbox = "allow"\nuser = "nobody"',
    '[execution]\nmax_runtime_seconds = "1m"\nmax_memory = "1GiB"\nenv = ["A=x", "B=1", "C"]\n[violation]\naction = "kill_process_group"',
  );
  assert.deepEqual(execution, {
    maxRuntimeSeconds: 60,
    maxOutputLines: null,
    maxOutputBytes: null,
    maxRequests: 5,
    maxMemoryBytes: 2 ** 30,
    maxProcesses: 1024,
    user: "nobody",
    env: ["B=1", "A=x"],
    level: "standard",
    isolation: "process",
    nestedSandbox: "allow",
    terminateOnPolicyViolation: true,
    auditAllActions: false,
    auditAllActionsWritten: false,
    durability: "group",
  });
  assert.equal(
    policy('[execution]\nnested_sandbox = "allow"', '[execution]\nnested_sandbox = "deny"').execution.nestedSandbox,
    "deny",
  );
  assert.equal(
    policy("[execution]\naudit_all_actions = false", "[execution]\naudit_all_actions = true").execution
      .auditAllActionsWritten,
    true,
  );
  assert.throws(() => policy('[execution]\nuser = "a"', '[execution]\nuser = "b"'), /disagree about execution\.user/);
});

test("upstream says where names are and whom to trust", () => {
  const { upstream } = policy(
    '[upstream]\nresolve = { "a.corp" = ["10.1.2.3:443", "10.1.2.4"], "b.corp" = "[fd00::1]:8443" }\nca = "a.pem"',
    '[upstream]\nresolve = { "a.corp" = "10.9.9.9" }\nca = ["b.pem", "a.pem"]',
  );
  assert.deepEqual(upstream.resolve.get("a.corp"), [
    { address: "10.1.2.3", port: 443 },
    { address: "10.1.2.4", port: null },
  ]);
  assert.deepEqual(upstream.resolve.get("b.corp"), [{ address: "fd00::1", port: 8443 }]);
  assert.deepEqual(upstream.caFiles, ["a.pem", "b.pem"]);
});

test("the digest is of what the policy says, not of how it is written", () => {
  const digest = (text: string) => policy(text).digest;
  assert.match(digest(""), /^sha256:[0-9a-f]{64}$/);
  assert.equal(digest('[network]\nallow=["A.com."]'), digest('# a word\n[network]\nallow = [ "a.com" ]'));
  assert.notEqual(digest('[network]\nallow=["a.com"]'), digest('[network]\nallow=["b.com"]'));
});

test("flags are a policy, may be added to one, and say what is wrong with them", () => {
  const flags = policyFromFlags(["Example.com", "db.example.com:5432"]);
  assert.equal(told(evaluate(compilePolicy([flags]), action("GET https://example.com/"))), "network.allow[0]");
  const base = parsePolicy('# zero_trust.runtime.v1\nextendable = true\n[network]\nallow = ["a.com"]\n', {
    name: "p.toml",
  });
  const both = compilePolicy([extendPolicy(base, flags)]);
  assert.equal(told(evaluate(both, action("GET https://a.com/"))), "network.allow[0]");
  assert.equal(told(evaluate(both, action("tcp db.example.com:5432"))), "network.allow[2]");
  assert.throws(() => policyFromFlags(["https://a.com/x"]), { code: "usage", place: "--allow", remedy: /"a\.com"/ });
  assert.throws(() => policyFromFlags(["*.com"]), { code: "usage" });
});

test("what is kept about hosts is bounded, however many the agent asks for", () => {
  for (let n = 0; n < 20_000; n++) assert.equal(told(evaluate(hosts, action(`dns h${n}.one.com`))), "network.allow[1]");
  assert.equal(told(evaluate(hosts, action("dns bad.one.com"))), "domain_not_allowed");
});

test("a host that is not in normal form is denied, and its bytes are not repeated", () => {
  for (const host of ["GitHub.com", "github.com.", "github.com\u0000", "a".repeat(300)]) {
    const decision = evaluate(hosts, { kind: "dns", host, type: "A" });
    assert.deepEqual([told(decision), (decision as { remedy: unknown }).remedy], ["domain_not_allowed", null]);
  }
});
