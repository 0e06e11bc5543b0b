import assert from "node:assert/strict";
import { test } from "node:test";
import { changedLines } from "./text-change.ts";

for (const [what, before, after, changes] of [
  ["nothing", "a = 1\n", "a = 1\n", []],
  ["comments, spaces and order", "a = 1\nb = 2\n", "# new\n  b = 2\n\na = 1\n", []],
  ["a value", "max = 300\n", "max = 600\n", ["max + 600 - 300"]],
  [
    "an element",
    'allow = ["a.example", "b.example"]',
    'allow = ["b.example", "c.example"]',
    ['allow + "c.example" - "a.example"'],
  ],
  [
    "an element on a line of its own",
    'allow = [\n"a.example",\n]',
    'allow = [\n"a.example",\n"b.example",\n]',
    ['+ "b.example",'],
  ],
  ["a section", "a = 1", 'a = 1\n[[network.rule]]\nhost = "x"', ["+ [[network.rule]]", '+ host = "x"']],
  ["what is gone", "a = 1\nb = 2", "a = 1", ["- b = 2"]],
  ["a line that is there once more", "[[r]]\na = 1", "[[r]]\na = 1\n[[r]]\na = 1", ["+ [[r]]", "+ a = 1"]],
  ["YAML", "level: strict", "level: standard", ["level + standard - strict"]],
] as const) {
  test(`what changed, at a glance: ${what}`, () => assert.deepEqual(changedLines(before, after), changes));
}
