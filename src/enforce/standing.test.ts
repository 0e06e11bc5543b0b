import assert from "node:assert/strict";
import { test } from "node:test";
import type { Allow } from "#core/decision.ts";
import { createStanding } from "./standing.ts";

const allow = (rule: string): Allow => ({
  verdict: "allow",
  rule,
  obligations: { tls: "terminate", protocol: "any", private: [], bodyOnGet: false },
});

test("a subject stands until its token's time is over, to the millisecond, and never again", () => {
  let now = 999;
  const standing = createStanding(1000, () => now);
  assert.equal(standing.ended(), null);
  now = 1000;
  assert.equal(standing.ended()?.reason, "token_expired");
  now = 0;
  assert.equal(standing.ended()?.reason, "token_expired", "a clock that is set back gives nothing back");
});

test("the first reason is the one that is told", () => {
  const standing = createStanding(1000, () => 0);
  standing.end("token_revoked", "its grant was revoked");
  standing.end("internal_error", "the revocations cannot be read");
  assert.deepEqual([standing.ended()?.reason, standing.ended()?.detail], ["token_revoked", "its grant was revoked"]);
});

test("a rule that was taken back closes what it alone opened", () => {
  const standing = createStanding(1000, () => 0);
  assert.equal(standing.closed(allow("github")), null);
  standing.close("github");
  assert.equal(standing.closed(allow("github"))?.reason, "token_revoked");
  assert.equal(standing.closed(allow("other")), null);
  assert.equal(standing.ended(), null);
});
