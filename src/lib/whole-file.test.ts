import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { writeWhole } from "./whole-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "sallyport-whole-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a file is made, and replaced with its mode, and nothing else is left", () => {
  const file = join(folder, "record");
  writeWhole(file, "one", 0o400);
  writeWhole(file, "two", 0o600);
  assert.equal(readFileSync(file, "utf8"), "two");
  assert.equal(lstatSync(file).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(folder), ["record"]);
});

test("a link is replaced, and what it leads to stays as it is", () => {
  const [other, file] = [join(folder, "other"), join(folder, "record")];
  writeFileSync(other, "kept");
  symlinkSync(other, file);
  writeWhole(file, "new", 0o600);
  assert.equal(readFileSync(other, "utf8"), "kept");
  assert.ok(lstatSync(file).isFile());
});

test("what cannot be put in its place leaves nothing behind", () => {
  const file = join(folder, "record");
  mkdirSync(join(file, "full"), { recursive: true });
  assert.throws(() => writeWhole(file, "new", 0o600));
  assert.deepEqual(readdirSync(folder), ["record"]);
});
