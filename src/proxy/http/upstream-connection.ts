// One connection to an origin: a request goes out, a response is followed to its end, and the connection is idle again.
// The response is read as strictly as a request: what could be split or smuggled in it ends the connection, because
// everything a cell shares with others stands behind this framing. Bytes that nobody asked for end it too.
// Received bytes live in one buffer of the boundary and are copied before they are handed on.

import type { Socket } from "node:net";
import type { Allow } from "#core/decision.ts";
import { type Deadlines, never, type Timed } from "../deadlines.ts";
import { errorCode } from "../upstream/dial.ts";
import { MALFORMED, MORE } from "../wire/http1-bytes.ts";
import { ChunkedFraming } from "../wire/http1-chunked.ts";
import { isWord } from "../wire/http1-fields.ts";
import { type HeadScanner, maxHead } from "../wire/http1-head.ts";
import { forwardedResponse, isResponseRewritten } from "./forwarded-head.ts";
import { HeadBuffer } from "./head-buffer.ts";
import type { Origin, UpstreamPool } from "./upstream-pool.ts";

/** What a request needs to know of its response. */
export interface Asked {
  readonly method: string;
  /** HTTP/1.x of the request. */
  readonly minor: number;
  /** The protocol that Upgrade asks for, lower case; null without one. */
  readonly upgrade: string | null;
  /** True where the client's connection ends behind the response, which must then say so. */
  readonly close: boolean;
}

/** Who waits for a response. */
export interface Exchange {
  /** Response bytes to pass on, the callee's own; false where the connection should pause. */
  received(bytes: Buffer): boolean;
  /** The response is whole. `close`: it told its reader that the connection ends behind it. */
  answered(close: boolean): void;
  /** 101: from here on the connection is a tunnel, and `received` brings its bytes. */
  switched(): void;
  /** The tunnel's far side ended its half. */
  receivedEnd(): void;
  /** The response broke off or could not be read; the connection is gone. */
  broke(detail: string): void;
  /** What was sent has been taken. */
  drained(): void;
}

const IDLE = 0;
const HEAD = 1;
const LENGTH = 2;
const CHUNKED = 3;
const UNTIL_CLOSE = 4;
const TUNNEL = 5;
const GONE = 6;

/** Interim (1xx) responses to one request; more is a server that never answers. */
const maxInterim = 32;
/** Seconds: an idle connection is kept; a response may pause. A model may think long before its first byte. */
const idleSeconds = 60;
const silentSeconds = 1_800;

export class UpstreamConnection implements Timed {
  deadline = never;
  /** True once it has carried a request before the current one. */
  reused = false;
  /** True when a byte of the current response has come. */
  heard = false;
  readonly origin: Origin;
  readonly address: string;
  /** The decision whose ranges the address was vetted by. */
  readonly allow: Allow;
  readonly socket: Socket;
  readonly #pool: UpstreamPool;
  readonly #scanner: HeadScanner;
  readonly #deadlines: Deadlines;
  readonly #chunks = new ChunkedFraming();
  readonly #head = new HeadBuffer();
  #exchange: Exchange | null = null;
  #asked: Asked | null = null;
  #state = IDLE;
  #left = 0;
  #close = false;
  #interim = 0;

