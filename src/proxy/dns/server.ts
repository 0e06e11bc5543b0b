// The cell's resolver. Nothing is forwarded: a name gets its synthetic address whether or not it exists anywhere, every
// other type an empty answer at once. Every query is an action, answered when its event is written. A name that no rule
// allows is answered too, so that its connection can be refused over HTTP with the reason (clients retry a missing name for
// seconds), unless `dnsDeny` is `nxdomain`. What stands in the labels, however much, ends here.

import type { Socket as DatagramSocket, RemoteInfo } from "node:dgram";
import type { Socket } from "node:net";
import type { DnsAction } from "#core/action.ts";
import { type Decision, isAllowed } from "#core/decision.ts";
import type { Gate } from "#core/gate.ts";
import { addressBytes, addressFromBytes, formatAddress, parseAddress } from "#lib/address.ts";
import { normalHost } from "#lib/host-name.ts";
import {
  type DnsQuery,
  encodeAnswer,
  encodeName,
  mostQueryBytes,
  parseQuery,
  type ResponseCode,
  recordType,
  typeName,
} from "../wire/dns-message.ts";
import { ownNames, type SyntheticNames } from "./synthetic-names.ts";

export interface Resolver {
  readonly gate: Gate;
  readonly names: SyntheticNames;
  readonly dnsDeny: "answer" | "nxdomain";
}

/** Seconds. A name's address never changes, but short answers keep a policy change from being cached away. */
const ttl = 1;
/** Datagrams waiting for their event, for one socket; more are dropped, which is what UDP clients expect of a busy server. */
const mostWaiting = 256;
/** Queries of one TCP connection waiting for their event; then it is read no further. */
const mostPipelined = 32;
/** Answers that a TCP client has not read; then it is read no further. */
const mostUnsent = 64 * 1024;

/**
 * Judges one message and calls `reply` with the answer, later, at most once. Returns false when there will be no reply:
 * the bytes are no query at all.
 */
function answerQuery(bytes: Uint8Array, resolver: Resolver, reply: (answer: Buffer) => void): boolean {
  const { gate } = resolver;
  const parsed = parseQuery(bytes);
  if ("ignore" in parsed) return false;
  if ("wrong" in parsed) {
    // No name could be read; `invalid` is reserved for exactly that (RFC 6761).
    const action: DnsAction = { kind: "dns", host: "invalid", type: "TYPE0" };
    gate.refuse(action, "malformed_request", parsed.detail, {
      decided: () => reply(encodeAnswer(parsed.head, parsed.wrong)),
    });
    return true;
  }
  const { query } = parsed;
  const type = typeName(query.type);
  const host = normalHost(query.name);
  if (host === null || parseAddress(host) !== null) {
    const detail = query.name === "" ? "the root" : `not a host name: ${query.name}`;
    gate.refuse({ kind: "dns", host: "invalid", type }, "malformed_request", detail, {
      // The root exists and has no address; a name that cannot be does not.
      decided: () => reply(encodeAnswer(query, query.name === "" ? "noerror" : "nxdomain")),
    });
    return true;
  }
  const action: DnsAction = { kind: "dns", host: reverseHost(host, query.type, resolver) ?? host, type };
  gate.judge(action, { decided: (decision) => reply(answer(query, host, action, decision, resolver)) });
  return true;
}

/** The host that a PTR question about one of our addresses is about: it is judged, and logged, by that name. */
function reverseHost(host: string, type: number, { names }: Resolver): string | null {
  if (type !== recordType.PTR) return null;
  const address = addressOfReverse(host);
  return address === null ? null : names.hostOf(address);
}

/** `4.3.2.1.in-addr.arpa` → `1.2.3.4`, and the 32 nibbles of ip6.arpa; null for anything else. */
function addressOfReverse(host: string): string | null {
  if (host.endsWith(".in-addr.arpa")) {
    const parsed = parseAddress(host.slice(0, -13).split(".").reverse().join("."));
    return parsed?.family === 4 ? formatAddress(parsed) : null;
  }
  if (!/^(?:[0-9a-f]\.){32}ip6\.arpa$/.test(host)) return null;
  const digits = host.slice(0, 63).split(".").reverse().join("");
  const parsed = addressFromBytes(Buffer.from(digits, "hex"));
  return parsed === null ? null : formatAddress(parsed);
}

