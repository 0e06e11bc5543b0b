import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { utcText } from "./utc.ts";

test("a date is the one that Date writes, for every second of the years 1970 to 9999", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 253_402_300_799 }), (seconds) => {
      assert.equal(utcText(seconds), new Date(seconds * 1000).toISOString().replace(".000", ""));
    }),
    { numRuns: 5000 },
  );
});
