import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { test } from "node:test";
import { connect } from "node:tls";
import { type ClientHello, mostClientHelloBytes, parseClientHello } from "./client-hello.ts";

const u16 = (value: number) => Buffer.from([value >> 8, value & 255]);
const vector8 = (...parts: Buffer[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([body.length]), body]);
};
const vector16 = (...parts: Buffer[]) => {
  const body = Buffer.concat(parts);
  return Buffer.concat([u16(body.length), body]);
};
const extension = (type: number, body: Buffer) => Buffer.concat([u16(type), vector16(body)]);
const hostName = (name: string) => Buffer.concat([Buffer.from([0]), vector16(Buffer.from(name, "latin1"))]);
const serverName = (name: string) => extension(0, vector16(hostName(name)));

function message(extensions: Buffer[] | null, version = 0x0303): Buffer {
  const body = Buffer.concat([
    u16(version),
    Buffer.alloc(32, 7),
    vector8(Buffer.alloc(32, 1)),
    vector16(u16(0x1301), u16(0x0a0a)),
    vector8(Buffer.from([0])),
    ...(extensions === null ? [] : [vector16(...extensions)]),
  ]);
  return Buffer.concat([Buffer.from([1, body.length >> 16, (body.length >> 8) & 255, body.length & 255]), body]);
}

const record = (body: Buffer, type = 22) => Buffer.concat([Buffer.from([type, 3, 1]), vector16(body)]);

function parsed(bytes: Buffer): ClientHello {
  const hello = parseClientHello(bytes);
  assert.ok("complete" in hello && hello.complete, JSON.stringify(hello));
  return hello;
}

function errorOf(bytes: Buffer): string | null {
  const hello = parseClientHello(bytes);
  return "error" in hello ? hello.error : null;
}

test("a hello says its name, its protocols and whether a second name is hidden in it", () => {
  const hello = parsed(
    record(
      message([
        extension(0x1a1a, Buffer.from([0])),
        serverName("API.Example.com"),
        extension(
          16,
          vector16(vector8(Buffer.from([0x3a, 0x3a])), vector8(Buffer.from("http/1.1")), vector8(Buffer.from("h2"))),
        ),
        extension(43, vector8(u16(0x7a7a), u16(0x0304))),
        extension(0xfe0d, Buffer.from([0, 0, 1, 0, 1, 9])),
        extension(42, Buffer.alloc(0)),
      ]),
    ),
  );
  assert.equal(hello.sni, "api.example.com");
  assert.deepEqual(hello.alpn, ["http/1.1", "h2"]);
  assert.equal(hello.ech, "outer");
  assert.equal(hello.modern, true);
  assert.equal(hello.earlyData, true);
});

test("a hello without extensions, or without a name, is a hello", () => {
  for (const extensions of [null, [], [extension(23, Buffer.alloc(0))]]) {
    const hello = parsed(record(message(extensions)));
    assert.equal(hello.sni, null);
    assert.deepEqual(hello.alpn, []);
    assert.equal(hello.ech, "none");
  }
  assert.equal(parsed(record(message(null, 0x0301))).modern, false);
  assert.equal(parsed(record(message([extension(43, vector8(u16(0x0302)))]))).modern, false);
});

test("a hello in pieces is the same hello, and every shorter start only needs more", () => {
  const whole = message([serverName("example.com")]);
  const cuts: Buffer[] = [record(whole), Buffer.concat([record(whole.subarray(0, 1)), record(whole.subarray(1))])];
  cuts.push(Buffer.concat([0, 20, 40, 60].map((at) => record(whole.subarray(at, at === 60 ? undefined : at + 20)))));
  for (const bytes of cuts) {
    for (let end = 0; end < bytes.length; end++) {
      assert.deepEqual(parseClientHello(bytes.subarray(0, end)), { complete: false }, `${end} of ${bytes.length}`);
    }
    assert.equal(parsed(bytes).sni, "example.com");
    assert.equal(parsed(Buffer.concat([bytes, Buffer.from("early data")])).length, bytes.length);
  }
});