  constructor(pool: UpstreamPool, origin: Origin, address: string, allow: Allow, socket: Socket) {
    this.#pool = pool;
    this.#scanner = pool.scanner;
    this.#deadlines = pool.deadlines;
    this.origin = origin;
    this.address = address;
    this.allow = allow;
    this.socket = socket;
    socket.on("drain", () => this.#exchange?.drained());
    socket.on("end", () => this.#ended("the upstream closed the connection before its response was whole"));
    socket.on("error", (error) => this.#ended(`the connection to the upstream failed: ${errorCode(error)}`));
    socket.on("close", () => this.#ended("the connection to the upstream was closed"));
    this.#deadlines.watch(this);
  }

  get gone(): boolean {
    return this.#state === GONE;
  }

  /** Gives the connection to one exchange. MUST be idle. */
  begin(exchange: Exchange, asked: Asked): void {
    this.#exchange = exchange;
    this.#asked = asked;
    this.#state = HEAD;
    this.#interim = 0;
    this.heard = false;
    this.deadline = this.#deadlines.now + silentSeconds;
  }

  /** Sends request or tunnel bytes, which MUST NOT change afterwards; false where the sender should pause. */
  send(bytes: Buffer): boolean {
    return this.socket.write(bytes);
  }

  /** Ends the tunnel's half towards the upstream. */
  sendEnd(): void {
    this.socket.end();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    if (this.socket.isPaused()) this.socket.resume();
  }

  /** Back to the pool. */
  park(): void {
    this.#exchange = null;
    this.#state = IDLE;
    this.reused = true;
    this.deadline = this.#deadlines.now + idleSeconds;
    this.resume();
  }

  /** Ends it; nobody is told. */
  destroy(): void {
    if (this.#state === GONE) return;
    if (this.#state === IDLE) this.#pool.forget(this);
    this.#state = GONE;
    this.#exchange = null;
    this.#deadlines.forget(this);
    this.#pool.closed(this);
    this.socket.destroy();
  }

  expired(): void {
    if (this.#state === IDLE) this.destroy();
    else this.#break("the upstream was silent for too long");
  }

  /** Takes `bytes[0..length)`, whose memory is only lent. */
  receive(bytes: Buffer, length: number): void {
    const exchange = this.#exchange;
    if (exchange === null) {
      this.destroy();
      return;
    }
    this.heard = true;
    this.deadline = this.#deadlines.now + silentSeconds;
    if (this.#state === HEAD) this.#readHead(exchange, bytes, length);
    else this.#readBody(exchange, copyOf(bytes, 0, length), 0);
  }

  #readHead(exchange: Exchange, lent: Buffer, lentLength: number): void {
    let bytes = lent;
    let length = lentLength;
    if (this.#head.length > 0) {
      if (!this.#head.append(lent.subarray(0, length)) && this.#head.length <= maxHead) return;
      bytes = this.#head.view();
      length = bytes.length;
    }
    const scanner = this.#scanner;
    let start = 0;
    for (;;) {
      const end = scanner.response(bytes, start, length);
      if (end === MALFORMED) {
        this.#break(`the upstream's response could not be read: ${scanner.fault}`);
        return;
      }
      if (end === MORE || end - start > maxHead) {
        if (length - start > maxHead) this.#break("the upstream's response head is too long");
        else this.#keep(bytes, start, length);
        return;
      }
      if (scanner.status >= 200 || scanner.status === 101) {
        this.#final(exchange, bytes, start, end, length);
        return;
      }
      if (++this.#interim > maxInterim) {
        this.#break("the upstream sends interim responses without end");
        return;
      }
      if (this.#asked?.minor === 1) exchange.received(Buffer.from(bytes.subarray(start, end)));
      start = end;
      if (start === length) {
        this.#head.clear();
        return;
      }
    }
  }

  #keep(bytes: Buffer, start: number, length: number): void {
    if (this.#head.length > 0 && start === 0) return;
    const rest = Buffer.from(bytes.subarray(start, length));
    this.#head.clear();
    this.#head.append(rest);
  }

  #final(exchange: Exchange, bytes: Buffer, start: number, end: number, length: number): void {
    const scanner = this.#scanner;
    const asked = this.#asked as Asked;
    this.#head.clear();
    this.#close = scanner.close;
    if (scanner.status === 101) {
      this.#switch(exchange, asked, bytes, start, length);
      return;
    }
    if (scanner.chunked && asked.minor === 0) {
      this.#break("the upstream's response could not be read: chunks for an HTTP/1.0 request");
      return;
    }
    if (asked.method === "HEAD" || scanner.status === 204 || scanner.status === 304) {
      this.#state = LENGTH;
      this.#left = 0;
    } else if (scanner.chunked) {
      this.#state = CHUNKED;
      this.#chunks.reset();
    } else if (scanner.contentLength >= 0) {
      this.#state = LENGTH;
      this.#left = scanner.contentLength;
    } else {
      this.#state = UNTIL_CLOSE;
      this.#close = true;
    }
    if (isResponseRewritten(scanner, asked.close)) {
      const response = forwardedResponse(scanner, bytes.subarray(0, length), start, end, asked.close);
      this.#readBody(exchange, response.bytes, response.headLength);
    } else {
      this.#readBody(exchange, copyOf(bytes, start, length), end - start);
    }
  }

  #switch(exchange: Exchange, asked: Asked, bytes: Buffer, start: number, length: number): void {
    const scanner = this.#scanner;
    const field = scanner.upgrade;
    const agrees =
      asked.upgrade !== null &&
      field >= 0 &&
      isWord(bytes, scanner.valueStart[field] as number, scanner.valueEnd[field] as number, asked.upgrade);
    if (!agrees) {
      this.#break("the upstream switched to a protocol that was not asked for");
      return;
    }
    this.#state = TUNNEL;
    this.deadline = never;
    const out = copyOf(bytes, start, length);
    exchange.switched();
    if (!exchange.received(out)) this.pause();
  }

  /** Passes `bytes` on, of which those from `bodyStart` are body. */
  #readBody(exchange: Exchange, bytes: Buffer, bodyStart: number): void {
    let end = bytes.length;
    let whole = false;
    if (this.#state === LENGTH) {
      const size = Math.min(end - bodyStart, this.#left);
      this.#left -= size;
      whole = this.#left === 0;
      end = bodyStart + size;
    } else if (this.#state === CHUNKED) {
      const found = this.#chunks.feed(bytes, bodyStart, end);
      if (found === MALFORMED) {
        this.#break(`the upstream's response could not be read: ${this.#chunks.fault}`);
        return;
      }
      if (found !== MORE) {
        end = found;
        whole = true;
      }
    }
    // Bytes behind the response are an answer that nobody asked for: the connection cannot be trusted with another.
    const excess = end < bytes.length;
    const taken = exchange.received(excess ? bytes.subarray(0, end) : bytes);
    if (whole) this.#answered(exchange, excess);
    else if (!taken && this.#state !== GONE) this.pause();
  }

  #answered(exchange: Exchange, excess: boolean): void {
    if (this.#state === GONE) return;
    const close = this.#close;
    if (excess || close) this.destroy();
    else this.#state = IDLE;
    exchange.answered(close);
  }

  #ended(detail: string): void {
    switch (this.#state) {
      case GONE:
        return;
      case IDLE:
        this.destroy();
        return;
      case UNTIL_CLOSE: {
        const exchange = this.#exchange;
        const failed = this.socket.errored !== null;
        if (failed) this.#break(detail);
        else {
          this.destroy();
          exchange?.answered(true);
        }
        return;
      }
      case TUNNEL:
        if (this.socket.destroyed) this.#break(detail);
        else this.#exchange?.receivedEnd();
        return;
      default:
        this.#break(detail);
    }
  }

  #break(detail: string): void {
    const exchange = this.#exchange;
    this.destroy();
    exchange?.broke(detail);
  }
}

function copyOf(lent: Buffer, start: number, end: number): Buffer {
  const copy = Buffer.allocUnsafe(end - start);
  lent.copy(copy, 0, start, end);
  return copy;
}
