import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { checkPolicy } from "#policy/check.ts";
import { parsePolicy } from "#policy/parse.ts";
import { shippedPresets } from "../presets.ts";
import { projectFacts } from "./project-facts.ts";
import { initText } from "./text.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-facts-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function put(files: { readonly [path: string]: string }): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

const allowed = () => projectFacts(folder, "").flatMap(({ allow }) => (allow === null ? [] : [allow]));
const remote = (url: string) => ({ ".git/config": `[remote "origin"]\n\turl = ${url}\n` });

const cases: readonly (readonly [
  what: string,
  files: { readonly [path: string]: string },
  allow: readonly string[],
])[] = [
  ["an empty folder", {}, []],
  ["npm", { "package.json": "{}", "package-lock.json": "{}" }, ["@npm"]],
  ["Python in a folder below", { "api/requirements-dev.txt": "" }, ["@pypi"]],
  ["Rust and Go", { "Cargo.toml": "", "go.mod": "" }, ["@crates", "@go"]],
  ["Gradle", { "build.gradle.kts": "" }, ["@maven", "@gradle"]],
  ["Maven, Ruby, .NET", { "pom.xml": "", Gemfile: "", "a.csproj": "" }, ["@rubygems", "@nuget", "@maven"]],
  ["what a package manager keeps", { "node_modules/x/package.json": "{}" }, []],
  ["a registry of one's own", { ".npmrc": "@corp:registry=https://npm.corp.example/a\n" }, ["npm.corp.example:443"]],
  [
    "an index of one's own",
    { "requirements.txt": "--extra-index-url http://pip.corp.example:8080/\n" },
    ["@pypi", "pip.corp.example:8080"],
  ],
  ["GitHub over https", remote("https://github.com/o/r.git"), ["@github"]],
  ["GitHub over ssh", remote("git@github.com:o/r.git"), ["@github"]],
  ["GitHub over ssh as a URL", remote("ssh://git@github.com:22/o/r"), ["@github"]],
  ["GitLab", remote("https://me:token@gitlab.com/o/r.git"), ["@gitlab"]],
  ["a forge of one's own", remote("https://git.corp.example:8443/r"), ["git.corp.example:8443"]],
  ["a forge of one's own over ssh", remote("git@git.corp.example:team/r"), ["git.corp.example:443"]],
  ["a folder as a remote", remote("/srv/git/r.git"), []],
  ["a remote on loopback", remote("http://localhost:3000/r"), []],
  ["a remote that is a pattern", remote("https://**.com/r"), []],
  ["a remote that is no host", remote('https://a b"\\n/r'), []],
  ["submodules", { ".gitmodules": '[submodule "x"]\n\turl = https://codeberg.org/o/r\n' }, ["@codeberg"]],
];
for (const [what, files, allow] of cases) {
  test(`found: ${what}`, () => {
    put(files);
    assert.deepEqual(allowed(), allow);
  });
}

test("a worktree's remotes are those of its repository", () => {
  put({
    ".git": `gitdir: ${folder}/main/.git/worktrees/w\n`,
    "main/.git/worktrees/w/commondir": "../..\n",
    "main/.git/config": '[remote "origin"]\n\turl = https://github.com/o/r\n',
  });
  assert.deepEqual(allowed(), ["@github"]);
});

test("a folder below a repository's has its remotes", () => {
  put({ ...remote("https://github.com/o/r"), "packages/one/package.json": "{}" });
  const facts = projectFacts(join(folder, "packages/one"), "");
  assert.deepEqual(
    facts.map(({ allow }) => allow),
    ["@npm", "@github"],
  );
});

test("an agent is known by what it is told here, and by its program", () => {
  put({ "CLAUDE.md": "", "bin/codex": "" });
  const agents = projectFacts(folder, join(folder, "bin")).filter(({ kind }) => kind === "agent");
  assert.deepEqual(
    agents.map(({ found, allow }) => [found, allow]),
    [
      ["claude (CLAUDE.md)", null],
      ["codex (installed)", null],
    ],
  );
});

test("no link is followed out of the folder, and no huge file is read", () => {
  put({ "elsewhere/npmrc": "registry=https://evil.example/\n" });
  symlinkSync(join(folder, "elsewhere/npmrc"), join(folder, ".npmrc"));
  put({ "requirements.txt": `--index-url https://huge.example/\n${"#".repeat(300_000)}` });
  assert.deepEqual(allowed(), ["@pypi"]);
});

for (const [what, files] of [
  ...cases,
  [
    "remotes with strange names",
    { ".git/config": '[remote "a\\"]\\n#"]\n\turl = https://github.com/o/r\n' },
    [],
  ] as const,
]) {
  test(`the policy of it passes its check without a warning: ${what}`, () => {
    put(files);
    const policy = parsePolicy(initText(projectFacts(folder, "")), { name: "p.toml", presets: shippedPresets });
    assert.deepEqual(checkPolicy(policy), []);
  });
}
