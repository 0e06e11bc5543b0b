import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import type { Action } from "#core/action.ts";
import { allowAll, deny } from "#test/proxy/gate.ts";
import { openScene, type Scene, type Talk } from "#test/proxy/scene.ts";

const get = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Case: As-It-Was\r\n\r\n";
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

const allowing = { answer: () => allowAll };

/** What the upstream got of a request that the cell sent, answered so that the next can follow. */
async function forwarded(scene: Scene, cell: Talk, text: string): Promise<string> {
  cell.say(text);
  const upstream = scene.arrived[0] ?? (await scene.upstream());
  const head = await upstream.until("\r\n\r\n");
  upstream.say(ok);
  assert.equal((await cell.response()).status, 200);
  return head;
}

/** The denial's reason; checks that the answer is well-formed. */
async function refusal(cell: Talk): Promise<string> {
  const response = await cell.response();
  const body = JSON.parse(response.body);
  assert.equal(body.decision, "deny");
  assert.equal(body.status, response.status);
  return `${response.status} ${body.deny_reason}`;
}

test("an allowed request leaves byte for byte, and its response comes back", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say(get);
  const upstream = await scene.upstream();
  assert.equal(await upstream.until("\r\n\r\n"), get);
  upstream.say(ok);
  assert.equal((await cell.response()).body, "hello");
  assert.deepEqual(scene.gate.events, ["GET http://example.com:80/a?b=c allow"]);
});

test("TLS is terminated, and the upstream's is verified and used again", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dialTls();
  for (let i = 0; i < 3; i++) assert.equal(await forwarded(scene, cell, get), get);
  assert.equal(scene.arrived.length, 1);
  assert.equal(scene.gate.events.length, 3);
});

test("another connection of the cell uses the same upstream connection", async () => {
  await using scene = await openScene(allowing);
  for (let i = 0; i < 3; i++) {
    const cell = await scene.dialTls();
    await forwarded(scene, cell, get);
    cell.socket.destroy();
  }
  assert.equal(scene.arrived.length, 1);
});

test("a denied host is never dialled and its client reads why, over TLS too", async () => {
  await using scene = await openScene({ answer: () => deny("domain_not_allowed", "no rule") });
  const cell = await scene.dialTls();
  for (let i = 0; i < 2; i++) {
    cell.say(get);
    const response = await cell.response();
    assert.equal(response.status, 403);
    assert.match(response.head, /content-type: application\/problem\+json/);
    const body = JSON.parse(response.body);
    assert.equal(body.agent_id, "tester");
    assert.equal(body.deny_reason, "domain_not_allowed");
  }
  assert.equal(scene.arrived.length, 0);
});

test("a denial of HEAD has no body, and the connection goes on", async () => {
  await using scene = await openScene({ answer: () => deny("path_not_allowed") });
  const cell = await scene.dial();
  cell.say("HEAD / HTTP/1.1\r\nHost: example.com\r\n\r\n");
  assert.match(await cell.until("\r\n\r\n"), /^HTTP\/1.1 403 Forbidden\r\n/);
  cell.say(get);
  assert.equal(await refusal(cell), "403 path_not_allowed");
});

test("a denied request's small body is swallowed and never read as the next request", async () => {
  await using scene = await openScene({ answer: () => deny("path_not_allowed") });
  const cell = await scene.dial();
  cell.say(`POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: ${get.length}\r\n\r\n`);
  assert.equal(await refusal(cell), "403 path_not_allowed");
  cell.say(get + get);
  assert.equal(await refusal(cell), "403 path_not_allowed");
  assert.equal(scene.gate.events.length, 2);
});

test("a denied request whose body is large, chunked or waited for ends the connection", async () => {
  for (const framing of [
    "Content-Length: 1000000",
    "Transfer-Encoding: chunked",
    "Content-Length: 5\r\nExpect: 100-continue",
  ]) {
    await using scene = await openScene({ answer: () => deny("path_not_allowed") });
    const cell = await scene.dial();
    cell.say(`POST / HTTP/1.1\r\nHost: example.com\r\n${framing}\r\n\r\n`);
    const answer = await cell.rest();
    assert.match(answer, /connection: close/);
    assert.match(answer, /path_not_allowed/);
  }
});

