import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { connect as connectTls } from "node:tls";
import type { Action } from "#core/action.ts";
import type { Allow, Decision } from "#core/decision.ts";
import { allowAll, deny } from "#test/proxy/gate.ts";
import { openScene, type Scene, type Talk } from "#test/proxy/scene.ts";

const overTcp: Allow = { ...allowAll, obligations: { ...allowAll.obligations, protocol: "tcp" } };
const passed: Allow = { ...allowAll, obligations: { ...allowAll.obligations, tls: "pass" } };

/** Ports 80 and 443 as a policy reads them by habit: HTTP and TLS, nothing else. */
function byHabit(action: Action): Decision {
  return action.kind === "connect" && action.protocol === "tcp" ? deny("protocol_not_allowed") : allowAll;
}

/** A ClientHello for this name, as OpenSSL says it. */
async function helloFor(scene: Scene, servername: string | undefined, alpn: string[] = ["http/1.1"]): Promise<Buffer> {
  const cell = await scene.dial({ address: "198.18.9.9", port: 5_432 });
  const upstream = await scene.upstream();
  const tls = connectTls({
    socket: cell.socket,
    ALPNProtocols: alpn,
    ...(servername === undefined ? {} : { servername }),
  });
  tls.on("error", () => undefined);
  const head = Buffer.from(await upstream.bytes(5), "latin1");
  const body = Buffer.from(await upstream.bytes(head.readUInt16BE(3)), "latin1");
  cell.socket.destroy();
  return Buffer.concat([head, body]);
}

/** A scene whose address 198.18.9.9 is a plain tunnel, so that a real client's first bytes can be had. */
function withTap(answer: (action: Action) => Decision) {
  return { answer: (action: Action) => ("port" in action && action.port === 5_432 ? overTcp : answer(action)) };
}

test("what may be TCP is tunnelled both ways, first bytes and half-close included", async () => {
  await using scene = await openScene({ answer: () => allowAll });
  const cell = await scene.dial({ address: scene.addressOf("db.example.com"), port: 5_432 });
  cell.say("\x00\x00\x00\x08\x04\xd2\x16\x2f");
  const upstream = await scene.upstream();
  assert.equal(await upstream.bytes(8), "\x00\x00\x00\x08\x04\xd2\x16\x2f");
  upstream.say("N");
  assert.equal(await cell.bytes(1), "N");
  cell.say("all").socket.end();
  assert.equal(await upstream.rest(), "all");
  upstream.say("answer").socket.end();
  assert.equal(await cell.rest(), "answer");
  assert.deepEqual(scene.gate.events, ["connect tcp://db.example.com:5432 allow"]);
});

test("a client that says something and ends its half at once is tunnelled", async () => {
  await using scene = await openScene({ answer: () => allowAll });
  const cell = await scene.dial();
  cell.say("*1\r\n$4\r\nPING\r\n").socket.end();
  const upstream = await scene.upstream();
  assert.equal(await upstream.rest(), "*1\r\n$4\r\nPING\r\n");
  upstream.say("+PONG\r\n").socket.end();
  assert.equal(await cell.rest(), "+PONG\r\n");
});

test("a server that speaks first is heard, at once where the rule says TCP", async () => {
  for (const answer of [allowAll, overTcp]) {
    await using scene = await openScene({ answer: () => answer });
    const cell = await scene.dial({ address: scene.addressOf("mail.example.com"), port: 25 });
    const upstream = await scene.upstream();
    upstream.say("220 mail.example.com\r\n");
    assert.equal(await cell.until("\r\n"), "220 mail.example.com\r\n");
  }
});

test("TCP that is not allowed is reset, with one event, also when nothing was said", async () => {
  for (const first of ["SSH-2.0-x\r\n", ""]) {
    await using scene = await openScene({ answer: () => deny("port_not_allowed") });
    const cell = await scene.dial();
    if (first !== "") cell.say(first);
    await cell.gone();
    assert.equal(cell.error !== null && "code" in cell.error && cell.error.code, "ECONNRESET");
    assert.deepEqual(scene.gate.events, ["connect tcp://example.com:80 port_not_allowed"]);
    assert.equal(scene.arrived.length, 0);
  }
});

test("an SSH banner, an HTTP/2 preface or noise on a port for HTTP is not tunnelled", async () => {
  for (const first of ["SSH-2.0-x\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x00\x01"]) {
    await using scene = await openScene({ answer: byHabit });
    const cell = await scene.dial();
    cell.say(first);
    await cell.gone();
    assert.deepEqual(scene.gate.events, ["connect tcp://example.com:80 protocol_not_allowed"]);
    assert.equal(scene.arrived.length, 0);
  }
});

test("a tunnel's break-off reaches the other side as one", async () => {
  await using scene = await openScene({ answer: () => overTcp });
  const cell = await scene.dial();
  const upstream = await scene.upstream();
  upstream.socket.resetAndDestroy();
  await cell.gone();
  assert.equal(cell.error !== null && "code" in cell.error && cell.error.code, "ECONNRESET");
});

