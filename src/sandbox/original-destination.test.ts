import assert from "node:assert/strict";
import { test } from "node:test";
import { ipv6Text } from "./original-destination.ts";

for (const [hex, text] of [
  ["20010db8000000000000000000000007", "2001:db8::7"],
  ["00000000000000000000000000000000", "::"],
  ["00000000000000000000000000000001", "::1"],
  ["fd000000000000000000000000000053", "fd00::53"],
  ["20010db8000000010000000000010001", "2001:db8:0:1::1:1"],
  ["20010db8000100010001000100010001", "2001:db8:1:1:1:1:1:1"],
  ["20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"],
  ["20010000000000000000000000000000", "2001::"],
] as const)
  test(`${text} is written as RFC 5952 says`, () => {
    assert.equal(ipv6Text(Buffer.from(hex, "hex")), text);
  });
