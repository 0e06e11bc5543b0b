import assert from "node:assert/strict";
import { test } from "node:test";
import { MALFORMED, MORE } from "./http1-bytes.ts";
import { HeadScanner, maxHead } from "./http1-head.ts";

const scanner = new HeadScanner();

function request(text: string): number {
  const bytes = Buffer.from(text, "latin1");
  return scanner.request(bytes, 0, bytes.length);
}

function response(text: string): number {
  const bytes = Buffer.from(text, "latin1");
  return scanner.response(bytes, 0, bytes.length);
}

/** A request with these lines between Host and the blank line. */
function withFields(...lines: string[]): string {
  return `POST / HTTP/1.1\r\nHost: a\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;
}

test("a request is read where it is, and its end found", () => {
  const text = withFields("Content-Length: 12", "X-A:  b c \t", "Accept: */*");
  assert.equal(request(`${text}GET`), text.length);
  assert.equal(scanner.method, "POST");
  assert.equal(scanner.contentLength, 12);
  assert.equal(text.slice(scanner.valueStart[2], scanner.valueEnd[2]), "b c");
  assert.equal(text.slice(scanner.nameStart[2], scanner.nameEnd[2]), "X-A");
  assert.equal(scanner.hasDropped, false);
});

test("a head is wanted whole, whatever piece of it is missing", () => {
  const text = withFields("Content-Length: 12", "Connection: keep-alive");
  for (let length = 0; length < text.length; length++) {
    assert.equal(request(text.slice(0, length)), MORE, JSON.stringify(text.slice(0, length)));
  }
  const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  for (let length = 0; length < answer.length; length++) assert.equal(response(answer.slice(0, length)), MORE);
  assert.equal(response(answer), answer.length);
});

test("targets of every usual kind pass as they are", () => {
  for (const target of [
    "/",
    "/a/b?c=d&e=%2F",
    "/%E2%82%AC/~x;v=1",
    '/a?b={c}|d^e"<>`\\',
    "/a?100%",
    "/a?%00",
    "//a//b/../c",
  ]) {
    const text = `GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`;
    assert.equal(request(text), text.length, target);
    assert.equal(text.slice(scanner.targetStart, scanner.targetEnd), target);
  }
  assert.ok(request("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n") > 0);
});

