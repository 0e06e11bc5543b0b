import assert from "node:assert/strict";
import { test } from "node:test";
import { boolean, constantFrom, assert as holds, integer, oneof, property, record, string } from "fast-check";
import type { HttpAction } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import { allow, deny, request, subjectOf } from "#test/log/sample.ts";
import { createLineWriter } from "./line.ts";

const lines = createLineWriter(subjectOf("20261121-124652-7f3a9c"));
const out = Buffer.alloc(lines.request.room + 8);
const time = "2026-11-21T12:46:52.345Z";

/** What the direct writer makes of it; null where it leaves it to the other. */
function direct(action: HttpAction, decision: Decision, seq: number): string | null {
  out.fill(0);
  const end = lines.request.write(out, 4, action, decision, seq, "ab".repeat(32), time);
  if (end < 0) return null;
  assert.ok(end - 4 < lines.request.room, `${end} bytes`);
  return out.toString("utf8", 4, end);
}

function asText(action: HttpAction, decision: Decision, seq: number): string {
  return lines.line({ type: "action", action, decision }, seq, "ab".repeat(32), time);
}

const plain = request("/a?b=c") as HttpAction;
const written: readonly (readonly [title: string, action: HttpAction, decision: Decision])[] = [
  ["an allowed request", plain, allow],
  ["a denied one", plain, deny],
  ["a body in the clear", { ...plain, scheme: "http", port: 80, method: "POST", body: true }, allow],
  ["a long path", { ...plain, path: `/${"a".repeat(8000)}` }, allow],
  ["a rule with a name that is not ASCII", plain, { ...allow, rule: "modèles" }],
];

for (const [title, action, decision] of written) {
  test(`${title} is put straight into the buffer, as the same bytes`, () => {
    for (const seq of [1, 9, 10, 4_294_967_296, Number.MAX_SAFE_INTEGER]) {
      assert.equal(direct(action, decision, seq), asText(action, decision, seq));
    }
  });
}

const left: readonly (readonly [title: string, action: HttpAction, decision?: Decision])[] = [
  ["a quote", { ...plain, path: '/"' }],
  ["a backslash", { ...plain, path: "/\\" }],
  ["a control", { ...plain, path: "/\n" }],
  ["DEL", { ...plain, method: "\u007f" }],
  ["what is not ASCII", { ...plain, host: "é" }],
  ["an upgrade", { ...plain, upgrade: "websocket" }],
  ["a path that is to be cut", { ...plain, path: `/${"a".repeat(8192)}` }],
  ["a path without end", { ...plain, path: `/${"a".repeat(60_000)}` }],
  [
    "a decision without end",
    plain,
    { ...deny, detail: "x".repeat(8000), remedy: "y".repeat(8000), rule: "z".repeat(8000) },
  ],
];

for (const [title, action, decision = allow] of left) {
  test(`${title} is left to the other writer`, () => assert.equal(direct(action, decision, 1), null));
}

test("whatever the request, the bytes are those of the other writer or none", () => {
  const actions = record({
    kind: constantFrom("http" as const),
    scheme: constantFrom("http" as const, "https" as const),
    host: string({ unit: "grapheme-ascii" }),
    port: integer({ min: 0, max: 65_535 }),
    method: constantFrom("GET", "POST", "X-Y"),
    path: oneof(
      string({ unit: "binary-ascii", maxLength: 40 }),
      integer({ min: 8150, max: 8200 }).map((n) => "/".repeat(n)),
    ),
    body: boolean(),
    upgrade: constantFrom(null, null, "websocket"),
  });
  holds(
    property(actions, integer({ min: 1 }), (action, seq) => {
      const found = direct(action, allow, seq);
      if (found !== null) assert.equal(found, asText(action, allow, seq));
    }),
    { numRuns: 2000 },
  );
});
