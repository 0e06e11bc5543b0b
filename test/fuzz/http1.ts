// src/proxy/wire/http1-head.ts and http1-chunked.ts: what they accept, llhttp (Node's own HTTP parser, strict) reads as the same
// method, target, fields, body and end; what they refuse they refuse however it is cut; they never take back a word.

import assert from "node:assert/strict";
import { METHODS } from "node:http";
import { createRequire } from "node:module";
import { MALFORMED, MORE } from "#proxy/wire/http1-bytes.ts";
import { ChunkedFraming } from "#proxy/wire/http1-chunked.ts";
import { HeadScanner, maxHead } from "#proxy/wire/http1-head.ts";

type Callback = (...values: unknown[]) => unknown;

interface Parser {
  initialize(type: number, resource: object, maxHeaderSize: number, lenient: number): void;
  execute(bytes: Buffer): number | Error;
  close(): void;
  [event: number]: Callback;
}

interface ParserClass {
  new (): Parser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
  readonly kLenientNone: number;
}

// llhttp has no other door that is synchronous.
const common = createRequire(import.meta.url)("_http_common");
const HttpParser: ParserClass = common.HTTPParser;
const methodNames: readonly string[] = common.methods;

interface Message {
  method: string;
  url: string;
  status: number;
  readonly fields: string[];
  readonly body: Buffer[];
  /** Messages that were whole. */
  whole: number;
  /** Bytes taken, or the error. */
  parsed: number | Error;
}

function readByLlhttp(type: "REQUEST" | "RESPONSE", bytes: Buffer): Message {
  const message: Message = { method: "", url: "", status: 0, fields: [], body: [], whole: 0, parsed: 0 };
  const parser = new HttpParser();
  parser.initialize(HttpParser[type], {}, maxHead * 2, HttpParser.kLenientNone);
  let head = true;
  const take = (fields: unknown, url: unknown) => {
    if (head) message.fields.push(...((fields as string[] | undefined) ?? []));
    if (typeof url === "string" && url !== "") message.url = url;
  };
  parser[HttpParser.kOnHeaders] = take;
  parser[HttpParser.kOnHeadersComplete] = (_major, _minor, fields, method, url, status) => {
    take(fields, url);
    head = false;
    if (typeof method === "number") message.method = methodNames[method] ?? "";
    message.status = Number(status);
    return 0;
  };
  parser[HttpParser.kOnBody] = (bytes) => void message.body.push(Buffer.from(bytes as Buffer));
  parser[HttpParser.kOnMessageComplete] = () => {
    message.whole += 1;
  };
  message.parsed = parser.execute(bytes);
  parser.close();
  return message;
}

const scanner = new HeadScanner();

function fieldsOf(bytes: Buffer): string[] {
  const fields: string[] = [];
  for (let i = 0; i < scanner.fieldCount; i++) {
    fields.push(bytes.toString("latin1", scanner.nameStart[i], scanner.nameEnd[i]));
    fields.push(bytes.toString("latin1", scanner.valueStart[i], scanner.valueEnd[i]));
  }
  return fields;
}

/** Where a chunked body ends; the same when it comes byte by byte. */
function chunksEnd(bytes: Buffer, start: number): number {
  const whole = new ChunkedFraming().feed(bytes, start, bytes.length);
  const framing = new ChunkedFraming();
  let piecewise = MORE;
  for (let i = start; i < bytes.length && piecewise === MORE; i++) piecewise = framing.feed(bytes, i, i + 1);
  assert.equal(piecewise, whole);
  return whole;
}

