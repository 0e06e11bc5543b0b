// `sallyport policy` and the presets, as typed.

import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../servers/installed.ts";
import { openPlace, type Place } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("policy-commands");
});
after(() => place?.close());

const head = "# zero_trust.runtime.v1\n";

function file(name: string, text: string): string {
  const path = join(place.root, name);
  writeFileSync(path, text);
  return path;
}

test("a preset opens what it says and no more, and is told by its name", async () => {
  const script =
    'for a in "-o /dev/null https://registry.npmjs.org/x" "-X PUT https://registry.npmjs.org/mine" "https://www.npmjs.org/"; do curl -s -m 5 $a >/dev/null; done; true';
  const ran = await place.run(["run", "--allow", "@npm", "--", "sh", "-c", script]);
  assert.equal(ran.code, 0, ran.stderr);
  const decided = place
    .events()
    .filter(({ type, action }) => type === "action" && action?.kind === "http")
    .map(({ action, decision }) => [action?.method, action?.host, decision?.rule ?? decision?.deny_reason]);
  assert.deepEqual(decided.slice(0, 1), [["GET", "registry.npmjs.org", "@npm/1"]]);
  assert.ok(decided.some(([method, , why]) => method === "PUT" && why === "method_not_allowed"));
  assert.ok(decided.some(([, host, why]) => host === "www.npmjs.org" && why === "domain_not_allowed"));
});

test("a preset that is not there is an error that names the nearest one", async () => {
  const ran = await place.run(["run", "--allow", "@nmp", "--", "true"]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /--allow: there is no preset "@nmp" \(usage\)\n {2}Did you mean "@npm"\?/);
  const checked = await place.run(["policy", "check", file("bad.toml", `${head}[network]\nallow = ["@githup"]\n`)]);
  assert.equal(checked.code, 1);
  assert.match(checked.stderr, /bad\.toml:3:10: there is no preset "@githup".*\n {2}Did you mean "@github"\?/);
});

test("what a preset does not open is explained by a rule to write, for the preset cannot be changed", async () => {
  const policy = file("preset.toml", `${head}[network]\nallow = ["@pypi"]\n`);
  const ran = await place.run(["policy", "explain", policy, "--", "POST", "https://pypi.org/simple/requests/"]);
  assert.equal(ran.code, 1);
  assert.match(ran.stdout, /nearest {2}@pypi\/1 .*its method is GET, HEAD/);
  assert.match(ran.stdout, /change {3}write a \[\[network\.rule\]\] with host = "pypi\.org".*method = "POST"/);
});

test("every preset that is shipped can be named, and show spells it out", async () => {
  const names = readdirSync(join(root, "presets")).map((name) => `@${name.replace(/\.(\d+)\.toml$/, "/$1")}`);
  const flags = names.flatMap((name) => ["--allow", name]);
  const ran = await place.run(["policy", "show", "--json", ...flags]);
  const { rules } = JSON.parse(ran.stdout) as { rules: { rule: string; host: string[] }[] };
  for (const name of names)
    assert.ok(
      rules.some(({ rule, host }) => rule.startsWith(name) && host.length > 0),
      name,
    );
  const told = await place.run(["policy", "show", "--allow", "@github"]);
  assert.match(told.stdout, /^github\.com\s+443\s+POST \/\*\/\*\/git-upload-pack\s+@github\/1\.fetch \(--allow\)$/m);
});

test("show tells sources, rules, caps and what else is said", async () => {
  const policy = file(
    "show.toml",
    `${head}[network]\nallow = ["a.example:8443"]\ndeny = ["b.example"]\n[[network.rule]]\nid = "api"\nhost = "c.example"\nport = 443\nmethod = ["GET"]\npath = ["/v1/*", "/v2/**"]\n[execution]\nmax_runtime_seconds = "5m"\nmax_requests = 10\nterminate_on_policy_violation = true\n`,
  );
  const ran = await place.run(["policy", "show", policy]);
  assert.equal(ran.code, 0, ran.stderr);
  for (const line of [
    /show\.toml: named with --policy$/m,
    /^a\.example\s+8443\s+everything\s+network\.allow\[0\] \(.*show\.toml:3:10\)$/m,
    /^c\.example\s+443\s+GET \/v1\/\*\s+api \(.*\)$/m,
    /^\s+GET \/v2\/\*\*$/m,
    /^Closed whatever allows it: b\.example$/m,
    /^runtime\s+300 s$/m,
    /^requests\s+10$/m,
    /^first violation\s+ends the run$/m,
    /^digest\s+sha256:[0-9a-f]{64}$/m,
  ])
    assert.match(ran.stdout, line);
});