test("pipelined requests are judged one at a time, and one that is denied does not pass behind one that is not", async () => {
  const answer = (action: Action) =>
    action.kind === "http" && action.path === "/b" ? deny("path_not_allowed") : allowAll;
  await using scene = await openScene({ answer });
  const cell = await scene.dial();
  const path = (name: string) => `GET /${name} HTTP/1.1\r\nHost: example.com\r\n\r\n`;
  cell.say(path("a") + path("b") + path("c"));
  const upstream = await scene.upstream();
  assert.equal(await upstream.until("\r\n\r\n"), path("a"));
  assert.equal(scene.gate.events.length, 1);
  upstream.say(ok);
  assert.equal((await cell.response()).status, 200);
  assert.equal(await refusal(cell), "403 path_not_allowed");
  assert.equal(await upstream.until("\r\n\r\n"), path("c"));
  upstream.say(ok);
  assert.equal((await cell.response()).status, 200);
});

test("bodies pass as they come, by length and in chunks, trailers included", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dialTls();
  const head = "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\n";
  cell.say(`${head}01234`);
  const upstream = await scene.upstream();
  assert.equal(await upstream.until("01234"), `${head}01234`);
  cell.say("56789");
  assert.equal(await upstream.until("56789"), "56789");
  upstream.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel");
  assert.match(await cell.until("5\r\nhel"), /chunked/);
  upstream.say("lo\r\n0\r\nX-Sum: 1\r\n\r\n");
  assert.equal(await cell.until("\r\n\r\n"), "lo\r\n0\r\nX-Sum: 1\r\n\r\n");
  const chunked = "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
  cell.say(`${chunked}3\r\nabc\r`);
  assert.equal(await upstream.until("abc\r"), `${chunked}3\r\nabc\r`);
  cell.say("\n0\r\nX-Sum: 2\r\n\r\n");
  assert.equal(await upstream.until("\r\n\r\n"), "\n0\r\nX-Sum: 2\r\n\r\n");
  upstream.say(ok);
  assert.equal((await cell.response()).body, "hello");
});

