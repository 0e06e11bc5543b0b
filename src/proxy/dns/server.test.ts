import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { Resolver as Client } from "node:dns/promises";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { after, test } from "node:test";
import type { Action } from "#core/action.ts";
import type { Decision, Deny } from "#core/decision.ts";
import type { Effect, Gate } from "#core/gate.ts";
import { encodeName } from "../wire/dns-message.ts";
import { serveDatagrams, serveStream } from "./server.ts";
import { createSyntheticNames } from "./synthetic-names.ts";

const deny = (reason: Deny["reason"]): Deny => ({ verdict: "deny", reason, rule: null, remedy: null, detail: null });
const allow: Decision = {
  verdict: "allow",
  rule: "test",
  obligations: { tls: "terminate", protocol: "any", private: [], bodyOnGet: false },
};

/** A gate that allows `allowed.example` and below, and remembers what it was asked; its answers come in a later turn. */
function createGate() {
  const heard: { readonly action: Action; readonly reason?: string; readonly detail?: string | null }[] = [];
  let held: (() => void)[] | null = null;
  const later = (effect: Effect, decision: Decision) => {
    if (held !== null) held.push(() => effect.decided(decision));
    else setImmediate(() => effect.decided(decision));
  };
  const preview = (action: Action): Decision => {
    const host = action.kind === "dns" ? action.host : "";
    if (host === "unwritable.example") return deny("internal_error");
    return /(^|\.)allowed\.example$/.test(host) ? allow : deny("domain_not_allowed");
  };
  const gate: Gate = {
    subject: {
      agent_id: "test",
      owner: "test",
      policy_id: "local",
      policy_version: 1,
      policy_digest: `sha256:${"0".repeat(64)}`,
      session: "test",
      token: null,
    },
    judge(action, effect) {
      heard.push({ action });
      later(effect, preview(action));
    },
    witness(action) {
      heard.push({ action });
    },
    refuse(action, reason, detail, effect) {
      heard.push({ action, reason, detail });
      later(effect, deny(reason));
    },
    reachable: (_allow, addresses) => addresses,
    preview,
  };
  return {
    gate,
    heard,
    hold: () => {
      held = [];
    },
    release: () => {
      const waiting = held ?? [];
      held = null;
      for (const answer of waiting) answer();
    },
  };
}

async function open(dnsDeny: "answer" | "nxdomain" = "answer", idleMs?: number) {
  const { gate, heard, hold, release } = createGate();
  const resolver = { gate, names: createSyntheticNames(), dnsDeny };
  const udp = createSocket("udp4");
  udp.bind(0, "127.0.0.1");
  await once(udp, "listening");
  const { port } = udp.address();
  serveDatagrams(udp, resolver);
  const tcp = createServer({ pauseOnConnect: true }, (socket) => serveStream(socket, resolver, idleMs));
  tcp.listen(port, "127.0.0.1");
  await once(tcp, "listening");
  const client = new Client({ timeout: 2000, tries: 1 });
  client.setServers([`127.0.0.1:${port}`]);
  after(() => {
    udp.close();
    tcp.close();
  });
  return { client, heard, hold, release, port, names: resolver.names };
}

function query(host: string, type = 1, id = 7, recordClass = 1): Buffer {
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([
    head,
    encodeName(host),
    Buffer.from([type >> 8, type & 255, recordClass >> 8, recordClass & 255]),
  ]);
}

const framed = (message: Buffer) => Buffer.concat([Buffer.from([message.length >> 8, message.length & 255]), message]);

async function ask(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = createSocket("udp4");
  try {
    socket.send(bytes, port, "127.0.0.1");
    const [answer] = await once(socket, "message");
    return answer;
  } finally {
    socket.close();
  }
}

async function dial(port: number): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  await once(socket, "connect");
  return socket;
}

async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads on and waits for the end, reset or not. */
function closed(socket: Socket): Promise<void> {
  socket.on("error", () => socket.destroy());
  socket.on("end", () => socket.destroy());
  return new Promise((resolve) => socket.resume().on("close", () => resolve()));
}

const code = (answer: Buffer) => answer.readUInt16BE(2) & 15;