test("show and check end with 1 where a run would not start, and say why", async () => {
  const policy = file("later.toml", `${head}[budget]\nmax_requests = 5\n`);
  for (const command of ["show", "check"]) {
    const ran = await place.run(["policy", command, policy]);
    assert.equal(ran.code, 1, command);
    assert.match(ran.stdout, /later\.toml:3:1: .*budget\.max_requests.*\(not_enforced_yet\)/, command);
  }
});

test("check warns about default = allow and is silent about what is fine", async () => {
  const open = await place.run(["policy", "check", file("open.toml", `${head}[network]\ndefault = "allow"\n`)]);
  assert.equal(open.code, 0);
  assert.match(open.stdout, /open\.toml:3:1: warning: .*\(default_allow\)/);
  const loop = await place.run([
    "policy",
    "check",
    file("loop.toml", `${head}[network]\nallow = ["127.0.0.1:8080"]\n`),
  ]);
  assert.match(loop.stdout, /\(own_loopback\)\n {2}.*"host\.sallyport\.internal:8080"/);
});

test("check without a file checks what is found here", async () => {
  const none = await place.run(["policy", "check"]);
  assert.equal(none.code, 0);
  writeFileSync(join(place.workspace, "sallyport.policy.toml"), `${head}[netwrok]\n`);
  const ran = await place.run(["policy", "check"]);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /^sallyport: error: sallyport\.policy\.toml:2:2: .*"netwrok"/m);
  writeFileSync(join(place.workspace, "sallyport.policy.toml"), `${head}[network]\n`);
  const json = JSON.parse((await place.run(["policy", "check", "--json"])).stdout);
  assert.deepEqual(
    json.policies.map(({ valid }: { valid: boolean }) => valid),
    [true],
  );
});

for (const [words, code, said] of [
  [["GET", "https://a.example/x"], 0, /^allowed: GET https:\/\/a\.example\/x by network\.allow\[0\]/],
  [
    ["POST", "https://c.example/"],
    1,
    /^denied: .*\(method_not_allowed\)\n(.*\n)* {2}change {3}add "POST" to method of read/,
  ],
  [["CONNECT", "a.example:22"], 1, /^denied: CONNECT a\.example:22 \(tcp\) \(port_not_allowed\)/],
  [["DNS", "a.example"], 0, /^allowed: DNS a\.example/],
] as const) {
  test(`explain, with a file and with what is found here: ${words.join(" ")}`, async () => {
    const text = `${head}[network]\nallow = ["a.example"]\n[[network.rule]]\nid = "read"\nhost = "c.example"\nmethod = "GET"\n`;
    const named = await place.run(["policy", "explain", file("explain.toml", text), "--", ...words]);
    assert.equal(named.code, code, named.stderr);
    assert.match(named.stdout, said);
    writeFileSync(join(place.workspace, "sallyport.policy.toml"), text);
    await place.run(["trust", "--yes"]);
    // The same decision by the same rule; only what would change it may be a flag.
    const here = await place.run(["policy", "explain", ...words]);
    assert.equal(here.code, code);
    const [first = ""] = named.stdout.split("\n");
    assert.equal(
      here.stdout.split("\n")[0],
      first.replaceAll(join(place.root, "explain.toml"), "sallyport.policy.toml"),
    );
  });
}