test("bodies far beyond every buffer arrive whole, both ways", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dialTls();
  const size = 8 * 1024 * 1024;
  const body = Buffer.alloc(size, "0123456789abcdef");
  cell.say(`POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: ${size}\r\n\r\n`).say(body);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  assert.ok(Buffer.from(await upstream.bytes(size), "latin1").equals(body));
  upstream.say(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`).say(body);
  await cell.until("\r\n\r\n");
  assert.ok(Buffer.from(await cell.bytes(size), "latin1").equals(body));
});

test("a client that does not read stops the upstream's sending", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  cell.socket.pause();
  const piece = Buffer.alloc(65_536, "x");
  const pieces = 1_024;
  upstream.say(`HTTP/1.1 200 OK\r\nContent-Length: ${pieces * piece.length}\r\n\r\n`);
  let sent = 0;
  let moving = true;
  while (sent < pieces && moving) {
    sent += 1;
    if (!upstream.socket.write(piece)) {
      const stalled = AbortSignal.timeout(500);
      moving = await once(upstream.socket, "drain", { signal: stalled }).then(
        () => true,
        () => false,
      );
    }
  }
  assert.ok(sent < pieces / 2, `${sent} pieces were taken`);
  cell.socket.resume();
  await cell.until("\r\n\r\n");
  assert.equal((await cell.bytes(sent * piece.length)).length, sent * piece.length);
});

test("Expect passes end to end, and the body follows the upstream's word", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  const head = "PUT / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";
  cell.say(head);
  const upstream = await scene.upstream();
  assert.equal(await upstream.until("\r\n\r\n"), head);
  upstream.say("HTTP/1.1 100 Continue\r\n\r\n");
  assert.equal(await cell.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  cell.say("body");
  assert.equal(await upstream.until("body"), "body");
  upstream.say(ok);
  assert.equal((await cell.response()).status, 200);
});

test("an answer before the request is whole is passed on, and neither side is used again", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1000\r\n\r\nabc");
  const upstream = await scene.upstream();
  await upstream.until("abc");
  upstream.say("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  assert.match(await cell.rest(), /^HTTP\/1.1 413/);
  await upstream.gone();
});

test("interim responses are passed on, and HEAD, 204 and 304 have no body", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  const cases: readonly [method: string, answer: string][] = [
    ["GET", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"],
    ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"],
    ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"],
    ["GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"],
  ];
  for (const [method, answer] of cases) {
    cell.say(`${method} / HTTP/1.1\r\nHost: example.com\r\n\r\n`);
    const upstream = scene.arrived[0] ?? (await scene.upstream());
    await upstream.until("\r\n\r\n");
    upstream.say(answer);
    assert.equal(await cell.bytes(answer.length), answer);
  }
  assert.equal(scene.arrived.length, 1);
});

test("a response without a length ends with its connection", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dialTls();
  cell.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  upstream.say("HTTP/1.1 200 OK\r\n\r\nall of it").socket.end();
  assert.match(await cell.rest(), /\r\n\r\nall of it$/);
});

test("a client that asks to close is told so, and the upstream connection is kept", async () => {
  await using scene = await openScene(allowing);
  for (let i = 0; i < 2; i++) {
    const cell = await scene.dial();
    cell.say("GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n");
    const upstream = scene.arrived[0] ?? (await scene.upstream());
    assert.equal(await upstream.until("\r\n\r\n"), "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
    upstream.say("HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok");
    assert.equal(await cell.rest(), "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok");
  }
  assert.equal(scene.arrived.length, 1);
});

test("a client that has sent all and ended its half is still answered", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say(get).socket.end();
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  upstream.say(ok);
  assert.equal(await cell.rest(), ok);
});

test("a client that goes away takes its upstream connection with it", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dialTls();
  cell.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  cell.socket.destroy();
  await upstream.gone();
});

test("a body cut short never looks whole to the upstream", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 10\r\n\r\nabc");
  const upstream = await scene.upstream();
  await upstream.until("abc");
  cell.socket.end();
  assert.equal(await upstream.rest(), "");
  await cell.gone();
});

test("fields that are between neighbours or rewrite the request stay behind; all others keep their bytes", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  const head = await forwarded(
    scene,
    cell,
    "GET / HTTP/1.1\r\nProxy-Connection: keep-alive\r\nhOST:example.com\r\nX-Original-URL: /admin\r\nX-Forwarded-Host: b\r\n" +
      "Forwarded: host=b\r\nAccept:\t*/* \r\nTE: trailers\r\nConnection: TE, x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\n\r\n",
  );
  assert.equal(head, "GET / HTTP/1.1\r\nhOST:example.com\r\nAccept:\t*/* \r\n\r\n");
});

test("Alt-Svc does not reach the cell", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  upstream.say('HTTP/1.1 200 OK\r\nA: b\r\nAlt-Svc: h3=":443"\r\nContent-Length: 2\r\n\r\nok');
  assert.equal(await cell.until("ok"), "HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 2\r\n\r\nok");
});

test("a method override is judged as what it asks for, and as what it was sent as", async () => {
  const answer = (action: Action) =>
    action.kind === "http" && action.method === "DELETE" ? deny("method_not_allowed") : allowAll;
  await using scene = await openScene({ answer });
  const cell = await scene.dial();
  cell.say("GET / HTTP/1.1\r\nHost: example.com\r\nX-HTTP-Method-Override: delete\r\n\r\n");
  assert.equal(await refusal(cell), "403 method_not_allowed");
  cell.say("DELETE / HTTP/1.1\r\nHost: example.com\r\nX-HTTP-Method-Override: GET\r\n\r\n");
  assert.equal(await refusal(cell), "403 method_not_allowed");
  assert.match(
    await forwarded(scene, cell, "POST / HTTP/1.1\r\nHost: example.com\r\nX-HTTP-Method: PUT\r\n\r\n"),
    /X-HTTP-Method: PUT/,
  );
  assert.equal(scene.gate.events.at(-1), "PUT http://example.com:80/ allow");
});

const refused: readonly [why: string, text: string, expected: string][] = [
  ["a body on GET", "GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1\r\n\r\nx", "400 malformed_request"],
  [
    "a body on HEAD in chunks",
    "PUT / HTTP/1.1\r\nHost: example.com\r\nX-HTTP-Method: GET\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "400 malformed_request",
  ],
  ["another Host", "GET / HTTP/1.1\r\nHost: evil.com\r\n\r\n", "403 name_mismatch"],
  ["another port", "GET / HTTP/1.1\r\nHost: example.com:8080\r\n\r\n", "403 name_mismatch"],
  ["a Host with userinfo", "GET / HTTP/1.1\r\nHost: example.com@evil.com\r\n\r\n", "403 name_mismatch"],
  ["an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "403 name_mismatch"],
  [
    "two lengths",
    "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "400 malformed_request",
  ],
  [
    "length and chunks",
    "POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "400 malformed_request",
  ],
  [
    "a chunk extension",
    "POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n1;a\r\nx\r\n0\r\n\r\n",
    "400 malformed_request",
  ],
  ["bare LF", "GET / HTTP/1.1\nHost: example.com\n\n", "400 malformed_request"],
  ["absolute-form", "GET http://example.com/ HTTP/1.1\r\nHost: example.com\r\n\r\n", "400 malformed_request"],
  ["a fragment", "GET /a#/../b HTTP/1.1\r\nHost: example.com\r\n\r\n", "400 malformed_request"],
  ["an empty line in front", "\r\nGET / HTTP/1.1\r\nHost: example.com\r\n\r\n", "400 malformed_request"],
  [
    "a body on an upgrade",
    "POST / HTTP/1.1\r\nHost: example.com\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\nx",
    "400 malformed_request",
  ],
  ["a head without end", `GET / HTTP/1.1\r\nHost: example.com\r\nX: ${"y".repeat(70_000)}`, "400 malformed_request"],
  ["fields without end", `GET / HTTP/1.1\r\n${"A: b\r\n".repeat(5_000)}`, "400 malformed_request"],
];

for (const [why, text, expected] of refused) {
  test(`${why} is refused with one event, and nothing of it leaves`, async () => {
    await using scene = await openScene(allowing);
    for (const cell of [await scene.dial(), await scene.dialTls()]) {
      const mine = cell.socket.constructor.name === "TLSSocket" ? text.replaceAll("evil.com\r", "evil.com\r") : text;
      cell.say(mine);
      assert.equal(await refusal(cell), expected);
    }
    assert.equal(scene.gate.events.length, 2);
    assert.equal(scene.arrived.length, 0);
  });
}

test("a name with another spelling is the same name", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  for (const host of ["EXAMPLE.com", "example.com:80", "example.com.", "example.com"]) {
    await forwarded(scene, cell, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  }
});

test("a chunk that cannot be read ends an upload in the middle, with an event of its own", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say("POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  const upstream = await scene.upstream();
  await upstream.until("abc\r\n");
  cell.say("3;ext\r\nabc\r\n0\r\n\r\n");
  assert.equal(await refusal(cell), "400 malformed_request");
  await upstream.gone();
  assert.deepEqual(scene.gate.events, [
    "POST http://example.com:80/ allow",
    "POST http://example.com:80/ malformed_request",
  ]);
});

test("what is behind a response ends the upstream connection, and is passed to nobody", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.say(get);
  const first = await scene.upstream();
  await first.until("\r\n\r\n");
  first.say(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`);
  assert.equal((await cell.response()).body, "hello");
  await first.gone();
  cell.say(get);
  const second = await scene.upstream();
  await second.until("\r\n\r\n");
  second.say(ok);
  assert.equal((await cell.response()).body, "hello");
});