test("a real client gets a name's own address in both families, and its name back", async () => {
  const { client, heard } = await open();
  assert.deepEqual(await client.resolve4("Allowed.Example", { ttl: true }), [{ address: "198.18.1.0", ttl: 1 }]);
  assert.deepEqual(await client.resolve6("allowed.example"), ["fd73:616c:6c79:706f::100"]);
  assert.deepEqual(await client.reverse("198.18.1.0"), ["allowed.example"]);
  assert.deepEqual(await client.reverse("fd73:616c:6c79:706f::100"), ["allowed.example"]);
  assert.deepEqual(
    heard.map(({ action }) => action),
    ["A", "AAAA", "PTR", "PTR"].map((type) => ({ kind: "dns", host: "allowed.example", type })),
  );
});

test("a denied name is answered, so that its connection can say why; or not, when told so", async () => {
  const answering = await open("answer");
  assert.deepEqual(await answering.client.resolve4("denied.example"), ["198.19.0.0"]);
  assert.equal(answering.names.hostOf("198.19.0.0"), "denied.example");
  const silent = await open("nxdomain");
  await assert.rejects(silent.client.resolve4("denied.example"), { code: "ENOTFOUND" });
  assert.deepEqual(await silent.client.resolve4("allowed.example"), ["198.18.1.0"]);
});

test("other types are empty at once, whatever is in the labels", async () => {
  const { client, heard } = await open();
  const data = `${"a".repeat(63)}.${"b".repeat(63)}.allowed.example`;
  await assert.rejects(client.resolveTxt(data), { code: "ENODATA" });
  await assert.rejects(client.resolveMx("denied.example"), { code: "ENODATA" });
  await assert.rejects(client.resolveSrv("_grpc._tcp.allowed.example"), { code: "ENODATA" });
  assert.deepEqual(
    heard.map(({ action }) => action.kind === "dns" && action.type),
    ["TXT", "MX", "SRV"],
  );
});

test("each query gets the code that fits it, and an event", async () => {
  const cases: [why: string, bytes: Buffer, code: number, answers: number, event: string][] = [
    ["HTTPS is empty", query("allowed.example", 65), 0, 0, "allowed.example HTTPS"],
    ["ANY is empty", query("allowed.example", 255), 0, 0, "allowed.example ANY"],
    ["NULL is empty", query("denied.example", 10), 0, 0, "denied.example NULL"],
    ["a private type is empty", query("allowed.example", 65280), 0, 0, "allowed.example TYPE65280"],
    ["the root is empty", query("", 2), 0, 0, "invalid NS malformed_request"],
    ["a zone is not transferred", query("allowed.example", 252), 5, 0, "allowed.example AXFR"],
    ["CHAOS is refused", query("version.bind", 16, 7, 3), 5, 0, "version.bind TXT"],
    ["localhost is the cell's own", query("localhost"), 0, 1, "localhost A"],
    ["and all below it", query("app.localhost", 28), 0, 1, "app.localhost AAAA"],
    ["an address is no name", query("10.0.0.1"), 3, 0, "invalid A malformed_request"],
    ["nor is what resembles one", query("0x7f.1"), 3, 0, "invalid A malformed_request"],
    ["nor is a decimal one", query("2130706433"), 3, 0, "invalid A malformed_request"],
    ["a space is in no host", query("a b.example"), 3, 0, "invalid A malformed_request"],
    ["our own name has its place", query("sallyport.internal"), 0, 1, "sallyport.internal A"],
    ["nothing else stands below it", query("x.sallyport.internal"), 3, 0, "x.sallyport.internal A"],
    ["no one else's address has a name", query("8.8.8.8.in-addr.arpa", 12), 3, 0, "8.8.8.8.in-addr.arpa PTR"],
    ["an unwritten event is a failure", query("unwritable.example"), 2, 0, "unwritable.example A"],
    [
      "two questions are none",
      Buffer.from([0, 7, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1]),
      1,
      0,
      "invalid TYPE0 malformed_request",
    ],
    [
      "an update is not known here",
      Buffer.from([0, 7, 0x28, 0, 0, 1, 0, 0, 0, 0, 0, 0]),
      4,
      0,
      "invalid TYPE0 malformed_request",
    ],
  ];
  const { port, heard } = await open();
  for (const [why, bytes, expected, answers, event] of cases) {
    heard.length = 0;
    const answer = await ask(port, bytes);
    assert.equal(code(answer), expected, why);
    assert.equal(answer.readUInt16BE(6), answers, why);
    assert.equal(answer.readUInt16BE(0), 7, why);
    const said = heard.map(({ action, reason }) =>
      action.kind === "dns" ? [action.host, action.type, ...(reason ? [reason] : [])].join(" ") : action.kind,
    );
    assert.deepEqual(said, [event], why);
  }
});

