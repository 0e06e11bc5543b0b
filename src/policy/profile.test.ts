import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#core/failure.ts";
import { parseProfile, useProfile } from "./profile.ts";

const presets = {
  list: () => [{ name: "models", version: 1 }],
  read: () =>
    '# zero_trust.runtime.v1\n[[network.rule]]\nid = "ask"\nhost = "api.example.com"\nport = 443\npath = "/v1/ask"\n',
};

function parse(text: string) {
  return parseProfile(text, { name: "agent", file: "agent.toml", presets });
}

const whole = `title = "An agent"
program = ["agent"]
package = ["@maker/agent"]
env = ["AGENT_KEY"]
set = ["AGENT_CELL=1"]

[network]
allow = ["@models"]

[[network.rule]]
id = "agent.login"
host = "login.example.com"

[[state]]
path = "~/.agent/settings.json"
as = "copy"

[sandbox]
set = ["AGENT_SANDBOX=no"]

[[sandbox.file]]
path = "/etc/agent/settings"
text = "sandbox = no\\n"

[[off]]
what = "telemetry"
host = ["stats.example.com"]
set = ["AGENT_STATS=no"]

[[off.file]]
path = "/etc/agent/settings"
text = "stats = no\\n"

[[provider]]
name = "Other"
env = ["OTHER_KEY"]
allow = ["other.example.com:443"]
`;

test("a profile is read whole: presets as their rules, paths relative to the home", () => {
  const profile = parse(whole);
  assert.deepEqual(
    profile.policy.document.network?.rule?.map(({ id, host }) => [id, ...host]),
    [
      ["agent.login", "login.example.com"],
      ["@models/1.ask", "api.example.com"],
    ],
  );
  assert.equal(profile.policy.name, "profile agent");
  assert.deepEqual(profile.state, [{ path: ".agent/settings.json", as: "copy" }]);
});

test("a run gets its own switches, the variables that are set, and only the providers that it has a key of", () => {
  const none = useProfile(parse(whole), () => false, []);
  assert.deepEqual(none.policy.document.network?.allow, []);
  assert.deepEqual(none.given, []);
  assert.deepEqual(none.env, ["AGENT_CELL=1", "AGENT_SANDBOX=no", "AGENT_STATS=no", "AGENT_KEY", "OTHER_KEY"]);
  const one = useProfile(parse(whole), (name) => name === "OTHER_KEY", []);
  assert.deepEqual(one.policy.document.network?.allow, ["other.example.com:443"]);
  assert.deepEqual(one.given, ["OTHER_KEY"]);
});

test("what is off stays on where --allow names its host, and files of one path are one", () => {
  const off = useProfile(parse(whole), () => false, []);
  assert.deepEqual(off.files, [{ path: "/etc/agent/settings", text: "sandbox = no\nstats = no\n" }]);
  for (const allow of ["stats.example.com", "Stats.example.com:443"]) {
    const on = useProfile(parse(whole), () => false, [allow]);
    assert.deepEqual(on.off, [], allow);
    assert.deepEqual(on.files, [{ path: "/etc/agent/settings", text: "sandbox = no\n" }]);
    assert.ok(!on.env.includes("AGENT_STATS=no"));
  }
});

const wrong: readonly (readonly [what: string, text: string, place: string, message: RegExp, remedy: RegExp])[] = [
  ["no title", 'program = ["a"]', "1:1", /no "title"/, /title/],
  ["a key that is none", 'title = "A"\nprograms = ["a"]', "2:1", /a profile has no key "programs"/, /"program"/],
  ["a key of a policy", 'title = "A"\n[network]\ndefault = "allow"', "3:1", /no key "default"/, /allow, rule/],
  ["a preset that is none", 'title = "A"\n[network]\nallow = ["@model"]', "3:10", /no preset/, /@models/],
  [
    "a provider's preset",
    'title = "A"\n[[provider]]\nname = "B"\nenv = ["K"]\nallow = ["@x"]',
    "5:10",
    /no preset/,
    /@models/,
  ],
  [
    "a rule with a wrong method",
    'title = "A"\n[[network.rule]]\nhost = "a.com"\nmethod = "get"',
    "4:10",
    /"get"/,
    /"GET"/,
  ],
  [
    "a way out of the home",
    'title = "A"\n[[state]]\npath = "../x"\nas = "read"',
    "3:1",
    /no path below HOME/,
    /settings/,
  ],
  [
    "an absolute path",
    'title = "A"\n[[state]]\npath = "/etc/shadow"\nas = "read"',
    "3:1",
    /no path below HOME/,
    /settings/,
  ],
  ["the home itself", 'title = "A"\n[[state]]\npath = "~/"\nas = "read"', "3:1", /no path below HOME/, /settings/],
  ["no such way", 'title = "A"\n[[state]]\npath = ".a"\nas = "bind"', "4:6", /one of "copy", "read", "write"/, /./],
  [
    "a file of the cell's own",
    'title = "A"\n[[sandbox.file]]\npath = "/etc/passwd"\ntext = "x"',
    "3:1",
    /\/etc/,
    /NAME/,
  ],
  [
    "a file of the trust",
    'title = "A"\n[[sandbox.file]]\npath = "/etc/ssl/cert.pem"\ntext = "x"',
    "3:1",
    /\/etc/,
    /NAME/,
  ],
  [
    "a file outside /etc",
    'title = "A"\n[[off]]\nwhat = "b"\n[[off.file]]\npath = "/usr/x/y"\ntext = "x"',
    "5:1",
    /\/etc/,
    /NAME/,
  ],
  ["a value in env", 'title = "A"\nenv = ["K=V"]', "2:8", /has a value/, /set/],
  ["no value in set", 'title = "A"\nset = ["K"]', "2:8", /has no value/, /K=VALUE/],
  ["no TOML", "title = ", "1:9", /TOML/, /./],
];

for (const [what, text, place, message, remedy] of wrong) {
  test(`a profile is refused at the place of its mistake: ${what}`, () => {
    assert.throws(
      () => parse(text),
      (error) => {
        assert.ok(error instanceof Failure);
        assert.equal(error.code, "profile_invalid");
        assert.equal(error.place, `agent.toml:${place}`);
        assert.match(error.message, message);
        if (error.remedy !== null) assert.match(error.remedy, remedy);
        return true;
      },
    );
  });
}