test("a response that cannot be read is a 502, and one that breaks off ends the client's connection", async () => {
  await using scene = await openScene(allowing);
  for (const answer of [
    "SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
  ]) {
    const cell = await scene.dial();
    cell.say(get);
    const upstream = await scene.upstream();
    await upstream.until("\r\n\r\n");
    upstream.say(answer);
    assert.equal(await refusal(cell), "502 upstream_unreachable");
    await upstream.gone();
  }
  const cell = await scene.dial();
  cell.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly");
  await cell.until("only");
  upstream.socket.end();
  await cell.gone();
  assert.equal(scene.gate.events.at(-1), "GET http://example.com:80/a?b=c upstream_unreachable");
});

test("a connection gone stale is replaced for a request that may be sent twice, and only for that", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  await forwarded(scene, cell, get);
  const stale = scene.arrived[0] as Talk;
  cell.say(get);
  await stale.until("\r\n\r\n");
  stale.socket.destroy();
  const fresh = await scene.upstream();
  assert.equal(await fresh.until("\r\n\r\n"), get);
  fresh.say(ok);
  assert.equal((await cell.response()).status, 200);
  cell.say("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 0\r\n\r\n");
  await fresh.until("\r\n\r\n");
  fresh.socket.destroy();
  assert.equal(await refusal(cell), "502 upstream_unreachable");
  assert.equal(scene.arrived.length, 2);
});

