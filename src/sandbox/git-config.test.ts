import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { carryOver, filterNew, parseGitConfig } from "./git-config.ts";

const base =
  '[core]\n\trepositoryformatversion = 0\n\tbare = false\n[remote "origin"]\n\turl = https://example.com/a.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n';

/** What git itself reads from a text. */
function gitReads(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "git-config-"));
  try {
    writeFileSync(join(folder, "config"), text);
    return execFileSync("git", ["config", "--file", join(folder, "config"), "--list"], { encoding: "utf8" });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

for (const [title, text] of [
  ["a plain one", base],
  [
    "comments, quotes, escapes, continuations",
    '# c\n[a "b \\"c\\\\"]\n\tk = "x # y" z ; tail\n\tl = a\\\nb\n\tflag\n\tt = "a\\tb"\n',
  ],
  ["a dotted subsection and mixed case", "[Branch.Main]\n\tMerge = refs/heads/main\n"],
] as const)
  test(`${title}: read as git reads it`, () => {
    const entries = parseGitConfig(text) ?? [];
    const listed = entries.map(
      ({ section, subsection, key, value }) =>
        `${section}.${subsection === null ? "" : `${subsection}.`}${key}=${value}`,
    );
    assert.equal(`${listed.join("\n")}\n`, gitReads(text).replace(/^(.*\.flag)$/m, "$1=true"));
  });

test("an unchanged configuration changes nothing", () => {
  assert.deepEqual(carryOver(base, base, base), { text: null, carried: [], dropped: [] });
});

test("remotes, branches and the user come back; git reads them as the agent wrote them", () => {
  const after = `${base}[branch "main"]\n\tremote = origin\n\tmerge = refs/heads/main\n[user]\n\tname = A "B" C\n`;
  const { text, carried, dropped } = carryOver(base, after, base);
  assert.deepEqual(dropped, []);
  assert.deepEqual(carried, ["branch.main.remote", "branch.main.merge", "user.name"]);
  assert.deepEqual(
    gitReads(text ?? "")
      .split("\n")
      .sort(),
    gitReads(after).split("\n").sort(),
  );
});

test("what another run or the person has set meanwhile stays", () => {
  const mine = `${base}[branch "mine"]\n\tremote = origin\n`;
  const theirs = `${base}[branch "theirs"]\n\tremote = origin\n[alias]\n\tst = status\n`;
  const { text, carried } = carryOver(base, mine, theirs);
  assert.deepEqual(carried, ["branch.mine.remote"]);
  assert.deepEqual(
    gitReads(text ?? "")
      .split("\n")
      .sort(),
    gitReads(`${theirs}[branch "mine"]\n\tremote = origin\n`).split("\n").sort(),
  );
});

test("a removed remote is removed", () => {
  const { text, carried } = carryOver(base, base.slice(0, base.indexOf("[remote")), base);
  assert.deepEqual(carried, ["remote.origin.url", "remote.origin.fetch"]);
  assert.doesNotMatch(gitReads(text ?? ""), /remote/);
});

for (const [key, text] of [
  ["core.fsmonitor", "[core]\n\tfsmonitor = evil\n"],
  ["core.sshcommand", "[core]\n\tsshCommand = evil\n"],
  ["core.hookspath", "[core]\n\thooksPath = /tmp\n"],
  ["alias.st", "[alias]\n\tst = !evil\n"],
  ["filter.x.clean", '[filter "x"]\n\tclean = evil\n'],
  ["include.path", "[include]\n\tpath = /tmp/evil\n"],
  ["includeif.gitdir:/.path", '[includeIf "gitdir:/"]\n\tpath = /tmp/evil\n'],
  ["remote.o.uploadpack", '[remote "o"]\n\tuploadpack = evil\n'],
  ["remote.o.url", '[remote "o"]\n\turl = ext::sh -c evil\n'],
  ["remote.o.url", '[remote "o"]\n\turl = --upload-pack=evil\n'],
  ["remote.o.vcs", '[remote "o"]\n\tvcs = evil\n'],
  ["url.x.insteadof", '[url "x"]\n\tinsteadOf = https://\n'],
  ["credential.helper", "[credential]\n\thelper = !evil\n"],
  ["submodule.s.update", '[submodule "s"]\n\tupdate = !evil\n'],
  ["user.signingkey", "[user]\n\tsigningKey = x\n"],
  ["gpg.program", "[gpg]\n\tprogram = evil\n"],
  ["diff.external", "[diff]\n\texternal = evil\n"],
] as const) {
  test(`${key} is dropped and told: ${JSON.stringify(text)}`, () => {
    const { text: kept, dropped } = carryOver(base, base + text, base);
    assert.deepEqual(dropped, [key]);
    assert.equal(kept, null);
    assert.deepEqual(filterNew(base + text).dropped, [key]);
    assert.doesNotMatch(filterNew(base + text).text ?? "", /evil/);
  });
}

test("what is no configuration brings nothing back", () => {
  for (const text of ["\0", "[core", "key = value\n", '[a] k = "open\n', "[a] k = v\n"])
    assert.equal(carryOver(base, text, base).text, null, JSON.stringify(text));
});

test("a value with a line break can not become an entry of its own", () => {
  const after = `${base}[user]\n\tname = "a\\n[core]\\n\\tfsmonitor = evil"\n`;
  assert.deepEqual(carryOver(base, after, base), { text: null, carried: [], dropped: ["user.name"] });
});
