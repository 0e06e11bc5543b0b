import assert from "node:assert/strict";
import { test } from "node:test";
import { member, parseJson } from "./json.ts";

test("a text that is no JSON is null", () => {
  for (const text of ["", "{", "{'a':1}", "undefined", "null"]) assert.equal(parseJson(text), null, text);
  assert.deepEqual(parseJson('{"a":[1]}'), { a: [1] });
});

test("only an object's own members are found", () => {
  assert.equal(member({ a: 1 }, "a"), 1);
  assert.equal(member(parseJson('{"__proto__":2}'), "__proto__"), 2);
  for (const value of [undefined, null, 1, "text", true, {}, Object.create({ a: 1 })])
    assert.equal(member(value, "a"), undefined);
  assert.equal(member({}, "constructor"), undefined);
  assert.equal(member("text", "length"), undefined);
});