test("an upgrade tunnels after its decision, both ways, with half-close", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dialTls();
  cell.say("GET /ws HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n");
  const upstream = await scene.upstream();
  assert.equal(
    await upstream.until("\r\n\r\n"),
    "GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nconnection: upgrade\r\n\r\n",
  );
  upstream.say("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\nfirst");
  assert.match(await cell.until("first"), /^HTTP\/1.1 101/);
  cell.say("GET /not-a-request");
  assert.equal(await upstream.until("request"), "GET /not-a-request");
  cell.socket.end();
  assert.equal(await upstream.rest(), "");
  upstream.say("last").socket.end();
  assert.equal(await cell.rest(), "last");
  assert.equal(scene.gate.events.length, 1);
});

test("an upgrade that is not taken is an ordinary exchange", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  const head = await forwarded(
    scene,
    cell,
    "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
  );
  assert.match(head, /connection: upgrade/);
  await forwarded(scene, cell, get);
});

test("a private address is not dialled, and an upstream that cannot be trusted or reached is told apart", async () => {
  {
    await using scene = await openScene({ ...allowing, reachable: () => [] });
    const cell = await scene.dialTls();
    cell.say(get);
    assert.equal(await refusal(cell), "403 private_address");
    assert.equal(scene.arrived.length, 0);
  }
  for (const options of [{ trusted: false }, { certified: "other.com" }]) {
    await using scene = await openScene({ ...allowing, ...options });
    const cell = await scene.dialTls();
    cell.say(get);
    assert.equal(await refusal(cell), "502 upstream_untrusted");
  }
  {
    const resolve = async () => [{ address: "127.0.0.1", port: 1 }];
    await using scene = await openScene({ ...allowing, resolve });
    const cell = await scene.dial();
    cell.say(get);
    assert.equal(await refusal(cell), "502 upstream_unreachable");
    cell.say(get);
    assert.equal(await refusal(cell), "502 upstream_unreachable");
  }
});

test("HTTP/2, SSH or noise inside TLS is refused with an event", async () => {
  for (const text of ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "SSH-2.0-OpenSSH_9.2p1\r\n", "\x00\x01\x02\x03"]) {
    await using scene = await openScene(allowing);
    const cell = await scene.dialTls();
    cell.say(text);
    assert.equal(await cell.rest(), "");
    assert.deepEqual(scene.gate.events, ["connect tls://example.com:443 protocol_not_allowed"]);
    assert.equal(scene.arrived.length, 0);
  }
});

test("a connection without a request is an event when it ends", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dialTls();
  cell.socket.end();
  await cell.gone();
  assert.deepEqual(scene.gate.events, ["connect tls://example.com:443 allow"]);
});

test("a head sent byte by byte is read once it is whole", async () => {
  await using scene = await openScene(allowing);
  const cell = await scene.dial();
  cell.socket.setNoDelay(true);
  for (const byte of get) {
    cell.say(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  const upstream = await scene.upstream();
  assert.equal(await upstream.until("\r\n\r\n"), get);
});
