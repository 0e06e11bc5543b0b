import assert from "node:assert/strict";
import { test } from "node:test";
import { compilePolicy } from "./compile.ts";
import { parsePolicy } from "./parse.ts";

const merged = (...texts: string[]) =>
  compilePolicy(texts.map((text, at) => parsePolicy(`# zero_trust.runtime.v1\n${text}`, { name: `${at}.toml` })));
const fs = (text: string) => `[filesystem]\n${text}\n`;

test("a policy that says nothing about files leaves it to the others", () => {
  assert.deepEqual(merged("", fs('allow_read = ["/a"]')).filesystem, {
    parts: [{ read: ["/a"], write: [] }],
    deny: [],
    workspace: "write",
  });
  assert.deepEqual(merged("", "").filesystem.parts, []);
});

test("a policy that only denies does not bound what others show", () => {
  const { parts, deny } = merged(fs('deny = ["/a/b"]'), fs('allow_read = ["/a"]\ndeny = ["/a/c", "/a/b"]')).filesystem;
  assert.deepEqual(parts, [{ read: ["/a"], write: [] }]);
  assert.deepEqual(deny, ["/a/b", "/a/c"]);
});

test('default = "deny" alone bounds the others to nothing more', () => {
  assert.deepEqual(merged(fs('default = "deny"'), fs('allow_read = ["/a"]')).filesystem.parts, [
    { read: [], write: [] },
    { read: ["/a"], write: [] },
  ]);
});

for (const [one, other, holds] of [
  ["write", "read", "read"],
  ["copy", "write", "copy"],
  ["copy", "read", "read"],
] as const)
  test(`a workspace to ${one} and to ${other} is to ${holds}`, () => {
    for (const order of [
      [one, other],
      [other, one],
    ])
      assert.equal(merged(...order.map((word) => fs(`workspace = "${word}"`))).filesystem.workspace, holds);
  });

test("strict makes the workspace read-only, forbids nesting and ends at the first violation, unless one says how it is shown", () => {
  const strict = '[execution]\nlevel = "strict"\nnested_sandbox = "allow"\n';
  const { filesystem, execution } = merged(strict);
  assert.equal(filesystem.workspace, "read");
  assert.equal(execution.nestedSandbox, "deny");
  assert.equal(execution.terminateOnPolicyViolation, true);
  assert.equal(merged(strict, fs('workspace = "write"')).filesystem.workspace, "write");
});