test("convert prints the operators' YAML as TOML that says the same", async () => {
  const yaml = file(
    "convert.yaml",
    '# Ours.\n\nsecurity_context:\n  level: "strict"   # since May\nconstraints:\n  max_runtime: 300s\n  max_output_bytes: 50MB\n  network:\n    allow_domains: ["api.openai.com", "@npm"]\n    default_policy: "deny"\nviolation_protocol:\n  action: "kill_process_group"\n',
  );
  const ran = await place.run(["policy", "convert", yaml]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(
    ran.stdout,
    `${head}# Ours.\n\n[network]\ndefault = "deny"\nallow = ["api.openai.com", "@npm"]\n\n[execution]\nlevel = "strict" # since May\nmax_runtime_seconds = 300\nmax_output_bytes = "50MB"\n\n[violation]\naction = "kill_process_group"\n`,
  );
  const digest = async (path: string) =>
    (JSON.parse((await place.run(["policy", "show", "--json", path])).stdout) as { digest: string }).digest;
  assert.equal(await digest(file("converted.toml", ran.stdout)), await digest(yaml));
});

test("what cannot be converted says why", async () => {
  const toml = await place.run(["policy", "convert", file("a.toml", head)]);
  assert.equal(toml.code, 125);
  assert.match(toml.stderr, /TOML already/);
  const bad = await place.run(["policy", "convert", file("bad.yaml", "constraints:\n  max_runtme: 5\n")]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /bad\.yaml:2:3: /);
});

test("the operators' action kill_process_group ends the run at its first violation", async () => {
  const yaml = file(
    "kill.yaml",
    'constraints:\n  network:\n    allow_domains: ["a.invalid"]\nviolation_protocol:\n  action: "kill_process_group"\n',
  );
  const ran = await place.run(["run", "--policy", yaml, "--", "sh", "-c", "curl -s https://b.invalid/; exec sleep 60"]);
  assert.equal(ran.code, 121, ran.stderr);
  const { kind, threshold, observed } = place.record().termination as { [name: string]: unknown };
  assert.deepEqual([kind, threshold, observed], ["policy_violation", 0, 1]);
});

test("the operators' user is who the agent is where root may choose, and otherwise a clear refusal", async () => {
  const yaml = file("user.yaml", 'security_context:\n  user: "nobody"\n');
  const ran = await place.run(["run", "--policy", yaml, "--", "id", "-un"]);
  if (process.geteuid?.() === 0) assert.equal(ran.stdout, "nobody\n", ran.stderr);
  else {
    assert.equal(ran.code, 125);
    assert.match(ran.stderr, /only root can run a cell as nobody.*\n.*with sudo/);
  }
});

test("a policy that tokens are issued for keeps its presets, and a token can be narrowed to one", async () => {
  const home = join(place.root, "authority");
  const env = { SALLYPORT_HOME: home };
  const auth = async (...args: string[]) => {
    const ran = await place.run(["auth", ...args], { env });
    assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.stderr}`);
    return ran.stdout.trim();
  };
  await auth("init");
  await auth("create-agent", "--agent-id", "bot", "--owner", "you@example.com");
  const domains = ["--allowed-domains", "@npm,a.example"];
  await auth("create-policy", "--policy-id", "work", ...domains);
  const ids = async () => {
    const { policy } = JSON.parse(await auth("show-policy", "--policy-id", "work", "--json"));
    return [policy.network.allow, policy.network.rule.map(({ id }: { id: string }) => id)];
  };
  assert.deepEqual(await ids(), [["a.example"], ["@npm/1"]]);
  await auth("update-policy", "--policy-id", "work", "--allowed-domains", "@pypi,@npm");
  assert.deepEqual(await ids(), [[], ["@pypi/1", "@npm/1"]]);
  const token = await auth("issue-token", "--agent-id", "bot", "--policy-id", "work");
  const decided = async (given: string) => {
    const script = "curl -s https://pypi.org/x; curl -s -X PUT https://registry.npmjs.org/x; true";
    const ran = await place.run(["run", "--quiet", "--token", given, "--", "sh", "-c", script], { env });
    assert.equal(ran.code, 0, ran.stderr);
    return [...ran.stdout.matchAll(/"deny_reason":"([a-z_]+)"/g)].map(([, reason]) => reason);
  };
  // What is allowed is asked for, and has no answer here, or leads into the private network of a machine that mirrors it.
  assert.ok(!(await decided(token)).includes("domain_not_allowed"));
  assert.ok((await decided(token)).includes("method_not_allowed"));
  const narrowed = await auth("attenuate", token, "--allow", "@npm");
  assert.equal((await decided(narrowed))[0], "domain_not_allowed");
  // What only looks is under the caller's token as a run would be.
  const under = { env: { ...env, SALLYPORT_TOKEN: narrowed } };
  const shown = JSON.parse((await place.run(["policy", "show", "--json"], under)).stdout);
  assert.deepEqual(
    shown.rules.map(({ rule, closed }: { rule: string; closed: { reason: string }[] }) => [rule, closed[0]?.reason]),
    [
      ["@pypi/1", "domain_not_allowed"],
      ["@npm/1", undefined],
    ],
  );
  const explained = await place.run(["policy", "explain", "GET", "https://pypi.org/x"], under);
  assert.match(
    explained.stdout,
    /^denied: GET .* \(domain_not_allowed\)\n {2}work version 2: allowed by @pypi\/1 .*\n/,
  );
  assert.match(explained.stdout, /^ {2}the token's block 1: denied \(domain_not_allowed\)\n {4}change /m);
});
