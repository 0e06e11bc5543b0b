import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { closeSync, readdirSync, readFileSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assert as holds, property, string } from "fast-check";
import type { Event } from "#core/event.ts";
import type { Failure } from "#core/failure.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { allow, deny, request, subjectOf, temporaryFolder } from "#test/log/sample.ts";
import { type EventLog, openEventLog } from "./event-log.ts";

const session = "20261121-124652-7f3a9c";

function open(more: Partial<Parameters<typeof openEventLog>[0]> = {}): { log: EventLog; file: string } {
  const file = join(temporaryFolder(), "events.jsonl");
  const log = openEventLog({
    file,
    subject: subjectOf(session),
    durability: "group",
    now: () => 1_795_265_212_345,
    ...more,
  });
  return { log, file };
}

function lines(file: string): string[] {
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}

const action = (path = "/"): Event => ({ type: "action", action: request(path), decision: allow });

function appended(log: EventLog, event: Event): Promise<void> {
  return new Promise((resolve, reject) => void log.append(event, { written: resolve, unwritten: reject }));
}

/** The descriptor that this process holds on `file`. */
function descriptorOf(file: string): number {
  const found = readdirSync("/proc/self/fd").find((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === file;
    } catch {
      // The descriptor of this very listing is gone by now.
      return false;
    }
  });
  assert.notEqual(found, undefined);
  return Number(found);
}

test("an action is one canonical line, with its place in the chain and who asked", async () => {
  const { log, file } = open();
  assert.equal(log.append({ type: "action", action: request("/a?b=c"), decision: deny }), 1);
  await log.close();
  assert.equal(
    readFileSync(file, "utf8"),
    `{"action":{"body":false,"host":"example.com","kind":"http","method":"GET","path":"/a?b=c","port":443,"scheme":"https","upgrade":null},` +
      `"decision":{"decision":"deny","deny_reason":"domain_not_allowed","detail":null,"remedy":"--allow evil.example","rule":null},` +
      `"policy":"sha256:${"ab".repeat(32)}","prev":"${"0".repeat(64)}","seq":1,"session":"${session}",` +
      `"subject":{"agent_id":"local","owner":"you@example.com","policy_id":"none","policy_version":1},` +
      `"time":"2026-11-21T12:46:52.345Z","type":"action"}\n`,
  );
  assert.equal(statSync(file).mode & 0o777, 0o600);
});

const events: readonly (readonly [title: string, event: Event])[] = [
  ["an allowed request", action()],
  [
    "a request with an upgrade and a body",
    {
      type: "action",
      action: {
        ...request("/"),
        kind: "http",
        scheme: "http",
        host: "a",
        port: 80,
        method: "POST",
        path: "/",
        upgrade: "websocket",
        body: true,
      },
      decision: allow,
    },
  ],
  [
    "a connection",
    { type: "action", action: { kind: "connect", host: "fd00::1", port: 22, protocol: "tcp" }, decision: deny },
  ],
  ["a name", { type: "action", action: { kind: "dns", host: "example.com", type: "TYPE65280" }, decision: allow }],
  ["output", { type: "output", stream: "stderr", offset: 0, length: 7, sha256: "ab".repeat(32) }],
  ["a stage", { type: "sandbox.ready", detail: { tier: "process", z: [1, { b: null, a: true }], "": 0.5 } }],
  ["a huge path", action(`/${"é".repeat(100_000)}`)],
  ["a path of control characters", action('/\u0000\n\r\u001b]0;x\u0007\u2028\u007f"\\')],
  ["a path of lone surrogates", action("/\ud800\udc00\ud800")],
  ["a huge path cut within a pair", action(`${"x".repeat(8191)}😀${"x".repeat(10)}`)],
  [
    "a huge host and method",
    {
      type: "action",
      action: {
        ...request("/"),
        kind: "http",
        scheme: "http",
        host: "h".repeat(9000),
        port: 1,
        method: "M".repeat(9000),
        path: "/",
        upgrade: "u".repeat(9000),
        body: false,
      },
      decision: allow,
    },
  ],
  [
    "a hostile decision",
    { type: "action", action: request("/"), decision: { ...deny, detail: `\ud800${"\n".repeat(9000)}`, rule: '"' } },
  ],
  [
    "a hostile detail",
    {
      type: "boundary.failed",
      detail: { "\ud800": "\udfff".repeat(9000), many: Array.from({ length: 9000 }, () => "0123456789") },
    },
  ],
];

for (const [title, event] of events) {
  test(`${title} is canonical, bounded, and keeps the chain`, async () => {
    const { log, file } = open();
    log.append(action());
    log.append(event);
    log.append(action());
    await log.close();
    const written = lines(file);
    assert.equal(written.length, 3);
    written.forEach((line, at) => {
      const value = JSON.parse(line);
      assert.equal(canonicalJson(value), line);
      assert.equal(value.seq, at + 1);
      assert.equal(value.prev, at === 0 ? "0".repeat(64) : hash("sha256", String(written[at - 1]), "hex"));
      assert.ok(line.length < 500_000, `${line.length} characters`);
    });
    assert.equal(log.head, hash("sha256", String(written[2]), "hex"));
    assert.equal(log.digest(), hash("sha256", readFileSync(file), "hex"));
    assert.equal(log.bytes, statSync(file).size);
  });
}

test("a path that is too long is cut, and its length and hash are kept", async () => {
  const { log, file } = open();
  const path = `/${"a".repeat(20_000)}`;
  log.append(action(path));
  await log.close();
  const found = JSON.parse(String(lines(file)[0])).action;
  assert.equal(found.path, path.slice(0, 8192));
  assert.equal(found.path_length, path.length);
  assert.equal(found.path_sha256, hash("sha256", path, "hex"));
});

