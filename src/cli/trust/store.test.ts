import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { listTrust, revokeTrust, trust, trustOf, trustPath } from "./store.ts";

let root: string;
let home: string;
let file: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sallyport-trust-"));
  home = join(root, "home");
  mkdirSync(join(root, "project"));
  file = join(root, "project", "sallyport.policy.toml");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const text = (content = "a = 1\n") => ({ file, name: "sallyport.policy.toml", text: content });
const now = new Date("2026-11-21T12:00:00Z");

test("a policy is trusted as the very text that was trusted", () => {
  assert.equal(trustOf(home, text()).state, "unknown");
  trust(home, text(), [], now);
  assert.equal(trustOf(home, text()).state, "trusted");
  const changed = trustOf(home, text("a = 2\n"));
  assert.deepEqual([changed.state, changed.record?.text], ["changed", "a = 1\n"]);
});

test("the same text elsewhere is not trusted, also behind a link to the trusted one", () => {
  writeFileSync(file, "a = 1\n");
  trust(home, text(), [], now);
  const other = join(root, "other");
  mkdirSync(other);
  symlinkSync(file, join(other, "sallyport.policy.toml"));
  const linked = { ...text(), file: join(other, "sallyport.policy.toml") };
  assert.equal(trustOf(home, linked).state, "unknown");
});

test("a link to the folder is the folder", () => {
  trust(home, text(), [], now);
  symlinkSync(join(root, "project"), join(root, "link"));
  assert.equal(trustOf(home, { ...text(), file: join(root, "link", "sallyport.policy.toml") }).state, "trusted");
});

test("a file that the policy names is trusted with it, as it is", () => {
  const ca = join(root, "project", "ca.pem");
  writeFileSync(ca, "one");
  trust(home, text(), [ca], now);
  assert.equal(trustOf(home, text()).state, "trusted");
  writeFileSync(ca, "two");
  assert.equal(trustOf(home, text()).state, "changed");
  rmSync(ca);
  assert.equal(trustOf(home, text()).state, "changed");
});

test("a record is the user's alone", () => {
  trust(home, text(), [], now);
  const folder = join(home, "trusted");
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  for (const name of readdirSync(folder)) assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
});

test("what is trusted is listed, and can be revoked once", () => {
  assert.deepEqual(listTrust(home), []);
  trust(home, text(), [], now);
  assert.deepEqual(
    listTrust(home).map(({ path, trusted }) => [path, trusted]),
    [[trustPath(file), "2026-11-21T12:00:00.000Z"]],
  );
  assert.deepEqual([revokeTrust(home, trustPath(file)), revokeTrust(home, trustPath(file))], [true, false]);
  assert.equal(trustOf(home, text()).state, "unknown");
});

test("a record that cannot be read stops, and is not taken for no trust or for trust", () => {
  trust(home, text(), [], now);
  const [name = ""] = readdirSync(join(home, "trusted"));
  for (const broken of ["{", "null", "{}"]) {
    writeFileSync(join(home, "trusted", name), broken);
    assert.throws(() => trustOf(home, text()), { code: "home_unusable" });
  }
});
