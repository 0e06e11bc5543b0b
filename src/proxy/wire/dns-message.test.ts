import assert from "node:assert/strict";
import { test } from "node:test";
import { type DnsQuery, encodeAnswer, encodeName, parseQuery, recordType, typeName } from "./dns-message.ts";

interface Parts {
  id?: number;
  flags?: number;
  counts?: [number, number, number, number];
  name?: Buffer;
  type?: number;
  class?: number;
  tail?: Buffer;
}

function message(parts: Parts = {}): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(parts.id ?? 0x1234, 0);
  header.writeUInt16BE(parts.flags ?? 0x0100, 2);
  for (const [index, count] of (parts.counts ?? [1, 0, 0, 0]).entries()) header.writeUInt16BE(count, 4 + index * 2);
  const tail = Buffer.alloc(4);
  tail.writeUInt16BE(parts.type ?? 1, 0);
  tail.writeUInt16BE(parts.class ?? 1, 2);
  return Buffer.concat([header, parts.name ?? encodeName("example.com"), tail, parts.tail ?? Buffer.alloc(0)]);
}

const opt = (options = Buffer.alloc(0), version = 0, name = 0) => {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(options.length);
  return Buffer.concat([Buffer.from([name, 0, 41, 0x10, 0, 0, version, 0x80, 0]), length, options]);
};

function queryOf(bytes: Buffer): DnsQuery {
  const parsed = parseQuery(bytes);
  assert.ok("query" in parsed, JSON.stringify(parsed));
  return parsed.query;
}

function codeOf(bytes: Buffer): string {
  const parsed = parseQuery(bytes);
  return "wrong" in parsed ? parsed.wrong : "ignore" in parsed ? "ignore" : "query";
}

test("a query is its name, type and class", () => {
  const query = queryOf(message({ name: encodeName("Api.Example.COM"), type: 28 }));
  assert.equal(query.name, "Api.Example.COM");
  assert.equal(query.type, 28);
  assert.equal(query.class, 1);
  assert.equal(query.id, 0x1234);
  assert.equal(query.edns, false);
  assert.equal(queryOf(message({ name: Buffer.from([0]) })).name, "");
});

test("a label's odd bytes are written so that no host name can be made of them", () => {
  const cases: [Buffer, string][] = [
    [Buffer.from("\x03a.b\x03com\0", "latin1"), "a\\046b.com"],
    [Buffer.from("\x03a\0b\x03com\0", "latin1"), "a\\000b.com"],
    [Buffer.from("\x03a\\b\x03com\0", "latin1"), "a\\092b.com"],
    [Buffer.from("\x03a b\x03com\0", "latin1"), "a\\032b.com"],
    [Buffer.from("\x02\xc3\xa4\0", "latin1"), "\\195\\164"],
  ];
  for (const [name, text] of cases) assert.equal(queryOf(message({ name })).name, text);
});

