import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Failure } from "#core/failure.ts";
import { isWithin } from "#lib/file-path.ts";
import { removeAdditions } from "./additions.ts";
import { guardWorkspace } from "./guard.ts";
import { visibleHome } from "./toolchains.ts";
import { checkWorkspace } from "./workspace.ts";

const base = mkdtempSync(join(tmpdir(), "workspace-test-"));
after(() => rmSync(base, { recursive: true, force: true }));
const home = join(base, "home");
const sallyportHome = join(base, "kept/sallyport");
for (const folder of ["home/project", "home/.ssh/x", "home/.sshfoo", "kept/sallyport/sessions", "kept/other"])
  mkdirSync(join(base, folder), { recursive: true });
symlinkSync(home, join(base, "link-to-home"));

for (const folder of [
  "/",
  "/etc",
  "/etc/ssl",
  "/usr",
  "/usr/lib",
  "/tmp",
  "/proc/self",
  "/dev",
  home,
  base,
  join(base, "link-to-home"),
  join(base, "kept"),
  sallyportHome,
  join(sallyportHome, "sessions"),
  join(home, ".ssh"),
  join(home, ".ssh/x"),
  join(base, "absent"),
])
  test(`${folder.replace(base, "BASE")} is refused as a workspace`, () => {
    assert.throws(
      () => checkWorkspace(folder, { home, sallyportHome }),
      (error) => error instanceof Failure && error.code === "workspace_refused" && error.remedy !== null,
    );
  });

for (const folder of ["home/project", "home/.sshfoo", "kept/other"])
  test(`BASE/${folder} is a workspace`, () => {
    assert.equal(checkWorkspace(join(base, folder), { home, sallyportHome }), join(base, folder));
  });

test("a prefix of a name is not a folder above it", () => {
  assert.equal(isWithin("/a/bc", "/a/b"), false);
  assert.equal(isWithin("/a/b", "/a/b"), true);
  assert.equal(isWithin("/a/b/c", "/a/b"), true);
});

test("additions are moved away, never through a link that the agent made", () => {
  const workspace = mkdtempSync(join(base, "w-"));
  const outside = mkdtempSync(join(base, "outside-"));
  mkdirSync(join(outside, "workflows"));
  symlinkSync("somewhere", join(workspace, ".mcp.json"));
  const guarded = guardWorkspace(workspace, []);
  assert.deepEqual([...guarded.links], [[join(workspace, ".mcp.json"), "somewhere"]]);
  symlinkSync(outside, join(workspace, ".github"));
  writeFileSync(join(workspace, ".envrc"), "evil");
  rmSync(join(workspace, ".mcp.json"));
  writeFileSync(join(workspace, ".mcp.json"), "evil");
  const attic = join(base, "attic");
  const restored = removeAdditions(guarded, attic).map((entry) => `${entry.action} ${entry.path}`);
  assert.deepEqual(restored.sort(), [
    "link_restored .mcp.json",
    "removed .envrc",
    "removed .github",
    "removed .mcp.json",
  ]);
  assert.ok(existsSync(join(outside, "workflows")));
  assert.ok(lstatSync(join(workspace, ".mcp.json")).isSymbolicLink());
  assert.equal(readFileSync(join(attic, ".envrc"), "utf8"), "evil");
});

test("the policy's parents are mounts of their own, so that it can not be renamed away", () => {
  const workspace = mkdtempSync(join(base, "w-"));
  mkdirSync(join(workspace, "a/b"), { recursive: true });
  writeFileSync(join(workspace, "a/b/policy.toml"), "");
  const guarded = guardWorkspace(workspace, [join(workspace, "a/b/policy.toml"), "/elsewhere"]);
  assert.deepEqual(guarded.around, [join(workspace, "a"), join(workspace, "a/b")]);
  assert.deepEqual(guarded.readOnly, [join(workspace, "a/b/policy.toml")]);
});

test("submodules' configurations and hooks are guarded, also nested ones", () => {
  const workspace = mkdtempSync(join(base, "w-"));
  for (const git of [".git", ".git/modules/a", ".git/modules/group/b", ".git/modules/a/modules/c"]) {
    mkdirSync(join(workspace, git, "hooks"), { recursive: true });
    writeFileSync(join(workspace, git, "HEAD"), "");
    writeFileSync(join(workspace, git, "config"), "");
  }
  const guarded = guardWorkspace(workspace, []);
  assert.equal(guarded.gitConfigs.length, 4);
  assert.equal(guarded.readOnly.filter((path) => path.endsWith("hooks")).length, 4);
});

test("of the home only toolchains, PATH and the program's package are shown, and no credentials", () => {
  for (const folder of [
    ".pyenv/bin",
    ".cargo/bin",
    ".docker/cli-plugins",
    "tool/node_modules/cli/bin",
    "tool/node_modules/dep",
    "bin",
    "documents",
    ".nvm",
  ])
    mkdirSync(join(home, folder), { recursive: true });
  writeFileSync(join(home, "tool/node_modules/cli/bin/cli.js"), "");
  symlinkSync("../tool/node_modules/cli/bin/cli.js", join(home, "bin/cli"));
  const { show } = visibleHome({
    home,
    path: `${home}/bin:${home}/.docker/cli-plugins:${home}:/usr/bin:/etc:relative`,
    program: join(home, "bin/cli"),
    never: [sallyportHome, join(home, "project")],
  });
  assert.deepEqual(show.map((path) => path.slice(home.length + 1)).sort(), [
    ".cargo/bin",
    ".nvm",
    ".pyenv",
    "bin",
    "tool/node_modules",
  ]);
});
