import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#core/failure.ts";
import { denyReasons } from "#core/reason.ts";
import { allCodes } from "./codes.ts";
import { explained } from "./explain-code.ts";

test("every deny reason has a meaning, a remedy and a status", () => {
  for (const reason of Object.keys(denyReasons)) {
    const text = allCodes().find((each) => each.code === reason && each.kind === "denial");
    assert.ok(text, reason);
    assert.match(text.meaning, /\.$/);
    assert.match(text.remedy, /\.$/);
    assert.ok(text.status !== undefined && text.status >= 400);
  }
});

test("a code that is a denial and a failure is explained as both", () => {
  const kinds = explained("not_enforced_yet", allCodes()).map((each) => each.kind);
  assert.deepEqual(kinds, ["denial", "failure"]);
});

test("a misspelt code is answered with the one that was meant", () => {
  for (const [asked, meant] of [
    ["domain_not_alowed", "domain_not_allowed"],
    ["private-address", "private_address"],
    ["max_runtme", "max_runtime"],
  ] as const) {
    assert.throws(
      () => explained(asked, allCodes()),
      (error) => error instanceof Failure && error.code === "usage" && error.remedy === `Did you mean ${meant}?`,
    );
  }
  assert.throws(
    () => explained("qqqqqqqqqqqqqqqq", allCodes()),
    (error) => error instanceof Failure && error.remedy === "sallyport explain-code lists all codes.",
  );
});