const malformed: readonly [why: string, text: string][] = [
  ["no version", "GET /\r\n\r\n"],
  ["a tab behind chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\t\r\n\r\n"],
  ["a space behind a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0 \r\n\r\n"],
  ["HTTP/0.9 with fields", "GET / \r\nHost: a\r\n\r\n"],
  ["HTTP/2 in text", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"],
  ["HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"],
  ["lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n"],
  ["two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a tab for a space", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"],
  ["an empty line in front", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["space in front", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"],
  ["bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n"],
  ["bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n"],
  ["bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n"],
  ["bare CR at the end", "GET / HTTP/1.1\r\nHost: a\r\n\rX"],
  ["CR CR LF", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"],
  ["NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n"],
  ["NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n"],
  ["a folded line", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n"],
  ["a folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"],
  ["space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"],
  ["no colon", "GET / HTTP/1.1\r\nHost: a\r\nNonsense\r\n\r\n"],
  ["an empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"],
  ["a name beyond ASCII", "GET / HTTP/1.1\r\nHost: a\r\nX\xe4: b\r\n\r\n"],
  ["no Host", "GET / HTTP/1.1\r\n\r\n"],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"],
  ["a Host with an underscore twin", "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 5\r\n\r\n"],
  ["absolute-form", "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["absolute-form of another host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["authority-form", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a fragment", "GET /a#/../b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a backslash in the path", "GET /a\\..\\b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["a bad escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["half an escape", "GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an escaped NUL", "GET /a%00b HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["an escaped CR", "GET /a%0db HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["bytes beyond ASCII in the target", "GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["DEL in the target", "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n"],
  ["length and chunks", withFields("Content-Length: 3", "Transfer-Encoding: chunked")],
  ["chunks and length", withFields("Transfer-Encoding: chunked", "Content-Length: 3")],
  ["two lengths", withFields("Content-Length: 3", "Content-Length: 4")],
  ["the same length twice", withFields("Content-Length: 3", "Content-Length: 3")],
  ["a list of lengths", withFields("Content-Length: 3, 3")],
  ["a signed length", withFields("Content-Length: +3")],
  ["a negative length", withFields("Content-Length: -3")],
  ["a hexadecimal length", withFields("Content-Length: 0x3")],
  ["a length with leading zeros", withFields("Content-Length: 03")],
  ["an empty length", withFields("Content-Length:")],
  ["a length with space in it", withFields("Content-Length: 1 0")],
  ["an overlong length", withFields("Content-Length: 1000000000000000")],
  ["a length by underscore", withFields("Content_Length: 3")],
  ["chunks by underscore", withFields("Transfer_Encoding: chunked")],
  ["chunked twice", withFields("Transfer-Encoding: chunked, chunked")],
  ["chunked in two fields", withFields("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")],
  ["gzip and chunked", withFields("Transfer-Encoding: gzip, chunked")],
  ["identity", withFields("Transfer-Encoding: identity")],
  ["chunked in quotes", withFields('Transfer-Encoding: "chunked"')],
  ["chunked with vertical tab", withFields("Transfer-Encoding:\x0bchunked")],
  ["xchunked", withFields("Transfer-Encoding: xchunked")],
  ["chunked with a parameter", withFields("Transfer-Encoding: chunked;a=b")],
  ["chunked in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["another Expect", withFields("Expect: 200-ok")],
  ["Connection naming Host", withFields("Connection: host")],
  ["Connection naming the length", withFields("Content-Length: 3", "Connection: close, content-length")],
  ["Connection with odd bytes", withFields("Connection: close; x")],
  ["two method overrides", withFields("X-HTTP-Method: PUT", "X-HTTP-Method-Override: DELETE")],
  ["an override that is no method", withFields("X-HTTP-Method-Override: GET /x")],
  ["two upgrades", withFields("Connection: upgrade", "Upgrade: websocket", "Upgrade: h2c")],
  ["a long method", `${"M".repeat(33)} / HTTP/1.1\r\nHost: a\r\n\r\n`],
  ["too many fields", withFields(...Array.from({ length: 128 }, (_, i) => `X-${i}: y`))],
];

for (const [why, text] of malformed) {
  test(`refused as a request: ${why}`, () => {
    assert.equal(request(text), MALFORMED);
    assert.notEqual(scanner.fault, "");
  });
}

test("a method override is found, however its name is written", () => {
  for (const name of ["X-HTTP-Method", "x-http-method-override", "X_HTTP_Method_Override", "X-Method-Override"]) {
    const text = withFields(`${name}: DELETE`);
    const accepted = request(text);
    if (name.includes("_")) assert.equal(accepted, MALFORMED, name);
    else assert.equal(text.slice(scanner.valueStart[scanner.override], scanner.valueEnd[scanner.override]), "DELETE");
  }
});

test("fields between neighbours and fields that rewrite the request are marked to be left out", () => {
  for (const line of [
    "Proxy-Connection: keep-alive",
    "Proxy-Authorization: Basic eA==",
    "Keep-Alive: timeout=5",
    "TE: trailers",
    "Forwarded: host=b",
    "X-Forwarded-Host: b",
    "X_Forwarded_Host: b",
    "X-Original-URL: /admin",
    "X-Rewrite-URL: /admin",
    "Connection: close",
  ]) {
    assert.ok(request(withFields(line)) > 0, line);
    assert.equal(scanner.hasDropped, true, line);
  }
  assert.ok(request(withFields("Connection: x-secret", "X-Secret: 1")) > 0);
  assert.deepEqual([...scanner.kind.subarray(0, 3)], [1, 4, 8]);
});

test("HTTP/1.0 closes, and HTTP/1.1 does when it says so", () => {
  assert.ok(request("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n") > 0);
  assert.equal(scanner.close, true);
  assert.ok(request(withFields("Connection: Keep-Alive, Close")) > 0);
  assert.equal(scanner.close, true);
  assert.ok(request(withFields("Connection: keep-alive")) > 0);
  assert.equal(scanner.close, false);
});

test("responses of every usual kind are read", () => {
  const cases: readonly [text: string, status: number, length: number, chunked: boolean, close: boolean][] = [
    ["HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, 5, false, false],
    ["HTTP/1.1 204 \r\n\r\n", 204, -1, false, false],
    ["HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n", 200, -1, true, false],
    ["HTTP/1.0 200 OK\r\n\r\n", 200, -1, false, true],
    ["HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, 0, false, false],
    ['HTTP/1.1 500 S\xf6rry, "no"\r\nConnection: close\r\n\r\n', 500, -1, false, true],
  ];
  for (const [text, status, length, chunked, close] of cases) {
    assert.equal(response(text), text.length, text);
    assert.deepEqual(
      [scanner.status, scanner.contentLength, scanner.chunked, scanner.close],
      [status, length, chunked, close],
    );
  }
});

const malformedResponses: readonly [why: string, text: string][] = [
  ["another protocol", "ICY 200 OK\r\nabcdefgh\r\n\r\n"],
  ["a status of two digits", "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"],
  ["a status of four digits", "HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"],
  ["status 099", "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n"],
  ["status 600", "HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n"],
  ["bare LF", "HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"],
  ["NUL in the reason", "HTTP/1.1 200 O\0K\r\nContent-Length: 0\r\n\r\n"],
  ["two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"],
  ["length and chunks", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["chunks in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"],
  ["a folded line", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n"],
  ["gzip, chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"],
];

for (const [why, text] of malformedResponses) {
  test(`refused as a response: ${why}`, () => assert.equal(response(text), MALFORMED));
}

test("a head longer than the limit is wanted no further by its reader", () => {
  const text = `GET / HTTP/1.1\r\nHost: a\r\nX: ${"y".repeat(maxHead)}`;
  assert.equal(request(text), MORE);
  assert.ok(text.length > maxHead);
});
