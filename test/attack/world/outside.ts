// A process that stands for everything outside a cell: started in a namespace of its own, it answers to every port it is
// told of, writes down every byte it is sent, and tells its parent over IPC what it saw.
//
//   role `internet`: every address is local. TLS and HTTP on 443 and 80, DNS on 53, a listener for every other TCP port.
//   role `host`:     the machine sallyport runs on. TCP, UDP and Unix sockets that a cell must not reach.

import dgram from "node:dgram";
import fs from "node:fs";
import net from "node:net";
import tls from "node:tls";
import type { Identity } from "./certificate.ts";
import { addressesOf, banner, places } from "./names.ts";

export interface OutsideSetup {
  readonly role: "internet" | "host";
  /** TCP ports that answer with the banner. */
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
  readonly unix: readonly string[];
  readonly good?: Identity;
  readonly expired?: Identity;
  readonly selfSigned?: Identity;
  readonly wrongName?: Identity;
}

export interface Sighting {
  readonly via: string;
  readonly text: string;
}

const sightings: { via: string; bytes: Buffer }[] = [];
const dnsAsked = new Map<string, number>();

function record(via: string, bytes: Buffer): void {
  const last = sightings.at(-1);
  // Pieces of one connection are searched as one, or a canary cut by a segment would be missed.
  if (last !== undefined && last.via === via && last.bytes.length < 65_536)
    last.bytes = Buffer.concat([last.bytes, bytes]);
  else sightings.push({ via, bytes });
}

let connections = 0;

/** Says the banner, keeps what it hears. */
function answer(name: string, socket: net.Socket): void {
  const via = `${name} #${++connections}`;
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Buffer) => record(via, bytes));
  socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${banner.length}\r\nconnection: close\r\n\r\n${banner}`);
  socket.end();
}

/** An origin as tolerant as they come: whatever ends in an empty line is a request, and gets an answer. */
function origin(name: string, socket: net.Socket): void {
  const via = `${name} #${++connections}`;
  let text = "";
  socket.on("error", () => socket.destroy());
  socket.on("data", (bytes: Buffer) => {
    record(via, bytes);
    text += bytes.toString("latin1");
    for (let end = /\r?\n\r?\n/.exec(text); end !== null; end = /\r?\n\r?\n/.exec(text)) {
      const head = text.slice(0, end.index);
      text = text.slice(end.index + end[0].length);
      socket.write(reply(head));
    }
  });
  socket.on("end", () => socket.end());
}