test("EDNS is heard, and answered in kind", () => {
  const plain = queryOf(message({ counts: [1, 0, 0, 1], tail: opt() }));
  assert.equal(plain.edns, true);
  const cookie = Buffer.from([0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(queryOf(message({ counts: [1, 0, 0, 1], tail: opt(cookie) })).edns, true);
  const answer = encodeAnswer(plain, "noerror");
  assert.deepEqual(answer.subarray(-11), Buffer.from([0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]));
});

test("what is not one plain question gets the code that says so", () => {
  const longName = Buffer.concat([
    ...Array.from({ length: 4 }, () => Buffer.concat([Buffer.from([63]), Buffer.alloc(63, 97)])),
    Buffer.from([0]),
  ]);
  const cases: { [why: string]: [Buffer, string] } = {
    "cut before its id": [Buffer.alloc(11), "ignore"],
    "an answer": [message({ flags: 0x8180 }), "ignore"],
    "an update": [message({ flags: 0x2800 }), "notimp"],
    "a status request": [message({ flags: 0x1000 }), "notimp"],
    "no question": [message({ counts: [0, 0, 0, 0] }), "formerr"],
    "two questions": [message({ counts: [2, 0, 0, 0] }), "formerr"],
    "an answer in a query": [message({ counts: [1, 1, 0, 0] }), "formerr"],
    "an authority in a query": [message({ counts: [1, 0, 1, 0] }), "formerr"],
    "truncated flag": [message({ flags: 0x0300 }), "formerr"],
    "a response code": [message({ flags: 0x0103 }), "formerr"],
    "a pointer to itself": [message({ name: Buffer.from([0xc0, 12]) }), "formerr"],
    "a pointer after a label": [message({ name: Buffer.from([1, 97, 0xc0, 12]) }), "formerr"],
    "an extended label": [message({ name: Buffer.from([0x41, 97, 0]) }), "formerr"],
    "a label of 64": [
      message({ name: Buffer.concat([Buffer.from([64]), Buffer.alloc(64, 97), Buffer.from([0])]) }),
      "formerr",
    ],
    "a name of 257": [message({ name: longName }), "formerr"],
    "a name cut short": [message().subarray(0, 20), "formerr"],
    "a question cut short": [message().subarray(0, -1), "formerr"],
    "bytes behind": [message({ tail: Buffer.from([0]) }), "formerr"],
    "type 0": [message({ type: 0 }), "formerr"],
    "type OPT": [message({ type: 41 }), "formerr"],
    "an additional record that is not there": [message({ counts: [1, 0, 0, 1] }), "formerr"],
    "two additional records": [message({ counts: [1, 0, 0, 2], tail: Buffer.concat([opt(), opt()]) }), "formerr"],
    "an OPT with a name": [message({ counts: [1, 0, 0, 1], tail: opt(Buffer.alloc(0), 0, 1) }), "formerr"],
    "an OPT cut short": [message({ counts: [1, 0, 0, 1], tail: opt(Buffer.alloc(9)).subarray(0, -1) }), "formerr"],
    "an option cut short": [message({ counts: [1, 0, 0, 1], tail: opt(Buffer.from([0, 10, 0, 9, 1])) }), "formerr"],
    "a newer EDNS": [message({ counts: [1, 0, 0, 1], tail: opt(Buffer.alloc(0), 1) }), "badvers"],
    oversize: [message({ counts: [1, 0, 0, 1], tail: opt(Buffer.alloc(5000)) }), "formerr"],
  };
  for (const [why, [bytes, code]] of Object.entries(cases)) assert.equal(codeOf(bytes), code, why);
});

test("an answer repeats the question's bytes and names it by a pointer", () => {
  const query = queryOf(message({ name: encodeName("eXample.com"), flags: 0x0110 }));
  const answer = encodeAnswer(query, "noerror", [{ type: recordType.A, ttl: 1, data: Buffer.from([198, 18, 1, 0]) }]);
  const question = "07 6558616d706c65 03 636f6d 00 0001 0001";
  const expected = `1234 8190 0001 0001 0000 0000 ${question} c00c 0001 0001 00000001 0004 c6120100`;
  assert.equal(answer.toString("hex"), expected.replaceAll(" ", ""));
});

test("an error without a readable question has none either, and a high code reaches into EDNS", () => {
  const parsed = parseQuery(message({ name: Buffer.from([0xc0, 12]) }));
  assert.ok("wrong" in parsed);
  assert.equal(encodeAnswer(parsed.head, parsed.wrong).toString("hex"), "123481810000000000000000");
  const newer = parseQuery(message({ counts: [1, 0, 0, 1], tail: opt(Buffer.alloc(0), 1) }));
  assert.ok("wrong" in newer);
  const answer = encodeAnswer(newer.head, newer.wrong);
  assert.equal(answer.readUInt16BE(2) & 15, 0);
  assert.equal(answer.at(-6), 1);
});

test("types have the names people know", () => {
  assert.deepEqual([1, 28, 65, 255, 65280].map(typeName), ["A", "AAAA", "HTTPS", "ANY", "TYPE65280"]);
});
