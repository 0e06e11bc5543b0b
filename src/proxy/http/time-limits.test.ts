import assert from "node:assert/strict";
import { test } from "node:test";
import { allowAll } from "#test/proxy/gate.ts";
import { openScene } from "#test/proxy/scene.ts";

const get = "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";

test("a head that does not end in time is refused, however steadily it drips", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  await using scene = await openScene({ answer: () => allowAll });
  const cell = await scene.dialTls();
  cell.say("GET / HTTP/1.1\r\nHost: exa");
  const other = await scene.dialTls();
  other.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  for (let i = 0; i < 17; i++) {
    cell.say("m");
    t.mock.timers.tick(1_000);
  }
  assert.match(await cell.rest(), /^HTTP\/1\.1 400 [\s\S]*did not end within 15 s/);
  assert.equal(scene.gate.events.at(-1), "connect tls://example.com:443 malformed_request");
  upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  assert.equal((await other.response()).status, 200);
});

test("connections that nobody uses are closed: to the upstream after a minute, of the cell after five", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  await using scene = await openScene({ answer: () => allowAll });
  const cell = await scene.dial();
  cell.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  await cell.response();
  t.mock.timers.tick(62_000);
  await upstream.gone();
  cell.say(get);
  const second = await scene.upstream();
  await second.until("\r\n\r\n");
  second.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  await cell.response();
  t.mock.timers.tick(302_000);
  await cell.gone();
  assert.equal(scene.gate.events.length, 2);
});

test("a request that waits for a slow model is not hurried, one whose body stalls is", async (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  await using scene = await openScene({ answer: () => allowAll });
  const patient = await scene.dial();
  patient.say(get);
  const upstream = await scene.upstream();
  await upstream.until("\r\n\r\n");
  const stalled = await scene.dial();
  stalled.say("POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 9\r\n\r\nabc");
  const other = await scene.upstream();
  await other.until("abc");
  t.mock.timers.tick(1_200_000);
  await stalled.gone();
  await other.gone();
  upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
  assert.equal((await patient.response()).body, "ok");
});
