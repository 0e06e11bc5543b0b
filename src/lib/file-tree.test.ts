import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { measureTree, removeTree } from "./file-tree.ts";

const dir = mkdtempSync(join(tmpdir(), "sallyport-tree-"));
const here = process.cwd();
after(() => {
  process.chdir(here);
  rmSync(dir, { recursive: true, force: true });
});

test("a tree is measured without following links", () => {
  const tree = join(dir, "measured");
  mkdirSync(join(tree, "below"), { recursive: true });
  writeFileSync(join(tree, "a"), "12345");
  writeFileSync(join(tree, "below", "b"), "123");
  writeFileSync(join(dir, "outside"), "x".repeat(1000));
  symlinkSync(join(dir, "outside"), join(tree, "l"));
  symlinkSync(dir, join(tree, "m"));
  const links = join(dir, "outside").length + dir.length;
  assert.deepEqual(measureTree(tree), { bytes: 8 + links, files: 4 });
  assert.deepEqual(measureTree(join(dir, "none")), { bytes: 0, files: 0 });
});

test("a read-only tree is removed, and nothing that its links lead to", () => {
  const tree = join(dir, "removed");
  mkdirSync(join(tree, "closed", "deep"), { recursive: true });
  writeFileSync(join(tree, "closed", "deep", "file"), "", { mode: 0o400 });
  mkdirSync(join(dir, "kept"));
  writeFileSync(join(dir, "kept", "file"), "");
  symlinkSync(join(dir, "kept"), join(tree, "link"));
  chmodSync(join(tree, "closed", "deep"), 0o500);
  chmodSync(join(tree, "closed"), 0o000);
  removeTree(tree);
  assert.ok(!existsSync(tree));
  assert.ok(existsSync(join(dir, "kept", "file")));
  removeTree(tree);
});

test("a tree that is deeper than any path is removed", () => {
  const tree = join(dir, "deep");
  mkdirSync(tree);
  process.chdir(tree);
  for (let level = 0; level < 100; level++) {
    mkdirSync("d".repeat(200));
    process.chdir("d".repeat(200));
  }
  writeFileSync("file", "");
  process.chdir(here);
  assert.ok(measureTree(tree).files <= 1);
  removeTree(tree);
  assert.ok(!existsSync(tree));
});

test("a tree that is deeper than a program's stack is removed", () => {
  const tree = join(dir, "deepest");
  mkdirSync(tree);
  process.chdir(tree);
  for (let level = 0; level < 20_000; level++) {
    mkdirSync("d");
    process.chdir("d");
  }
  process.chdir(here);
  removeTree(tree);
  assert.ok(!existsSync(tree));
});