test("no path an agent can send forges or breaks a line", async () => {
  const { log, file } = open();
  const paths: string[] = [];
  holds(
    property(string({ unit: "binary", maxLength: 60 }), (path) => {
      paths.push(path);
      log.append(action(path));
    }),
    { numRuns: 500 },
  );
  for (const path of ['"}\n{"seq":1}', "\\", '\\"', '\ud800"', '","type":"action"}\n']) {
    paths.push(path);
    log.append(action(path));
  }
  await log.close();
  const written = lines(file);
  assert.equal(written.length, paths.length);
  written.forEach((line, at) => {
    assert.equal(JSON.parse(line).action.path, paths[at]?.toWellFormed());
    assert.equal(canonicalJson(JSON.parse(line)), line);
  });
});

test("the appends of one turn are written together, told in order, and never inside append", async () => {
  const { log, file } = open();
  const told: number[] = [];
  let inside = true;
  const done = new Promise<void>((resolve, reject) => {
    for (let n = 1; n <= 100; n++) {
      const written = () => {
        assert.equal(inside, false);
        assert.ok(lines(file).length >= n, "told before it was written");
        told.push(n);
        if (n === 100) resolve();
      };
      log.append(action(`/${n}`), { written, unwritten: reject });
    }
  });
  assert.equal(statSync(file).size, 0);
  inside = false;
  await done;
  assert.deepEqual(
    told,
    Array.from({ length: 100 }, (_, at) => at + 1),
  );
  await log.close();
});

test("what is appended while others are told goes out in the next turn", async () => {
  const { log, file } = open();
  await appended(log, action("/1"));
  const second = appended(log, action("/2"));
  assert.equal(lines(file).length, 1);
  await second;
  assert.equal(lines(file).length, 2);
  await log.close();
});

test("a turn larger than the buffer keeps its order", async () => {
  const { log, file } = open();
  const path = `/${"x".repeat(8000)}`;
  for (let n = 0; n < 400; n++) log.append(action(path));
  assert.ok(statSync(file).size > 0, "a part is written early");
  await log.close();
  assert.equal(lines(file).length, 400);
  assert.equal(log.digest(), hash("sha256", readFileSync(file), "hex"));
});

test("time never goes back, though the clock does", async () => {
  const clock = [3000, 2000, 1000, 4000];
  const { log, file } = open({ now: () => clock.shift() ?? 0 });
  for (let n = 0; n < 4; n++) log.append(action());
  await log.close();
  assert.deepEqual(
    lines(file).map((line) => JSON.parse(line).time.slice(17, 23)),
    ["03.000", "03.000", "03.000", "04.000"],
  );
});

test("durability each syncs before it tells, and close tells everything", async () => {
  const { log, file } = open({ durability: "each" });
  await appended(log, action());
  const rest = [1, 2, 3].map((n) => appended(log, action(`/${n}`)));
  await log.close();
  await Promise.all(rest);
  assert.equal(lines(file).length, 4);
});

test("actions are counted as they were decided, names apart", async () => {
  const { log } = open();
  log.append(action());
  log.append({ type: "action", action: request("/"), decision: deny });
  log.append({ type: "action", action: { kind: "connect", host: "a", port: 1, protocol: "tcp" }, decision: deny });
  log.append({ type: "action", action: { kind: "dns", host: "a", type: "A" }, decision: deny });
  await log.close();
  assert.deepEqual(log.counts, { allowed: 1, denied: 2, requests: 2, dns_allowed: 0, dns_denied: 1 });
});

test("a log has one writer, once: a file that is there is not opened", () => {
  const { file } = open();
  assert.throws(() => openEventLog({ file, subject: subjectOf(session), durability: "group", now: () => 0 }), {
    code: "log_unwritable",
  });
});

test("after close an append is nowhere, and is told so", async () => {
  const { log, file } = open();
  await log.close();
  await assert.rejects(appended(log, action()), /closed/);
  assert.equal(log.append(action()), 0);
  assert.equal(lines(file).length, 0);
});

test("an event without canonical form is refused, and the chain goes on without it", async () => {
  const { log, file } = open();
  assert.throws(() => log.append({ type: "sandbox.ready", detail: { a: Number.NaN } }), TypeError);
  assert.equal(log.append(action()), 1);
  await log.close();
  assert.equal(lines(file).length, 1);
});

test("a write that fails breaks the log: what is pending and what comes later is unwritten", async () => {
  let broken: Error | null = null;
  // With `each` no sync is pending once the append was told, so that only the next write meets the closed descriptor.
  const { log, file } = open({ durability: "each", onBroken: (error) => (broken = error) });
  await appended(log, action());
  closeSync(descriptorOf(file));
  const pending = [1, 2].map((n) => appended(log, action(`/${n}`)));
  for (const lost of await Promise.allSettled(pending)) assert.equal(lost.status, "rejected");
  assert.equal((broken as Failure | null)?.code, "log_unwritable");
  assert.equal(log.broken, broken);
  await assert.rejects(appended(log, action()), { code: "log_unwritable" });
  assert.equal(lines(file).length, 1);
});

test("one listener that throws does not keep the others from hearing", async (t) => {
  const { log } = open();
  const thrown = new Promise((resolve) => {
    const handlers = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    process.once("uncaughtException", resolve);
    t.after(() => handlers.forEach((handler) => void process.on("uncaughtException", handler)));
  });
  log.append(action(), {
    written: () => {
      throw new Error("against its contract");
    },
    unwritten: () => {},
  });
  await appended(log, action());
  assert.match(String(await thrown), /against its contract/);
  await log.close();
});
