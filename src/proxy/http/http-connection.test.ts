import assert from "node:assert/strict";
import { test } from "node:test";
import { allowAll, deny } from "#test/proxy/gate.ts";
import { openScene } from "#test/proxy/scene.ts";

const get = "GET /a?b=c HTTP/1.1\r\nHost: example.com\r\nX-Case: As-It-Was\r\n\r\n";

test("an allowed request leaves byte for byte, and its response comes back", async () => {
  await using scene = await openScene({ answer: () => allowAll });
  const cell = await scene.dial();
  cell.say(get);
  const upstream = await scene.upstream();
  assert.equal(await upstream.until("\r\n\r\n"), get);
  upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  assert.equal((await cell.response()).body, "hello");
  assert.deepEqual(scene.gate.events, ["GET http://example.com:80/a?b=c allow"]);
});

test("TLS is terminated, and the upstream's is verified and reused", async () => {
  await using scene = await openScene({ answer: () => allowAll });
  const cell = await scene.dialTls();
  for (let i = 0; i < 3; i++) {
    cell.say(get);
    const upstream = scene.arrived[0] ?? (await scene.upstream());
    assert.equal(await upstream.until("\r\n\r\n"), get);
    upstream.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert.equal((await cell.response()).body, "hello");
  }
  assert.equal(scene.arrived.length, 1);
  assert.equal(scene.gate.events.length, 3);
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
    assert.equal(body.decision, "deny");
    assert.equal(body.agent_id, "tester");
    assert.equal(body.deny_reason, "domain_not_allowed");
  }
  assert.equal(scene.arrived.length, 0);
});
