import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jsonProblem } from "./json-syntax.ts";
import { parsePolicy } from "./parse.ts";

for (const [text, at, message] of [
  ["", 0, /ends too early/],
  ['{"a": }', 6, /"}" where a value/],
  ['{"a":1,\n}', 8, /"}" where a key in quotes/],
  ["[1,]", 3, /"\]" where a value/],
  ['{"a":1}x', 7, /"x" after its end/],
  ["{a:1}", 1, /"a" where a key in quotes/],
  ['{"a" 1}', 5, /"1" where ":"/],
  ["[1 2]", 3, /"2" where ","/],
  ['["\n"]', 2, /control character/],
  ['["\\x"]', 2, /escape/],
  ['["a', 3, /does not end/],
  ["[01]", 1, /"0" where a value/],
  ["[tru]", 1, /"t" where a value/],
  ['{"a":1]', 6, /"\]" where ","/],
] as const) {
  test(`no JSON, and where: ${JSON.stringify(text)}`, () => {
    const problem = jsonProblem(text);
    assert.equal(problem?.at, at);
    assert.match(problem?.message ?? "", message);
  });
}

test("what it takes for JSON is exactly what JSON.parse takes", () => {
  const inserted = fc.constantFrom<string>("", ...Array.from('[]{}",:0-e.\\tn \n\u0001'));
  const mutated = fc.tuple(fc.json(), fc.nat(), inserted).map(([text, at, c]) => {
    const where = at % (text.length + 1);
    return text.slice(0, where) + c + text.slice(where + (at % 2));
  });
  fc.assert(
    fc.property(fc.oneof(fc.json(), mutated), (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const problem = jsonProblem(text);
      assert.equal(problem === null, valid, problem?.message ?? text);
      assert.ok(problem === null || problem.at <= text.length);
    }),
    { numRuns: 3000 },
  );
});

test("a policy that is no JSON says so at its line and column", () => {
  assert.throws(() => parsePolicy('{\n  "network": {\n    "allow": ["a.example",]\n  }\n}', { name: "p.json" }), {
    code: "policy_invalid",
    place: "p.json:3:27",
  });
});