/** Without the framing: what the chunks carry. */
function chunkData(bytes: Buffer, start: number, end: number): Buffer {
  const pieces: Buffer[] = [];
  let at = start;
  while (at < end) {
    const line = bytes.indexOf("\r\n", at);
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (size === 0) break;
    pieces.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
  return Buffer.concat(pieces);
}

function checkPrefixes(scan: (end: number) => number, length: number, found: number): void {
  for (const part of [0.25, 0.5, 0.75, 0.95]) {
    const cut = Math.floor(length * part);
    const early = scan(cut);
    if (early === MALFORMED) assert.equal(found, MALFORMED, "refused what it then accepted");
    else if (early !== MORE) assert.equal(early, found, "an end that moved");
  }
}

function checkRequest(bytes: Buffer): void {
  const headEnd = scanner.request(bytes, 0, bytes.length);
  checkPrefixes((end) => scanner.request(bytes, 0, end), bytes.length, headEnd);
  if (scanner.request(bytes, 0, bytes.length) < 0) return;
  const { method, chunked, contentLength, targetStart, targetEnd } = scanner;
  const fields = fieldsOf(bytes);
  const upgrade = scanner.upgrade >= 0 && scanner.connectionUpgrade;
  const bodyEnd = chunked ? chunksEnd(bytes, headEnd) : headEnd + Math.max(0, contentLength);
  if (bodyEnd < 0 || bodyEnd > bytes.length) return;
  // A method that llhttp does not know says nothing; what is behind an upgrade it leaves alone.
  if (!METHODS.includes(method) || upgrade) return;
  const message = readByLlhttp("REQUEST", bytes.subarray(0, bodyEnd));
  assert.equal(message.parsed, bodyEnd);
  assert.equal(message.whole, 1);
  assert.equal(message.method, method);
  assert.equal(message.url, bytes.toString("latin1", targetStart, targetEnd));
  assert.deepEqual(message.fields, fields);
  const body = chunked ? chunkData(bytes, headEnd, bodyEnd) : bytes.subarray(headEnd, bodyEnd);
  assert.ok(Buffer.concat(message.body).equals(body));
}

function checkResponse(bytes: Buffer): void {
  const headEnd = scanner.response(bytes, 0, bytes.length);
  checkPrefixes((end) => scanner.response(bytes, 0, end), bytes.length, headEnd);
  if (scanner.response(bytes, 0, bytes.length) < 0) return;
  const { status, chunked, contentLength } = scanner;
  const fields = fieldsOf(bytes);
  const bodiless = status < 200 || status === 204 || status === 304;
  if (status === 101 || scanner.upgrade >= 0 || (!chunked && contentLength < 0 && !bodiless)) return;
  const bodyEnd = bodiless ? headEnd : chunked ? chunksEnd(bytes, headEnd) : headEnd + contentLength;
  if (bodyEnd < 0 || bodyEnd > bytes.length) return;
  const message = readByLlhttp("RESPONSE", bytes.subarray(0, bodyEnd));
  assert.equal(message.parsed, bodyEnd);
  assert.equal(message.status, status);
  assert.deepEqual(message.fields, fields);
  const body = bodiless
    ? Buffer.alloc(0)
    : chunked
      ? chunkData(bytes, headEnd, bodyEnd)
      : bytes.subarray(headEnd, bodyEnd);
  assert.ok(Buffer.concat(message.body).equals(body));
}

export const name = "http1";
export const most = 2_048;
export const seeds = [
  "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nAccept: */*\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\nhelloGET / HTTP/1.1\r\n",
  "PUT /%41/;x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n",
  "OPTIONS * HTTP/1.0\r\nHost: [::1]:80\r\nConnection: close, x-y\r\nX-Y: 1\r\n\r\n",
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n",
  "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n",
].map((text) => Buffer.from(text, "latin1"));
export const dictionary = [
  "\r\n",
  "\n",
  "\r",
  "\0",
  " ",
  "\t",
  ":",
  ",",
  ";a=b",
  "\r\n ",
  "Content-Length: 5\r\n",
  "Content_Length: 5\r\n",
  "Transfer-Encoding: chunked\r\n",
  "Transfer-Encoding: gzip, chunked\r\n",
  "Host: a\r\n",
  "Connection: close\r\n",
  "Connection: upgrade\r\nUpgrade: websocket\r\n",
  "X-HTTP-Method-Override: PUT\r\n",
  "HTTP/1.0",
  "HTTP/1.1",
  "0\r\n\r\n",
  "00",
  "0x",
  "+",
  "#",
  "\\",
  "%2e",
  "\x80\xff",
].map((text) => Buffer.from(text, "latin1"));

export function run(input: Uint8Array): void {
  const bytes = Buffer.from(input);
  checkRequest(bytes);
  checkResponse(bytes);
}
