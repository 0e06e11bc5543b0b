import assert from "node:assert/strict";
import { test } from "node:test";
import { MALFORMED, MORE } from "./http1-bytes.ts";
import { ChunkedFraming } from "./http1-chunked.ts";

function feed(text: string): number {
  const bytes = Buffer.from(text, "latin1");
  return new ChunkedFraming().feed(bytes, 0, bytes.length);
}

const whole: readonly string[] = [
  "0\r\n\r\n",
  "5\r\nhello\r\n0\r\n\r\n",
  "A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n",
  "1\r\nx\r\n0\r\nChecksum: abc\r\nX-Other:\r\n\r\n",
];

for (const text of whole) {
  test(`a body ends where its last chunk does: ${JSON.stringify(text)}`, () => {
    assert.equal(feed(`${text}GET / HTTP/1.1`), text.length);
    for (let length = 0; length < text.length; length++) assert.equal(feed(text.slice(0, length)), MORE);
    const framing = new ChunkedFraming();
    const bytes = Buffer.from(text, "latin1");
    for (let i = 0; i < bytes.length - 1; i++) assert.equal(framing.feed(bytes, i, i + 1), MORE);
    assert.equal(framing.feed(bytes, bytes.length - 1, bytes.length), bytes.length);
  });
}

const malformed: readonly [why: string, text: string][] = [
  ["an extension", "5;a=b\r\nhello\r\n0\r\n\r\n"],
  ["an extension of nothing", "5;\r\nhello\r\n0\r\n\r\n"],
  ["space behind the size", "5 \r\nhello\r\n0\r\n\r\n"],
  ["space before the size", " 5\r\nhello\r\n0\r\n\r\n"],
  ["a prefix", "0x5\r\nhello\r\n0\r\n\r\n"],
  ["a sign", "+5\r\nhello\r\n0\r\n\r\n"],
  ["no size", "\r\nhello\r\n0\r\n\r\n"],
  ["bare LF behind the size", "5\nhello\r\n0\r\n\r\n"],
  ["bare CR behind the size", "5\rhello\r\n0\r\n\r\n"],
  ["a size too small", "4\r\nhello\r\n0\r\n\r\n"],
  ["bare LF behind the data", "5\r\nhello\n0\r\n\r\n"],
  ["a size beyond 2^52", "FFFFFFFFFFFFFFFF\r\n"],
  ["many leading zeros", "00000000000005\r\nhello\r\n0\r\n\r\n"],
  ["a trailer that frames", "0\r\nContent-Length: 5\r\n\r\n"],
  ["a trailer that routes", "0\r\nHost: b\r\n\r\n"],
  ["a trailer that rewrites", "0\r\nX-Original-URL: /b\r\n\r\n"],
  ["a trailer without a name", "0\r\n: b\r\n\r\n"],
  ["a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"],
  ["bare LF in a trailer", "0\r\nA: b\n\r\n"],
  ["bare LF at the end", "0\r\n\n"],
  ["endless trailers", `0\r\n${"A: b\r\n".repeat(2000)}\r\n`],
];

for (const [why, text] of malformed) test(`refused: ${why}`, () => assert.equal(feed(text), MALFORMED));
