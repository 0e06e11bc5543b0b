import assert from "node:assert/strict";
import { test } from "node:test";
import canonicalize from "canonicalize";
import { double, assert as holds, jsonValue, property } from "fast-check";
import type { JsonValue } from "#core/event.ts";
import { canonicalJson, wellFormed } from "./canonical-json.ts";

// The samples of RFC 8785: section 3.2.2 (one of everything), 3.2.3 (sorting), appendix B (numbers).
const samples: readonly { readonly title: string; readonly value: string; readonly text: string }[] = [
  {
    title: "the sample of section 3.2.2",
    value: String.raw`{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }`,
    text: String.raw`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`,
  },
  {
    title: "the sorting of section 3.2.3: UTF-16 code units, not code points",
    value: String.raw`{
      "\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
      "\ud83d\ude00": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"
    }`,
    text: '{"\\r":"Carriage Return","1":"One","\u0080":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}',
  },
  {
    title: "structures",
    value:
      '{ "1": {"f": {"f": "hi","F": 5} ,"\\n": 56.0}, "10": { }, "": "empty", "a": { }, "111": [ {"e": "yes","E": "no" } ], "A": { } }',
    text: '{"":"empty","1":{"\\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{"E":"no","e":"yes"}],"A":{},"a":{}}',
  },
  {
    title: "arrays keep their order",
    value: '[ 56, { "d": true, "10": null, "1": [ ] } ]',
    text: '[56,{"1":[],"10":null,"d":true}]',
  },
  {
    title: "no Unicode normalisation",
    value: String.raw`{"Unnormalized Unicode":"A\u030a"}`,
    text: '{"Unnormalized Unicode":"A\u030a"}',
  },
  {
    title: "a member named __proto__",
    value: '{"__proto__":{"b":1,"a":2},"a":1}',
    text: '{"__proto__":{"a":2,"b":1},"a":1}',
  },
];

for (const { title, value, text } of samples) {
  test(`RFC 8785: ${title}`, () => assert.equal(canonicalJson(JSON.parse(value) as JsonValue), text));
}

// Appendix B: IEEE 754 bits and the number they are written as.
const numbers: readonly (readonly [bits: string, text: string])[] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
];

for (const [bits, text] of numbers) {
  test(`RFC 8785, appendix B: ${bits} is ${text}`, () => {
    assert.equal(canonicalJson(Buffer.from(bits, "hex").readDoubleBE()), text);
  });
}

const refused: readonly (readonly [title: string, value: unknown])[] = [
  ["NaN", Number.NaN],
  ["an infinity", Number.NEGATIVE_INFINITY],
  ["a bigint", 1n],
  ["undefined in an object", { a: undefined }],
  ["undefined in an array", [undefined]],
  ["a hole in an array", new Array(1)],
  ["a function", { a: () => 1 }],
  ["a symbol", Symbol("a")],
  ["a lone high surrogate", "a\ud800"],
  ["a lone low surrogate in a key", { "\udc00": 1 }],
  ["a date", new Date(0)],
  ["a map", new Map()],
  ["bytes", Buffer.from("a")],
  ["a value nested without end", nested(100_000)],
];

function nested(depth: number): unknown {
  let value: unknown = [];
  for (let level = 0; level < depth; level++) value = [value];
  return value;
}

for (const [title, value] of refused) {
  test(`${title} has no canonical form`, () => assert.throws(() => canonicalJson(value as JsonValue), TypeError));
}

test("a value that holds itself is refused, not followed", () => {
  const value: { self?: unknown } = {};
  value.self = value;
  assert.throws(() => canonicalJson(value as JsonValue), TypeError);
});

test("hostile text becomes well-formed, and only its lone surrogates change", () => {
  assert.equal(wellFormed("a\ud800b\udc00😀\u0000"), "a\ufffdb\ufffd😀\u0000");
});

test("any JSON value gets the text that another implementation gives it", () => {
  const value = jsonValue({ noUnicodeString: false, maxDepth: 6 });
  holds(
    property(value, (found) => assert.equal(canonicalJson(found as JsonValue), canonicalize(found))),
    { numRuns: 2000 },
  );
});

test("any number gets the text that another implementation gives it, and reads back as itself", () => {
  holds(
    property(double({ noNaN: true, noDefaultInfinity: true }), (found) => {
      assert.equal(canonicalJson(found), canonicalize(found));
      assert.equal(Number(canonicalJson(found)) === found, true);
    }),
    { numRuns: 2000 },
  );
});

test("the text of a value is the text of what it reads back as", () => {
  holds(
    property(jsonValue({ noUnicodeString: false }), (found) => {
      const text = canonicalJson(found as JsonValue);
      assert.equal(canonicalJson(JSON.parse(text) as JsonValue), text);
    }),
  );
});
