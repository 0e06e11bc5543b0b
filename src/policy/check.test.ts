import assert from "node:assert/strict";
import { test } from "node:test";
import { checkPolicy } from "./check.ts";
import { parsePolicy } from "./parse.ts";
import { unenforced } from "./unenforced.ts";

const head = "# zero_trust.runtime.v1\n";
const parse = (text: string) => parsePolicy(head + text, { name: "p.toml" });

const warned: readonly (readonly [title: string, text: string, warnings: readonly string[]])[] = [
  ["nothing to say", '[network]\nallow = ["a.com"]\n', []],
  ["default = allow", '[network]\ndefault = "allow"\n', ["default_allow 3:1"]],
  ["a rule whose host is denied", '[network]\nallow = ["a.com", "b.com"]\ndeny = ["a.com"]\n', ["shadowed 3:10"]],
  [
    "a rule whose hosts a deeper pattern denies",
    '[network]\nallow = ["*.a.com", "x.a.com", "a.com"]\ndeny = ["**.a.com"]\n',
    ["shadowed 3:10", "shadowed 3:21"],
  ],
  [
    "a rule whose ports are denied one by one",
    '[network]\nallow = ["a.com"]\ndeny = ["a.com:80", "a.com:443"]\n',
    ["shadowed 3:10"],
  ],
  ["a rule of which one port is denied", '[network]\nallow = ["a.com"]\ndeny = ["a.com:80"]\n', []],
  [
    "a narrow rule beside a wide one",
    '[network]\nallow = ["a.com"]\n[[network.rule]]\nhost = "a.com"\nmethod = "GET"\n',
    ["adds_nothing 4:3"],
  ],
  [
    "a narrow rule beside a wider pattern",
    '[network]\nallow = ["*.a.com"]\n[[network.rule]]\nhost = "x.a.com"\npath = "/x"\n',
    ["adds_nothing 4:3"],
  ],
  [
    "a narrow rule on another port",
    '[network]\nallow = ["a.com"]\n[[network.rule]]\nhost = "a.com"\nport = 8443\nmethod = "GET"\n',
    [],
  ],
  ["an unsafe rule", '[[network.rule]]\nid = "unsafe_all"\nhost = "**"\n', ["over_broad 4:1"]],
  ["a metadata address that is only named", '[network]\nallow = ["169.254.169.254:80"]\n', ["not_opened 3:10"]],
  [
    "a metadata address that is opened",
    '[[network.rule]]\nhost = "169.254.169.254"\nprivate = "169.254.169.254"\n',
    [],
  ],
  [
    "a name placed in private space that no rule opens",
    '[network]\nallow = ["a.corp.com"]\n[upstream]\nresolve = { "a.corp.com" = "10.0.0.1:443" }\n',
    ["not_opened 5:13"],
  ],
  [
    "a name placed in private space that a rule opens",
    '[[network.rule]]\nhost = "a.corp.com"\nprivate = "10.0.0.0/8"\n[upstream]\nresolve = { "a.corp.com" = "[::ffff:10.0.0.1]:443" }\n',
    [],
  ],
  [
    "rules that disagree about TLS",
    '[[network.rule]]\nhost = "a.com"\ntls = "pass"\n[[network.rule]]\nhost = "a.com"\npath = "/x"\n',
    ["adds_nothing 5:3", "tls_disagrees 4:1"],
  ],
  [
    "what is not enforced yet",
    '[content]\nscan = ["secrets"]\n[tools]\nallow = []\n',
    ["not_enforced_yet 5:1", "not_enforced_yet 3:1"],
  ],
];
for (const [title, text, warnings] of warned) {
  test(`warned about: ${title}`, () =>
    assert.deepEqual(
      checkPolicy(parse(text)).map(({ code, place }) => `${code} ${place.replace("p.toml:", "")}`),
      warnings,
    ));
}

const notEnforced: readonly (readonly [text: string, path: string, place: string])[] = [
  ['[filesystem]\ndefault = "allow"\n', "filesystem.default", "3:1"],
  ['[filesystem]\nworkspace = "copy"\n', "filesystem.workspace", "3:1"],
  ['[execution]\nisolation = "gvisor"\n', "execution.isolation", "3:1"],
  ["[budget]\nmax_spend_usd = 5\n", "budget.max_spend_usd", "3:1"],
  ["[tools]\nallow = []\n", "tools.allow", "3:1"],
  ["[content]\nblock = []\n", "content.block", "3:1"],
  ['[approval]\ntimeout_seconds = "5m"\n', "approval.timeout_seconds", "3:1"],
  ['[[label]]\nname = "pii"\n', "label[0].name", "3:1"],
  ['[[hook]]\nrego = "a.rego"\n', "hook[0].rego", "3:1"],
  ['[[network.rule]]\nhost = "a.com"\ncredential = "x"\n', "network.rule[0].credential", "4:1"],
  ['[[network.rule]]\nhost = "a.com"\nbudget = "x"\n', "network.rule[0].budget", "4:1"],
  ['[[network.rule]]\nhost = "a.com"\n[[network.rule]]\nhost = "a.com"\nask = true\n', "network.rule[1].ask", "6:1"],
  ['[[network.rule]]\nhost = "a.com"\nbody = "x"\n', "network.rule[0].body", "4:1"],
];
for (const [text, path, place] of notEnforced) {
  test(`not enforced yet, and said so with its place: ${path}`, () => {
    const failure = unenforced(parse(text));
    assert.equal(failure?.code, "not_enforced_yet");
    assert.equal(failure.place, `p.toml:${place}`);
    assert.ok(failure.message.includes(path), failure.message);
  });
}

test("what this build enforces stops nothing", () => {
  const text = `[identity]\nrequire_attestation = true\nallowed_issuers = ["a"]\n[filesystem]\ndefault = "deny"\nallow_read = ["/data/agent/*"]\nallow_write = []\ndeny = ["./.env"]\nworkspace = "read"\n[network]\ndefault = "allow"\nallow = ["a.com"]\ndns_deny = "nxdomain"
[[network.rule]]\nhost = "a.com"\nask = false\nprivate = "10.0.0.0/8"\n[upstream]\nca = "a.pem"\n[execution]\nisolation = "process"\nlevel = "strict"\nnested_sandbox = "allow"
max_memory = "1GiB"\nuser = "nobody"\nenv = ["A"]\n[violation]\naction = "kill_process_group"\n`;
  assert.equal(unenforced(parse(text)), null);
});
