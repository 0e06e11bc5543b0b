import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#core/failure.ts";
import { compilePolicy } from "./compile.ts";
import { explain } from "./explain.ts";
import { extendPolicy, policyFromFlags } from "./extend.ts";
import { parsePolicy } from "./parse.ts";
import type { Preset, Presets } from "./presets.ts";

const texts: { readonly [file: string]: string } = {
  "npm.1":
    '# zero_trust.runtime.v1\n[[network.rule]]\nhost = "registry.npmjs.org"\nport = 443\nmethod = ["GET", "HEAD"]\n',
  "npm.2": '# zero_trust.runtime.v1\n[[network.rule]]\nhost = "registry.npmjs.org"\nport = 443\nmethod = "GET"\n',
  "git.1":
    '# zero_trust.runtime.v1\n[[network.rule]]\nid = "read"\nhost = "git.example"\nmethod = "GET"\n[[network.rule]]\nid = "fetch"\nhost = "git.example"\nmethod = "POST"\npath = "/*/git-upload-pack"\n',
};

/** The presets of this test; `asked` is what was read. */
function presetsOf(asked: string[] = []): Presets {
  const list = Object.keys(texts).map((file): Preset => {
    const [name = "", version] = file.split(".");
    return { name, version: Number(version) };
  });
  const read = ({ name, version }: Preset) => {
    asked.push(`${name}.${version}`);
    return texts[`${name}.${version}`] ?? "";
  };
  return { list: () => list, read };
}

const parse = (network: string, presets = presetsOf()) =>
  parsePolicy(`# zero_trust.runtime.v1\n[network]\n${network}`, { name: "p.toml", presets });

const ids = (network: string) => (parse(network).document.network?.rule ?? []).map(({ id }) => id);

for (const [allow, expected] of [
  ['["@npm"]', ["@npm/2"]],
  ['["@npm/1"]', ["@npm/1"]],
  ['["@NPM"]', ["@npm/2"]],
  ['["@npm", "@npm/2"]', ["@npm/2"]],
  ['["@npm/1", "@npm"]', ["@npm/1", "@npm/2"]],
  ['["@git"]', ["@git/1.read", "@git/1.fetch"]],
] as const) {
  test(`a preset is the rules it stands for: ${allow}`, () => assert.deepEqual(ids(`allow = ${allow}`), expected));
}

test("a preset stands beside hosts, and what it lets pass is placed where it was named", () => {
  const policy = parse('allow = [\n  "@git",\n  "example.com",\n]\n[[network.rule]]\nid = "own"\nhost = "own.example"');
  assert.deepEqual(policy.document.network?.allow, ["example.com"]);
  const placeOf = (host: string) =>
    explain(compilePolicy([policy]), { kind: "connect", host, port: 443, protocol: "tls" }).policies[0]?.place;
  assert.equal(placeOf("git.example"), "p.toml:4:3");
  assert.equal(placeOf("example.com"), "p.toml:5:3");
  assert.equal(placeOf("own.example"), "p.toml:7:3");
});

test("the digest is that of what the preset stands for, and its JSON parses again to the same policy", () => {
  const compiled = compilePolicy([parse('allow = ["@git", "@npm/1"]')]);
  assert.notEqual(compiled.digest, compilePolicy([parse('allow = ["@git", "@npm/2"]')]).digest);
  const again = parsePolicy(compiled.canonical.slice(1, -1), { name: "again", format: "json", expanded: true });
  assert.equal(compilePolicy([again]).digest, compiled.digest);
});

test("without a preset nothing of them is looked at", () => {
  const never: Presets = { list: () => assert.fail("listed"), read: () => assert.fail("read") };
  parse('allow = ["example.com"]', never);
  policyFromFlags(["example.com"], never);
});

test("only the preset that is named is read", () => {
  const asked: string[] = [];
  parse('allow = ["@npm/1"]', presetsOf(asked));
  assert.deepEqual(asked, ["npm.1"]);
});

for (const [allow, place, said] of [
  ['["@nmp"]', "3:10", /there is no preset "@nmp".*\|Did you mean "@npm"\?/],
  ['["a.example", "@banana"]', "3:23", /\|There are @git, @npm\./],
  ['["@npm/3"]', "3:10", /"@npm\/3" is not in this build\|Write "@npm", or one of @npm\/1, @npm\/2\./],
  ['["@npm:443"]', "3:10", /"@npm:443" is no preset\|Write for example/],
  ['["@"]', "3:10", /is no preset/],
] as const) {
  test(`refused with its place and what was meant: ${allow}`, () => {
    assert.throws(
      () => parse(`allow = ${allow}`),
      (error) => {
        assert.ok(error instanceof Failure && error.code === "policy_invalid");
        assert.equal(error.place, `p.toml:${place}`);
        assert.match(`${error.message}|${error.remedy}`, said);
        return true;
      },
    );
  });
}

test("a preset stands in allow and nowhere else", () => {
  assert.throws(() => parse('deny = ["@npm"]'), /cannot stand here/);
  assert.throws(() => parse('[[network.rule]]\nhost = "@npm"'), /cannot stand here/);
});

test("no rule of a file may bear the id of a preset's", () => {
  assert.throws(() => parse('[[network.rule]]\nid = "@npm/1"\nhost = "evil.example"'), /that of a preset's rule/);
});

test("--allow takes a preset, and says what was meant by one that is not there", () => {
  assert.deepEqual(
    policyFromFlags(["@npm", "a.example"], presetsOf()).document.network?.rule?.map(({ id }) => id),
    ["@npm/2"],
  );
  assert.throws(
    () => policyFromFlags(["@gti"], presetsOf()),
    (error) => error instanceof Failure && error.code === "usage" && error.remedy === 'Did you mean "@git"?',
  );
});

test("what is added is there once, under an id of its own, and told by where it came from", () => {
  const base = parse('allow = ["@npm", "a.example"]\n[[network.rule]]\nid = "x"\nhost = "x.example"');
  const profile = parsePolicy(
    '# zero_trust.runtime.v1\n[network]\nallow = ["a.example", "b.example"]\n[[network.rule]]\nid = "x"\nhost = "y.example"\n',
    { name: "profile claude" },
  );
  const whole = extendPolicy(extendPolicy(base, profile), policyFromFlags(["@npm", "c.example"], presetsOf()));
  const { allow, rule } = whole.document.network ?? {};
  assert.deepEqual(allow, ["a.example", "b.example", "c.example"]);
  assert.deepEqual(
    rule?.map(({ id }) => id),
    ["x", "@npm/2", "x-2"],
  );
  const placeOf = (host: string) =>
    explain(compilePolicy([whole]), { kind: "connect", host, port: 443, protocol: "tls" }).policies[0]?.place;
  assert.equal(placeOf("b.example"), "profile claude:3:23");
  assert.equal(placeOf("y.example"), "profile claude:4:3");
  assert.equal(placeOf("c.example"), "--allow");
  assert.equal(placeOf("a.example"), "p.toml:3:18");
});
