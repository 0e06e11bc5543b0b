import assert from "node:assert/strict";
import { test } from "node:test";
import { parsePlace } from "./place.ts";

for (const [text, normal] of [
  ["/data/agent/*", "/data/agent/*"],
  ["//data///x/", "/data/x"],
  ["~", "~"],
  ["~/", "~"],
  ["~/notes/**/*.md", "~/notes/**/*.md"],
  [".", "."],
  ["./.env", "./.env"],
  ["./**/.env", "./**/.env"],
  ["/a b/ü", "/a b/ü"],
  ["~foo", null],
  ["data", null],
  ["", null],
  ["/", null],
  ["//", null],
  ["/a/../b", null],
  ["./..", null],
  ["/a/./b", null],
  ["/a/**b", null],
  ["/a\0b", null],
  ["..", null],
  [".env", null],
] as const)
  test(`${JSON.stringify(text)} is ${normal === null ? "no path" : normal}`, () => {
    const parsed = parsePlace(text);
    assert.equal(parsed.ok ? parsed.value : null, normal);
    if (parsed.ok) assert.deepEqual(parsePlace(parsed.value), parsed, "the normal form is its own");
  });