test("an answer sent as a query is not answered, and what follows it is", async () => {
  const { port, heard } = await open();
  const socket = createSocket("udp4");
  const loop = query("allowed.example");
  loop[2] = 0x81;
  socket.send(loop, port, "127.0.0.1");
  socket.send(Buffer.from("x"), port, "127.0.0.1");
  socket.send(query("allowed.example", 1, 99), port, "127.0.0.1");
  const [answer] = await once(socket, "message");
  assert.equal(answer.readUInt16BE(0), 99);
  assert.equal(heard.length, 1);
  socket.close();
});

test("over TCP queries come in any pieces and many at once, and half-close ends after the last answer", async () => {
  const { port } = await open();
  const socket = await dial(port);
  const all = Buffer.concat(Array.from({ length: 200 }, (_, i) => framed(query(`n${i}.allowed.example`, 1, i))));
  for (let at = 0; at < 300; at += 3) socket.write(all.subarray(at, at + 3));
  socket.end(all.subarray(300));
  const answers = await readAll(socket);
  let at = 0;
  for (let i = 0; i < 200; i++) {
    const length = answers.readUInt16BE(at);
    assert.equal(answers.readUInt16BE(at + 2), i);
    assert.equal(code(answers.subarray(at + 2)), 0);
    at += 2 + length;
  }
  assert.equal(at, answers.length);
});

test("a TCP client that pipelines without end is read no further than what may wait", async () => {
  const { port, heard, hold, release } = await open();
  hold();
  const socket = await dial(port);
  socket.write(Buffer.concat(Array.from({ length: 100 }, (_, i) => framed(query("allowed.example", 1, i)))));
  while (heard.length < 32) await new Promise(setImmediate);
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.equal(heard.length, 32);
  release();
  socket.end();
  assert.ok((await readAll(socket)).length > 100 * 40);
  assert.equal(heard.length, 100);
});

test("a TCP stream that is not DNS ends, with an event", async () => {
  const { port, heard } = await open();
  for (const bytes of [
    Buffer.from("GET / HTTP/1.1\r\n\r\n"),
    Buffer.from([0, 3, 1, 2, 3]),
    framed(Buffer.alloc(12, 0x80)),
  ]) {
    heard.length = 0;
    const socket = await dial(port);
    socket.write(bytes);
    await closed(socket);
    assert.deepEqual(
      heard.map(({ reason }) => reason),
      ["malformed_request"],
    );
  }
});

test("a TCP client that trickles is cut off at its time, however busy it looks", async () => {
  const { port, heard } = await open("answer", 150);
  const socket = await dial(port);
  const bytes = framed(query("allowed.example"));
  let sent = 0;
  const trickle = setInterval(() => {
    if (sent < bytes.length - 1) socket.write(bytes.subarray(sent, ++sent));
  }, 10);
  await closed(socket);
  clearInterval(trickle);
  assert.equal(heard.length, 0);
});

test("a flood of datagrams holds no more than may wait, and the resolver answers after it", async () => {
  const { port, heard, hold, release } = await open();
  hold();
  const socket = createSocket("udp4");
  for (let i = 0; i < 2000; i++) socket.send(query("allowed.example", 1, i), port, "127.0.0.1");
  while (heard.length < 256) await new Promise(setImmediate);
  for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
  assert.equal(heard.length, 256);
  release();
  socket.close();
  assert.equal(code(await ask(port, query("allowed.example"))), 0);
});
