import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { guardWorkspace } from "./guard.ts";
import { clearWay, remove } from "./put-right.ts";
import { restoreWorkspace } from "./restore.ts";

const evil = '[core]\n\tfsmonitor = "touch /tmp/evil; false"\n';
const nobody = 65_534;

/** Root is refused nothing, so as root it is done as a user without rights. */
function asOrdinaryUser(act: (workspace: string, scratch: string) => void): void {
  const base = mkdtempSync(join(tmpdir(), "restore-"));
  const folders = ["workspace", "scratch"].map((name) => join(base, name)) as [string, string];
  for (const folder of folders) mkdirSync(folder);
  const isRoot = process.geteuid?.() === 0;
  try {
    if (isRoot) {
      for (const folder of [base, ...folders]) chownSync(folder, nobody, nobody);
      process.seteuid?.(nobody);
    }
    act(...folders);
  } finally {
    if (isRoot) process.seteuid?.(0);
    remove(base, base);
  }
}

function makeRepository(folder: string): void {
  mkdirSync(join(folder, ".git/hooks"), { recursive: true });
  writeFileSync(join(folder, ".git/config"), evil);
  writeFileSync(join(folder, ".git/hooks/pre-commit"), "evil");
  writeFileSync(join(folder, ".envrc"), "evil");
}

const tricks: { readonly name: string; readonly play: (workspace: string) => void }[] = [
  { name: "nothing more", play: () => {} },
  {
    name: "a closed folder of settings",
    play: (at) => {
      mkdirSync(join(at, ".vscode/deep"), { recursive: true });
      writeFileSync(join(at, ".vscode/deep/tasks.json"), "evil");
      for (const path of [".vscode/deep", ".vscode"]) chmodSync(join(at, path), 0o555);
    },
  },
  {
    name: "a folder that cannot be entered",
    play: (at) => {
      mkdirSync(join(at, ".github/workflows"), { recursive: true });
      chmodSync(join(at, ".github"), 0);
    },
  },
  { name: "a file where a folder would be", play: (at) => writeFileSync(join(at, ".github"), "") },
  { name: "a repository that cannot be entered", play: (at) => chmodSync(join(at, ".git"), 0) },
  { name: "hooks that cannot be read", play: (at) => chmodSync(join(at, ".git/hooks"), 0) },
  { name: "a configuration that cannot be read", play: (at) => chmodSync(join(at, ".git/config"), 0) },
  {
    name: "a draft's name taken",
    play: (at) => writeFileSync(join(at, `.git/config.sallyport-${process.pid}`), ""),
  },
  { name: "a closed workspace", play: (at) => chmodSync(at, 0) },
];

for (const { name, play } of tricks)
  test(`what the agent made is undone: ${name}`, () =>
    asOrdinaryUser((workspace, scratch) => {
      const guarded = guardWorkspace(workspace, []);
      makeRepository(workspace);
      play(workspace);
      restoreWorkspace([guarded], scratch);
      for (const path of [".envrc", ".vscode", ".github/workflows", ".git/hooks/pre-commit"])
        assert.ok(!existsSync(join(workspace, path)), path);
      assert.doesNotMatch(readFileSync(join(workspace, ".git/config"), "utf8"), /fsmonitor/);
    }));

test("a link in the place of the repository is not followed", () =>
  asOrdinaryUser((workspace, scratch) => {
    const outside = join(scratch, "outside");
    mkdirSync(outside);
    makeRepository(outside);
    const guarded = guardWorkspace(workspace, []);
    symlinkSync(join(outside, ".git"), join(workspace, ".git"));
    restoreWorkspace([guarded], scratch);
    assert.equal(readFileSync(join(outside, ".git/config"), "utf8"), evil);
    assert.ok(existsSync(join(outside, ".git/hooks/pre-commit")));
    assert.ok(!existsSync(join(workspace, ".git")));
  }));

test("where a linked worktree takes its configuration from is guarded", () =>
  asOrdinaryUser((workspace) => {
    const tree = join(workspace, ".git/worktrees/one");
    mkdirSync(tree, { recursive: true });
    writeFileSync(join(tree, "commondir"), "../..\n");
    const guarded = guardWorkspace(workspace, []);
    assert.ok(guarded.readOnly.includes(join(tree, "commondir")));
    assert.ok(guarded.absent.includes(join(tree, "config.worktree")));
    assert.ok(guarded.around.includes(tree));
  }));

test("a link that an earlier run left in the agent's home is not on the way of a mount", () =>
  asOrdinaryUser((home, outside) => {
    symlinkSync(outside, join(home, "tool"));
    mkdirSync(join(home, "closed"));
    symlinkSync(outside, join(home, "closed/project"));
    writeFileSync(join(home, "file"), "");
    chmodSync(join(home, "closed"), 0);
    for (const path of ["tool/bin", "closed/project", "file/bin", "nowhere/bin"]) clearWay(home, join(home, path));
    for (const path of ["tool", "closed/project", "file"]) assert.ok(!existsSync(join(home, path)), path);
    assert.ok(existsSync(outside));
  }));