function answer(query: DnsQuery, host: string, action: DnsAction, decision: Decision, resolver: Resolver): Buffer {
  const fail = (code: ResponseCode) => encodeAnswer(query, code);
  if (!isAllowed(decision) && decision.reason === "internal_error") return fail("servfail");
  // Only the Internet class has names here; a zone is nobody's to transfer.
  if (query.class !== 1 || query.type === recordType.AXFR || query.type === recordType.IXFR) return fail("refused");
  const family = query.type === recordType.A ? 4 : query.type === recordType.AAAA ? 6 : null;

  if (host === "localhost" || host.endsWith(".localhost")) {
    return family === null ? fail("noerror") : addressAnswer(query, family, family === 4 ? "127.0.0.1" : "::1");
  }
  if (host.endsWith(".sallyport.internal") && !Object.hasOwn(ownNames, host)) return fail("nxdomain");
  if (query.type === recordType.PTR && action.host !== host) {
    return encodeAnswer(query, "noerror", [{ type: recordType.PTR, ttl, data: encodeName(action.host) }]);
  }
  if (host.endsWith(".in-addr.arpa") || host.endsWith(".ip6.arpa")) return fail("nxdomain");
  if (!isAllowed(decision) && resolver.dnsDeny === "nxdomain") return fail("nxdomain");
  if (family === null) return fail("noerror");
  const address = resolver.names.addressOf(host, family, isAllowed(decision));
  return address === null ? fail("servfail") : addressAnswer(query, family, address);
}

function addressAnswer(query: DnsQuery, family: 4 | 6, address: string): Buffer {
  const parsed = parseAddress(address);
  if (parsed === null || parsed.family !== family) return encodeAnswer(query, "servfail");
  return encodeAnswer(query, "noerror", [{ type: query.type, ttl, data: addressBytes(parsed) }]);
}

/** Serves a bound UDP socket until it is closed by whoever opened it. */
export function serveDatagrams(socket: DatagramSocket, resolver: Resolver): void {
  let waiting = 0;
  socket.on("message", (bytes: Buffer, from: RemoteInfo) => {
    if (waiting >= mostWaiting) return;
    const taken = answerQuery(bytes, resolver, (reply) => {
      waiting--;
      try {
        socket.send(reply, from.port, from.address, ignoreSendError);
      } catch (error) {
        // The boundary closed while the event was being written: nobody is left to hear the answer.
        if (!(error instanceof Error && "code" in error && error.code === "ERR_SOCKET_DGRAM_NOT_RUNNING")) throw error;
      }
    });
    if (taken) waiting++;
  });
}

/** An asker that is gone makes the send fail; a lost datagram is no failure of the boundary. */
function ignoreSendError(): void {}

/** Serves one TCP connection: messages with a length before them (RFC 7766), pipelined, answered in the order decided. */
export function serveStream(socket: Socket, resolver: Resolver, idleMs = 10_000): void {
  let pending: Buffer = Buffer.alloc(0);
  let waiting = 0;
  let ended = false;
  let broken = false;
  // A client may close its side after its last question, and still wants the answers.
  socket.allowHalfOpen = true;
  // Runs from message to message: bytes that trickle in do not prolong it.
  const idle = setTimeout(() => socket.destroy(), idleMs).unref();

  function read(): void {
    while (!broken && socket.writable && waiting < mostPipelined && socket.writableLength <= mostUnsent) {
      if (pending.length < 2) break;
      const length = pending.readUInt16BE(0);
      if (length < 12 || length > mostQueryBytes) {
        breakOff(`a message of ${length} bytes`);
        break;
      }
      if (pending.length < 2 + length) break;
      const message = pending.subarray(2, 2 + length);
      pending = pending.subarray(2 + length);
      idle.refresh();
      waiting++;
      if (!answerQuery(message, resolver, answered)) {
        waiting--;
        breakOff("an answer instead of a query");
        break;
      }
    }
    const full = waiting >= mostPipelined || socket.writableLength > mostUnsent;
    if (broken || full) socket.pause();
    else socket.resume();
    if (ended && waiting === 0 && socket.writable) socket.end();
  }

  function answered(reply: Buffer): void {
    waiting--;
    if (broken || !socket.writable) return;
    const framed = Buffer.allocUnsafe(2 + reply.length);
    framed.writeUInt16BE(reply.length, 0);
    framed.set(reply, 2);
    socket.write(framed);
    read();
  }

  /** The stream has no place to go on from. */
  function breakOff(detail: string): void {
    broken = true;
    socket.pause();
    const action: DnsAction = { kind: "dns", host: "invalid", type: "TYPE0" };
    resolver.gate.refuse(action, "malformed_request", detail, { decided: () => socket.destroy() });
  }

  socket.on("data", (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    read();
  });
  socket.on("drain", read);
  socket.on("end", () => {
    ended = true;
    read();
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => clearTimeout(idle));
  socket.resume();
}