test("a tunnel carries more than any buffer holds", async () => {
  await using scene = await openScene({ answer: () => overTcp });
  const cell = await scene.dial();
  const upstream = await scene.upstream();
  const bytes = Buffer.alloc(8 * 1024 * 1024, "0123456789abcdef");
  cell.say(bytes).socket.end();
  assert.ok(Buffer.from(await upstream.rest(), "latin1").equals(bytes));
  upstream.say(bytes).socket.end();
  assert.ok(Buffer.from(await cell.rest(), "latin1").equals(bytes));
});

test("a ClientHello in pieces is put together", async () => {
  await using scene = await openScene(withTap(byHabit));
  const hello = await helloFor(scene, "example.com");
  const cell = await scene.dial({ address: scene.addressOf("example.com"), port: 443 });
  cell.socket.setNoDelay(true);
  for (let i = 0; i < hello.length; i += 100) {
    cell.say(hello.subarray(i, i + 100));
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.equal(Buffer.from(await cell.bytes(3), "latin1").toString("hex"), "160303");
});

test("a name in TLS that was not dialled is refused with an alert; none at all is not", async () => {
  await using scene = await openScene(withTap(byHabit));
  const other = await helloFor(scene, "evil.com");
  const none = await helloFor(scene, undefined);
  const destination = { address: scene.addressOf("example.com"), port: 443 };
  const cell = await scene.dial(destination);
  cell.say(other);
  assert.equal(Buffer.from(await cell.rest(), "latin1").toString("hex"), "15030300020270");
  assert.equal(scene.gate.events.at(-1), "connect tls://example.com:443 name_mismatch");
  const nameless = await scene.dial(destination);
  nameless.say(none);
  assert.equal(Buffer.from(await nameless.bytes(3), "latin1").toString("hex"), "160303");
});

test("a client that offers only HTTP/2 is refused with an alert", async () => {
  await using scene = await openScene(withTap(byHabit));
  const hello = await helloFor(scene, "example.com", ["h2"]);
  const cell = await scene.dial({ address: scene.addressOf("example.com"), port: 443 });
  cell.say(hello);
  assert.equal(Buffer.from(await cell.rest(), "latin1").toString("hex"), "15030300020278");
  assert.equal(scene.gate.events.at(-1), "connect tls://example.com:443 protocol_not_allowed");
});

test("a ClientHello that cannot be read, or never ends, is refused", async () => {
  const cases: readonly Buffer[] = [
    Buffer.from("16030100050200000100", "hex"),
    Buffer.concat([Buffer.from("1603014000", "hex"), Buffer.from("0100ffff", "hex"), Buffer.alloc(16_380)]),
  ];
  for (const bytes of cases) {
    await using scene = await openScene({ answer: byHabit });
    const cell = await scene.dial({ address: scene.addressOf("example.com"), port: 443 });
    cell.say(bytes);
    assert.equal(Buffer.from(await cell.rest(), "latin1").toString("hex"), "15030300020232");
    assert.deepEqual(scene.gate.events, ["connect tls://example.com:443 malformed_request"]);
  }
});

test("TLS that may pass is tunnelled untouched, and its certificate is the upstream's own", async () => {
  const answer = (action: Action) =>
    action.kind === "connect" && action.protocol === "tls" ? passed : byHabit(action);
  await using scene = await openScene({ answer });
  const cell = await scene.dial({ address: scene.addressOf("example.com"), port: 443 });
  const secure = connectTls({ socket: cell.socket, servername: "example.com", rejectUnauthorized: false });
  await once(secure, "secureConnect");
  secure.write("not HTTP at all");
  const upstream = await scene.upstream();
  assert.equal(await upstream.bytes(15), "not HTTP at all");
  assert.deepEqual(scene.gate.events, ["connect tls://example.com:443 allow"]);
  secure.destroy();
});

test("a tunnel is not opened to an address that may not be reached", async () => {
  await using scene = await openScene({ answer: () => overTcp, reachable: () => [] });
  const cell = await scene.dial();
  await cell.gone();
  assert.deepEqual(scene.gate.events, [
    "connect tcp://example.com:80 allow",
    "connect tcp://example.com:80 private_address",
  ]);
  assert.equal(scene.arrived.length, 0);
});

test("a connection that ends without a word is an event", async () => {
  await using scene = await openScene({ answer: byHabit });
  const cells: Talk[] = [await scene.dial(), await scene.dial()];
  cells[0]?.socket.end();
  cells[1]?.say("GE").socket.end();
  for (const cell of cells) await cell.gone();
  // nothing was asked: it counts as what it would have been let do
  assert.deepEqual([...scene.gate.events].sort(), [
    "connect tcp://example.com:80 protocol_not_allowed",
    "connect tls://example.com:80 allow",
  ]);
});

test("closing the boundary ends everything that lives", async () => {
  await using scene = await openScene({ answer: () => overTcp });
  const cells = [await scene.dial(), await scene.dial()];
  const upstreams = [await scene.upstream(), await scene.upstream()];
  await scene.boundary.close();
  for (const talk of [...cells, ...upstreams]) await talk.gone();
  const late = await scene.dial();
  await late.gone();
});