function reply(head: string): string {
  const path = head.split(" ", 2)[1] ?? "";
  const body = `${banner} ${head.split("\r\n", 1)[0]}`;
  const redirect = /[?&]to=([^ &]+)/.exec(path)?.[1];
  if (redirect !== undefined)
    return `HTTP/1.1 302 Found\r\nlocation: ${decodeURIComponent(redirect)}\r\ncontent-length: 0\r\n\r\n`;
  if (path.startsWith("/response/two-lengths"))
    return `HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 50\r\n\r\n${body}`;
  if (path.startsWith("/response/length-and-chunked"))
    return `HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`;
  if (path.startsWith("/response/unasked"))
    return `HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned`;
  return `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
}

function dnsReply(query: Buffer): Buffer | null {
  const labels: string[] = [];
  let at = 12;
  while (at < query.length && query[at] !== 0) {
    const length = query[at] as number;
    labels.push(query.subarray(at + 1, at + 1 + length).toString("latin1"));
    at += length + 1;
  }
  if (at + 5 > query.length) return null;
  const name = labels.join(".").toLowerCase();
  const type = query.readUInt16BE(at + 1);
  const asked = dnsAsked.get(name) ?? 0;
  const answers = addressesOf(name, asked).filter((address) => type === (net.isIPv6(address) ? 28 : 1));
  if (answers.length > 0) dnsAsked.set(name, asked + 1);
  const records = answers.map((address) => {
    const data = packed(address);
    const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, data.length]);
    return Buffer.concat([head, data]);
  });
  const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, answers.length, 0, 0, 0, 0]);
  return Buffer.concat([head, query.subarray(12, at + 5), ...records]);
}

function packed(address: string): Buffer {
  if (net.isIPv4(address)) return Buffer.from(address.split(".").map(Number));
  const four = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  const text =
    four === null
      ? address
      : `${four[1]}${packed(four[2] as string)
          .toString("hex")
          .replace(/^(....)/, "$1:")}`;
  const [left = "", right] = text.split("::");
  const words = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((word) => Number.parseInt(word, 16));
  const tail = right === undefined ? [] : words(right);
  const all = [...words(left), ...new Array(8 - words(left).length - tail.length).fill(0), ...tail];
  return Buffer.from(all.flatMap((word) => [word >> 8, word & 255]));
}

function plainAddress(socket: net.Socket): string {
  return (socket.localAddress ?? "").replace(/^::ffff:/, "");
}

async function open(setup: OutsideSetup): Promise<void> {
  const ready: Promise<unknown>[] = [];
  const listen = (port: number, handle: (socket: net.Socket) => void): void => {
    const server = net.createServer(handle);
    ready.push(new Promise((resolve) => server.listen({ port, host: "::", backlog: 1024 }, () => resolve(null))));
  };
  for (const port of setup.tcp) listen(port, (socket) => answer(`tcp ${plainAddress(socket)}:${port}`, socket));
  for (const port of setup.udp) {
    for (const [type, address] of [
      ["udp4", "0.0.0.0"],
      ["udp6", "::"],
    ] as const) {
      const socket = dgram.createSocket({ type, ipv6Only: type === "udp6" });
      socket.on("message", (bytes, from) => {
        record(`udp ${port} from ${from.address}`, Buffer.from(bytes));
        socket.send(banner, from.port, from.address, () => undefined);
      });
      ready.push(new Promise((resolve) => socket.bind(port, address, () => resolve(null))));
    }
  }
  for (const path of setup.unix) {
    const server = net.createServer((socket) => answer(`unix ${path.replace("\0", "@")}`, socket));
    ready.push(
      new Promise((resolve) =>
        server.listen(path, () => {
          if (!path.startsWith("\0")) fs.chmodSync(path, 0o777);
          resolve(null);
        }),
      ),
    );
  }
  if (setup.role === "internet") openInternet(setup, listen, ready);
  await Promise.all(ready);
}

function openInternet(
  setup: OutsideSetup,
  listen: (port: number, handle: (socket: net.Socket) => void) => void,
  ready: Promise<unknown>[],
): void {
  const identities = new Map<string, Identity | undefined>();
  for (const place of Object.values(places)) {
    identities.set(place.expired, setup.expired);
    identities.set(place.selfSigned, setup.selfSigned);
    identities.set(place.wrongName, setup.wrongName);
  }
  const contexts = new Map<Identity, tls.SecureContext>();
  const notTls: ReadonlySet<string> = new Set(Object.values(places).map((place) => place.notTls));
  listen(80, (socket) => origin(`http ${plainAddress(socket)}`, socket));
  listen(443, (socket) => {
    const address = plainAddress(socket);
    const identity = identities.get(address) ?? setup.good;
    if (notTls.has(address) || identity === undefined) {
      answer(`not-tls ${address}`, socket);
      return;
    }
    const context = contexts.get(identity) ?? tls.createSecureContext(identity);
    contexts.set(identity, context);
    const secure = new tls.TLSSocket(socket, { isServer: true, secureContext: context });
    origin(`https ${address}`, secure);
  });
  for (const [type, address] of [
    ["udp4", places[4].resolver],
    ["udp6", places[6].resolver],
  ] as const) {
    const socket = dgram.createSocket({ type, ipv6Only: type === "udp6" });
    socket.on("message", (query, from) => {
      record("dns", Buffer.from(query));
      const bytes = dnsReply(query);
      if (bytes !== null) socket.send(bytes, from.port, from.address, () => undefined);
    });
    ready.push(new Promise((resolve) => socket.bind(53, address, () => resolve(null))));
  }
}

interface Question {
  readonly id: number;
  readonly needles: readonly string[];
}

process.on("disconnect", () => process.exit(0));
process.on("message", (message: { setup: OutsideSetup } | Question) => {
  if ("setup" in message) {
    void open(message.setup).then(() => process.send?.({ ready: true }));
    return;
  }
  const needles = message.needles.map((needle) => needle.toLowerCase());
  const hits: Sighting[] = [];
  for (const { via, bytes } of sightings) {
    const text = bytes.toString("latin1").toLowerCase();
    for (const needle of needles) if (text.includes(needle)) hits.push({ via, text: needle });
  }
  sightings.length = 0;
  process.send?.({ id: message.id, hits });
});
