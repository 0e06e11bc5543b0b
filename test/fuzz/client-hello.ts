// src/proxy/wire/client-hello.ts: never throws, says nothing before the end that it takes back, and reads one hello alike
// however it is cut into records and whatever follows it.

import assert from "node:assert/strict";
import { mostClientHelloBytes, parseClientHello } from "#proxy/wire/client-hello.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");

const record = (body: Buffer) =>
  Buffer.concat([hex("160301"), Buffer.from([body.length >> 8, body.length & 255]), body]);
const sized = (width: number, body: Buffer) => {
  const length = Buffer.alloc(width);
  length.writeUIntBE(body.length, 0, width);
  return Buffer.concat([length, body]);
};

// As OpenSSL says it for example.com with ALPN h2 and http/1.1, and GREASE, ECH and early data beside; in one record and
// in two. And a bare hello of TLS 1.0.
const extensions = hex(`0000 0010 000e 00 000b 6578616d706c652e636f6d  0010 000e 000c 02 6832 08 687474702f312e31
  002b 0005 04 0304 0303  1a1a 0001 00  fe0d 0006 00 0001 0001 09  002a 0000  000d 0004 0002 0403`);
const fields = hex(`0303 ${"07".repeat(32)} 00 0006 1301 1302 0a0a 01 00`);
const message = Buffer.concat([hex("01"), sized(3, Buffer.concat([fields, sized(2, extensions)]))]);
const modern = record(message);
const split = Buffer.concat([record(message.subarray(0, 2)), record(message.subarray(2))]);
const bare = hex(`16 0301 002d 01 000029 0301 ${"07".repeat(32)} 00 0002 002f 01 00`);

export const name = "client-hello";
export const seeds = [modern, bare, split];
export const dictionary = [
  "160301",
  "160303",
  "0000",
  "0010",
  "002b",
  "fe0d",
  "ffff",
  "4000",
  "0303",
  "000e 00 000b",
].map(hex);
export const most = 20_000;

export function run(input: Uint8Array): void {
  const whole = parseClientHello(input);
  const cut = input.length === 0 ? 0 : ((input[input.length - 1] ?? 0) * 257 + input.length) % input.length;
  const part = parseClientHello(input.subarray(0, cut));
  if ("error" in part) assert.ok("error" in whole && whole.error === part.error, "an error stays one");
  if ("complete" in part && part.complete) assert.deepEqual(whole, part);
  if ("error" in whole || !whole.complete) {
    if ("complete" in whole) assert.ok(input.length <= mostClientHelloBytes + 64 * 5, "it does not wait for ever");
    return;
  }
  assert.ok(whole.length <= input.length);
  if (cut < whole.length) assert.deepEqual(part, { complete: false });
  if (whole.sni !== null) assert.match(whole.sni, /^[\x21-\x40\x5b-\x7e]{1,255}$/);
  const again = parseClientHello(Buffer.concat([input.subarray(0, whole.length), Buffer.from([0, 1, 2])]));
  assert.deepEqual(again, whole);
}
