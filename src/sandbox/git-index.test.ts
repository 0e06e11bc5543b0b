// Real indexes, made by git itself, and bytes that are none.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isBelow, parseIndexLinks } from "./git-index.ts";

const base = mkdtempSync(join(tmpdir(), "git-index-"));
after(() => rmSync(base, { recursive: true, force: true }));

const links = ["a/deep/part", "part", `z${"y".repeat(5000)}`.replace(/(.{200})/g, "$1/")];

function repository(name: string, format: string): string {
  const path = join(base, name);
  mkdirSync(path);
  const git = (...args: string[]) => execFileSync("git", ["-C", path, ...args], { stdio: "pipe" });
  git("init", "-q", `--object-format=${format}`);
  for (let at = 0; at < 50; at++) writeFileSync(join(path, `file-${"x".repeat(at)}`), "");
  git("add", ".");
  const id = "1".repeat(format === "sha1" ? 40 : 64);
  for (const link of links) git("update-index", "--add", "--cacheinfo", `160000,${id},${link}`);
  return path;
}

const index = (path: string) => readFileSync(join(path, ".git/index"));

for (const format of ["sha1", "sha256"])
  for (const version of [2, 3, 4])
    test(`an index of version ${version} with ${format} names its links`, () => {
      const path = repository(`${format}-${version}`, format);
      writeFileSync(join(path, "new"), "");
      if (version === 3) execFileSync("git", ["-C", path, "add", "-N", "new"]);
      execFileSync("git", ["-C", path, "update-index", "--index-version", String(version)]);
      assert.deepEqual(parseIndexLinks(index(path)), { paths: [...links].sort(), shared: null });
    });

test("a split index names its other half, and that names the links", () => {
  const path = repository("split", "sha1");
  execFileSync("git", ["-C", path, "update-index", "--split-index"]);
  const { shared } = parseIndexLinks(index(path)) ?? { shared: null };
  const file = readdirSync(join(path, ".git")).find((name) => name.startsWith("sharedindex."));
  assert.equal(`sharedindex.${shared}`, file);
  assert.deepEqual(parseIndexLinks(readFileSync(join(path, ".git", file ?? "")))?.paths, [...links].sort());
});

test("bytes that are no index name nothing, wherever they are cut or changed", () => {
  const bytes = index(repository("cut", "sha1"));
  assert.equal(parseIndexLinks(Buffer.alloc(0)), null);
  assert.equal(parseIndexLinks(Buffer.from("DIRC")), null);
  for (let at = 0; at < bytes.length; at += 7) {
    parseIndexLinks(bytes.subarray(0, at));
    const changed = Buffer.from(bytes);
    changed[at] = (changed[at] ?? 0) ^ 0xff;
    const found = parseIndexLinks(changed);
    for (const path of found?.paths ?? []) assert.ok(isBelow(path), JSON.stringify(path));
  }
});

for (const path of ["", "/a", "a//b", "a/..", "../a", "a/.git", ".GIT/x", "a/", "./a", "a\0b"])
  test(`${JSON.stringify(path)} is no path below`, () => assert.equal(isBelow(path), false));
