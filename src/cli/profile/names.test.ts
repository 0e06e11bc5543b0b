import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { profileNameOf, shippedPackages, shippedPrograms } from "./names.ts";
import { profileNames, readProfile } from "./source.ts";

let base: string;
let home: string;
let workspace: string;
let bin: string;

function program(path: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "#!/bin/sh\n");
  chmodSync(path, 0o755);
  return path;
}

before(() => {
  base = mkdtempSync(join(tmpdir(), "sallyport-names-"));
  home = join(base, "home");
  workspace = join(base, "workspace");
  bin = join(base, "bin");
  for (const name of ["claude", "my-agent", "their-agent", "other"]) program(join(bin, name));
  const modules = join(base, "lib", "node_modules");
  for (const [link, file] of [
    ["codex", "@openai/codex/bin/codex.js"],
    ["cx", "@openai/codex/bin/codex.js"],
    ["cc", "@anthropic-ai/claude-code-linux-x64/claude"],
    ["started", "@anthropic-ai/claude-code-linux-x64/start"],
    ["lookalike", "@openai/codex-extras/bin/run.js"],
  ] as const)
    symlinkSync(program(join(modules, file)), join(bin, link));
  program(join(workspace, "claude"));
  program(join(workspace, "node_modules", ".bin", "claude"));
  symlinkSync(join(workspace, "claude"), join(bin, "gemini"));
  mkdirSync(join(home, "profiles"), { recursive: true });
  writeFileSync(join(home, "profiles", "my-agent.toml"), 'title = "Mine"\n');
  writeFileSync(join(home, "profiles", "theirs.toml"), 'title = "Theirs"\nprogram = ["their-agent", "x"]\n');
});

after(() => rmSync(base, { recursive: true, force: true }));

const nameOf = (typed: string, asked?: string | false) =>
  profileNameOf({ command: [typed, "--flag"], asked, home, workspace, path: bin });

const known: readonly (readonly [typed: string, profile: string | null, why: string])[] = [
  ["claude", "claude", "by what was typed"],
  ["codex", "codex", "by what was typed, a link to a package's file"],
  ["cc", "claude", "by the name of the file that a link leads to"],
  ["cx", "codex", "by the name of the file, without its extension"],
  ["started", "claude", "by the package, in its build for one platform"],
  ["my-agent", "my-agent", "by the name of the user's own profile"],
  ["their-agent", "theirs", "by a program that the user's own profile names"],
  ["lookalike", null, "not by the beginning of a package's name"],
  ["other", null, "no profile"],
  ["missing", null, "no program"],
  ["./claude", null, "not a program in the workspace, which an agent may have written"],
  ["node_modules/.bin/claude", null, "not one that the workspace's packages bring"],
  ["gemini", null, "not a link that leads into the workspace"],
];

for (const [typed, profile, why] of known)
  test(`${typed} is known: ${why}`, () => assert.equal(nameOf(typed), profile));

test("an absolute path is known as its name is", () => assert.equal(nameOf(join(bin, "claude")), "claude"));

test("what --profile names is taken whatever the program is, and --no-profile takes none", () => {
  assert.equal(nameOf("other", "claude"), "claude");
  assert.equal(nameOf("./claude", "claude"), "claude");
  assert.equal(nameOf("claude", false), null);
});

test("the table of programs says what the shipped profiles say", () => {
  const nowhere = join(base, "nowhere");
  const programs: Record<string, string> = {};
  const packages: Record<string, string> = {};
  for (const name of profileNames(nowhere)) {
    const { profile } = readProfile(name, nowhere);
    for (const one of profile.program) programs[one] = name;
    for (const one of profile.package) packages[one] = name;
  }
  assert.deepEqual(programs, { ...shippedPrograms });
  assert.deepEqual(packages, { ...shippedPackages });
});
