// src/proxy/wire/dns-message.ts: never throws; whatever it answers repeats the question, fits a datagram, and is not
// itself a query; a name that it reads encodes back to the bytes that were read.

import assert from "node:assert/strict";
import { normalHost } from "#lib/host-name.ts";
import { encodeAnswer, encodeName, parseQuery, typeName } from "#proxy/wire/dns-message.ts";

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ""), "hex");
const example = "07 6578616d706c65 03 636f6d 00";

export const name = "dns-message";
export const seeds = [
  hex(`1234 0100 0001 0000 0000 0000 ${example} 0001 0001`),
  hex(`1234 0120 0001 0000 0000 0001 ${example} 001c 0001 00 0029 1000 00008000 000c 000a 0008 0102030405060708`),
  hex(`1234 2800 0001 0000 0000 0000 ${example} 0006 0001`),
  hex(`1234 0100 0001 0000 0000 0000 c00c 0001 0001`),
  hex(`1234 8180 0001 0001 0000 0000 ${example} 0001 0001 c00c 0001 0001 00000001 0004 c6120001`),
];
export const dictionary = [
  "c00c",
  "ffff",
  "0001",
  "0029",
  "3f",
  "40",
  "80",
  "00 0029 1000 00008000 0000",
  "0000 0000 0000",
].map(hex);
export const most = 5000;

export function run(input: Uint8Array): void {
  const parsed = parseQuery(input);
  if ("ignore" in parsed) return;
  const head = "query" in parsed ? parsed.query : parsed.head;
  const records = "query" in parsed ? [{ type: parsed.query.type, ttl: 1, data: Buffer.alloc(16) }] : [];
  const answer = encodeAnswer(head, "query" in parsed ? "noerror" : parsed.wrong, records);
  assert.ok(answer.length <= 512);
  assert.ok("ignore" in parseQuery(answer), "an answer is no query");
  assert.equal(answer.readUInt16BE(0), Buffer.from(input).readUInt16BE(0));
  if (head.question !== null) {
    assert.deepEqual(answer.subarray(12, 12 + head.question.length), Buffer.from(head.question));
    assert.deepEqual(Buffer.from(input).subarray(12, 12 + head.question.length), Buffer.from(head.question));
  }
  if (!("query" in parsed)) return;
  assert.match(typeName(parsed.query.type), /^[A-Z0-9]+$/);
  assert.match(parsed.query.name, /^[\x21-\x7e]*$/);
  const host = normalHost(parsed.query.name);
  if (host === null || host !== parsed.query.name) return;
  assert.deepEqual(encodeName(host), Buffer.from(parsed.query.question.subarray(0, -4)));
}
