import assert from "node:assert/strict";
import { test } from "node:test";
import { maxLook, type Spoken, spokenBy } from "./first-bytes.ts";

const cases: readonly [text: string, spoken: Spoken][] = [
  ["", "more"],
  ["\x16", "more"],
  ["\x16\x03", "tls"],
  ["\x16\x03\x01\x02\x00\x01", "tls"],
  ["\x16\x02", "tcp"],
  ["\x80\x2e\x01\x03\x01", "tcp"],
  ["G", "more"],
  ["GET", "more"],
  ["GET ", "more"],
  ["GET /", "http"],
  ["M-SEARCH * HTTP/1.1\r\n", "http"],
  ["OPTIONS *", "http"],
  ["get / HTTP/1.1", "http"],
  ["\r\nGET / HTTP/1.1", "http"],
  ["  GET / HTTP/1.1", "http"],
  ["GET\t/ HTTP/1.1", "http"],
  ["GET http", "more"],
  ["GET http://a/ HTTP/1.1", "http"],
  ["GET HTTPS://a/ HTTP/1.1", "http"],
  ["PRI", "more"],
  ["PRI * HTTP/2", "more"],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"],
  ["PRI * HTTP/1.1\r\n", "http"],
  ["SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "tcp"],
  ["EHLO example.com\r\n", "tcp"],
  ["USER a 0 * :x\r\n", "tcp"],
  ["*1\r\n$4\r\nPING\r\n", "tcp"],
  ["\x00\x00\x00\x08\x04\xd2\x16\x2f", "tcp"],
  ["A".repeat(40), "tcp"],
  ["\r\n".repeat(maxLook), "tcp"],
];

for (const [text, spoken] of cases) {
  test(`${JSON.stringify(text.slice(0, 40))} is ${spoken}`, () => {
    assert.equal(spokenBy(Buffer.from(text, "latin1")), spoken);
  });
}

test("no beginning of what is clear later says something else", () => {
  for (const [text, spoken] of cases) {
    const bytes = Buffer.from(text, "latin1");
    for (let length = 0; length < bytes.length; length++) {
      const early = spokenBy(bytes.subarray(0, length));
      assert.ok(early === "more" || early === spoken, `${JSON.stringify(text.slice(0, length))} is ${early}`);
    }
  }
});
