import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isAmbiguousPath, normalPath } from "./http-path.ts";

const normal: readonly (readonly [target: string, path: string])[] = [
  ["/", "/"],
  ["/a/b", "/a/b"],
  ["/a/b/", "/a/b/"],
  ["/a?b=/../c", "/a"],
  ["/a?x=%2e%2e/;#".slice(0, -1), "/a"],
  ["/?", "/"],
  ["/%41%7e", "/A~"],
  ["/%c3%a9", "/%C3%A9"],
  ["/a%20b", "/a%20b"],
  ["/a%3ab", "/a%3Ab"],
  ["/.well-known/x", "/.well-known/x"],
  ["/...", "/..."],
  ["/a.b/..c/d..", "/a.b/..c/d.."],
  ["/@scope%40/x:y!$&'()*+,=", "/@scope%40/x:y!$&'()*+,="],
];
for (const [target, path] of normal)
  test(`the path of ${target} is ${path}`, () => assert.equal(normalPath(target), path));

const ambiguous = [
  "",
  "*",
  "a",
  "http://example.com/",
  "//",
  "//a",
  "/a//b",
  "/a//",
  "/.",
  "/..",
  "/a/./b",
  "/a/../b",
  "/a/..",
  "/a/..?x",
  "/a/.?x",
  "/%2e",
  "/a/%2e%2e/b",
  "/a/.%2E/b",
  "/a/%2e./b",
  "/a%2fb",
  "/a%2Fb",
  "/a%5cb",
  "/a\\b",
  "/a;b",
  "/a%3bb",
  "/a/..;/b",
  "/a%00",
  "/a%0d%0a",
  "/a%7f",
  "/a%252e",
  "/a%25",
  "/a%",
  "/a%2",
  "/a%zz",
  "/a%23",
  "/a%3fb",
  "/a#b",
  "/ok#/../secret",
  "/a?b#c",
  "/a b",
  "/a\tb",
  "/a\0b",
  "/é",
  "/a%c0%af",
  "/a%ff",
  "/a%ed%a0%80",
];
for (const target of ambiguous) {
  test(`${JSON.stringify(target)} could be read in two ways`, () => {
    assert.equal(normalPath(target), null);
    assert.equal(isAmbiguousPath(target), true);
  });
}

test("a normal path is its own normal form, and a URL object reads it the same", () => {
  const pathlike = fc
    .string({ unit: fc.constantFrom(..."/ab.%2eEfFcC35;?#\\ "), maxLength: 24 })
    .map((text) => `/${text}`);
  fc.assert(
    fc.property(pathlike, (target) => {
      const path = normalPath(target);
      if (path === null) return;
      assert.equal(normalPath(path), path);
      assert.equal(normalPath(new URL(target, "http://a").pathname), path);
    }),
    { numRuns: 2000 },
  );
});