test("what is no ClientHello is told apart at the first byte that shows it", () => {
  const good = message([serverName("example.com")]);
  const cases: [bytes: Buffer, error: string][] = [
    [Buffer.from("G"), "not_tls"],
    [Buffer.from("SSH-2.0"), "not_tls"],
    [Buffer.from([22, 2]), "not_tls"],
    [Buffer.from([0x80, 0x2e, 1]), "not_tls"],
    [record(good, 23), "not_tls"],
    [record(Buffer.from([2, 0, 0, 0])), "malformed"],
    [record(Buffer.from([2])), "malformed"],
    [record(Buffer.alloc(0)), "malformed"],
    [Buffer.from([22, 3, 1, 0xff, 0xff]), "malformed"],
    [Buffer.concat([record(good.subarray(0, 9)), record(good.subarray(9), 21)]), "malformed"],
    [record(Buffer.concat([good, Buffer.from([0])])), "malformed"],
    [record(Buffer.from([1, 0, 0x40, 0])), "too_long"],
    [record(Buffer.from([1, 0xff, 0xff, 0xff])), "too_long"],
    [Buffer.concat(Array.from({ length: 65 }, (_, i) => record(good.subarray(i, i + 1)))), "malformed"],
  ];
  for (const [bytes, error] of cases) assert.equal(errorOf(bytes), error, bytes.toString("hex").slice(0, 60));
});

test("what two readers could take for different names is refused", () => {
  const cases: { [why: string]: Buffer[] } = {
    "two server_name extensions": [serverName("a.example"), serverName("b.example")],
    "two names in one": [extension(0, vector16(hostName("a.example"), hostName("b.example")))],
    "an empty list": [extension(0, vector16())],
    "an empty name": [serverName("")],
    "a NUL": [serverName("a.example\0.b.example")],
    "a space": [serverName("a.example ")],
    "bytes above ASCII": [serverName("ex\xe4mple")],
    "a name type of its own": [extension(0, vector16(Buffer.from([1, 0, 1, 97])))],
    "bytes after the list": [extension(0, Buffer.concat([vector16(hostName("a.example")), Buffer.from([0])]))],
    "a list shorter than its name": [extension(0, Buffer.from([0, 4, 0, 0, 9, 97]))],
    "a name above 255 bytes": [serverName("a".repeat(256))],
    "an inner encrypted hello": [extension(0xfe0d, Buffer.from([1]))],
    "an empty protocol": [extension(16, vector16(vector8(), vector8(Buffer.from("h2"))))],
    "an odd list of versions": [extension(43, vector8(Buffer.from([3, 4, 3])))],
  };
  for (const [why, extensions] of Object.entries(cases)) {
    assert.equal(errorOf(record(message(extensions))), "malformed", why);
  }
  assert.equal(
    errorOf(record(Buffer.concat([message([serverName("a.example")]).subarray(0, -1)]))),
    null,
    "cut short: more is needed",
  );
});

test("a hello as long as the limit is read, and its end is not waited for beyond it", () => {
  const padding = (length: number) => record(message([serverName("example.com"), extension(21, Buffer.alloc(length))]));
  assert.equal(parsed(padding(mostClientHelloBytes - 500)).sni, "example.com");
  assert.equal(errorOf(padding(mostClientHelloBytes).subarray(0, 9)), "malformed");
});

test("the hello of a real client is understood", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: "127.0.0.1",
    servername: "Real.Example.Com",
    ALPNProtocols: ["h2", "http/1.1"],
  });
  client.on("error", () => client.destroy());
  const [socket] = await once(server, "connection");
  let bytes = Buffer.alloc(0);
  for await (const chunk of socket) {
    bytes = Buffer.concat([bytes, chunk]);
    const hello = parseClientHello(bytes);
    assert.ok("complete" in hello, JSON.stringify(hello));
    if (!hello.complete) continue;
    assert.equal(hello.sni, "real.example.com");
    assert.deepEqual(hello.alpn, ["h2", "http/1.1"]);
    assert.equal(hello.length, bytes.length);
    break;
  }
  client.destroy();
  server.close();
});
