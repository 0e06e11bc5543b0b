// One connection of the cell that speaks HTTP/1.1, in the clear or inside TLS that the boundary terminated.
// Its rules:
// * One request at a time: the next is not looked at before the response of the one before it is whole.
// * Every request is judged by the gate and nothing of it leaves before `decided`; what leaves are the bytes it was
//   judged by, less the fields that must not be forwarded.
// * Nothing is held but a head (64 KiB) and what one read brought too much; reading stops where writing stalls.
// * The connection is the Effect of its own requests, so that a request allocates no closure, timer or promise.

import type { Socket } from "node:net";
import type { Action, HttpAction } from "#core/action.ts";
import { type Allow, type Decision, isAllowed } from "#core/decision.ts";
import type { Effect } from "#core/gate.ts";
import type { DenyReason } from "#core/reason.ts";
import { never, type Timed } from "../deadlines.ts";
import { readDirectly, readOn } from "../tcp/direct-read.ts";
import { spokenBy } from "../tcp/first-bytes.ts";
import { MALFORMED, MORE } from "../wire/http1-bytes.ts";
import { maxHead } from "../wire/http1-head.ts";
import { denialResponse } from "./denial.ts";
import { forwardedRequest } from "./forwarded-head.ts";
import { HeadBuffer } from "./head-buffer.ts";
import type { HttpEngine } from "./http-engine.ts";
import { isBodiless, methodOverride, requestAction } from "./request-action.ts";
import { RequestBody } from "./request-body.ts";
import { hostAgrees } from "./request-host.ts";
import type { Asked, Exchange, UpstreamConnection } from "./upstream-connection.ts";
import type { Origin } from "./upstream-pool.ts";

function ignore(): void {}

/** Reads a head; idle between requests is this, too. */
const HEAD = 0;
/** Waits for the gate, or for a connection to the upstream. */
const WAITING = 1;
const EXCHANGE = 2;
/** Denied: swallows what is left of a small request body so that the connection can be used again. */
const SWALLOW = 3;
/** Its last answer is on the way; what still comes is thrown away, because closing at once could destroy the answer. */
const LINGER = 4;
const TUNNEL = 5;
const CLOSED = 6;

const headSeconds = 15;
const idleSeconds = 300;
const bodySeconds = 300;
const lingerSeconds = 3;
/** Bytes of a denied request's body that are swallowed rather than the connection ended. */
const maxSwallow = 65_536;
const maxLinger = 1_048_576;

export class HttpConnection implements Effect, Exchange, Timed {
  deadline: number;
  readonly #engine: HttpEngine;
  readonly #socket: Socket;
  readonly #origin: Origin;
  readonly #head = new HeadBuffer();
  readonly #body = new RequestBody();
  readonly #name: string;
  #state = HEAD;
  #requests = 0;
  /** Nothing more is read from the client: what still comes is what was on the way. */
  #paused = false;
  /** Requests judged or refused; without any, the connection itself becomes an event when it ends. */
  #judged = false;
  /** What came too early: bytes behind the current request, or body while the gate or a dial is waited for. */
  #early: Buffer | null = null;
  #action: HttpAction | null = null;
  #asked: Asked | null = null;
  #allow: Allow | null = null;
  /** Head and first body bytes as they will leave. */
  #outgoing: Buffer | null = null;
  #upstream: UpstreamConnection | null = null;
  #expectsContinue = false;
  #answering = false;
  #close = false;
  #clientEnded = false;
  /** More is written than the client has taken. */
  #full = false;
  /** Between two requests, waiting for the client to read. */
  #stalled = false;
  #lingered = 0;

  /**
   * `seconds`: how long the first byte of a request may take, a TLS handshake included. `first`: what was already read.
   */
  constructor(
    engine: HttpEngine,
    socket: Socket,
    scheme: "http" | "https",
    host: string,
    port: number,
    seconds: number,
    first: Buffer | null = null,
  ) {
    this.#engine = engine;
    this.#socket = socket;
    this.#origin = engine.pool.origin(scheme, host, port);
    this.#name = host;
    this.deadline = engine.deadlines.now + seconds;
    engine.deadlines.watch(this);
    engine.open.add(this);
    readDirectly(socket, (bytes) => {
      this.#came(bytes);
      return !this.#paused;
    });
    socket.on("drain", () => this.#canWrite());
    socket.on("end", () => this.#cameEnd());
    socket.on("error", ignore); // `close` follows, and is what counts
    socket.on("close", () => this.destroy());
    if (first !== null) this.#came(first);
  }

  /** Ends it and whatever it has under way. A connection without a request is judged now, so that it is in the log. */
  destroy(): void {
    if (this.#state === CLOSED) return;
    this.#state = CLOSED;
    this.#engine.deadlines.forget(this);
    this.#engine.open.delete(this);
    this.#upstream?.destroy();
    this.#upstream = null;
    this.#early = null;
    this.#outgoing = null;
    this.#head.clear();
    this.#socket.destroy();
    if (!this.#judged) this.#engine.gate.witness(this.#connectAction());
  }

  permitted(): boolean {
    const underWay = this.#state === WAITING || this.#state === EXCHANGE || this.#state === TUNNEL;
    return !underWay || this.#action === null || isAllowed(this.#engine.gate.preview(this.#action));
  }

  expired(): void {
    if (this.#state === HEAD && this.#head.length > 0) {
      this.#refuse(this.#connectAction(), "malformed_request", `the request head did not end within ${headSeconds} s`);
    } else if (this.#state === EXCHANGE && this.#body.done) this.deadline = never;
    else this.destroy();
  }

  // From the gate.

  decided(decision: Decision): void {
    if (this.#state === CLOSED) return;
    if (!isAllowed(decision)) {
      if (this.#answering) this.destroy();
      else this.#deny(decision);
      return;
    }
    this.#allow = decision;
    const idle = this.#engine.pool.take(this.#origin, decision);
    if (idle === null) this.#dial(decision);
    else this.#transmit(idle);
  }

  // From the upstream.

  received(bytes: Buffer): boolean {
    if (this.#state === CLOSED) return true;
    this.#answering = true;
    this.#full = !this.#socket.write(bytes);
    return !this.#full;
  }

  answered(close: boolean): void {
    if (this.#state === CLOSED) return;
    const upstream = this.#upstream as UpstreamConnection;
    this.#upstream = null;
    if (close) this.#close = true;
    if (!this.#body.done) {
      // Answered early: the rest of the body has no reader, and neither side can be used again.
      upstream.destroy();
      this.#linger();
      return;
    }
    this.#engine.pool.put(upstream);
    this.#finish();
  }

  switched(): void {
    this.#state = TUNNEL;
    this.deadline = never;
    const early = this.#early;
    this.#early = null;
    if (early !== null) this.#tunnel(early);
    this.#read();
    if (this.#clientEnded) this.#upstream?.sendEnd();
  }

  receivedEnd(): void {
    if (this.#clientEnded) this.#linger();
    else this.#socket.end();
  }

  broke(detail: string): void {
    const upstream = this.#upstream;
    this.#upstream = null;
    if (this.#state === CLOSED) return;
    if (this.#state !== EXCHANGE) {
      this.destroy();
      return;
    }
    if (upstream !== null && this.#mayRetry(upstream)) {
      this.#state = WAITING;
      this.#dial(this.#allow as Allow);
      return;
    }
    this.#refuse(this.#action as HttpAction, "upstream_unreachable", detail);
  }

  drained(): void {
    this.#resume();
  }

  // From the cell.

  #came(bytes: Buffer): void {
    switch (this.#state) {
      case HEAD:
        if (this.#stalled) this.#hold(bytes);
        else this.#readHead(bytes);
        return;
      case EXCHANGE:
        if (this.#body.done) this.#hold(bytes);
        else this.#readBody(bytes);
        return;
      case SWALLOW:
        this.#swallow(bytes);
        return;
      case LINGER:
        this.#lingered += bytes.length;
        if (this.#lingered > maxLinger) this.destroy();
        return;
      case TUNNEL:
        this.#tunnel(bytes);
        return;
      case WAITING:
        this.#hold(bytes);
        return;
    }
  }

  #cameEnd(): void {
    this.#clientEnded = true;
    switch (this.#state) {
      case HEAD:
      case SWALLOW:
        this.#linger();
        return;
      case LINGER:
        if (this.#socket.writableFinished) this.destroy();
        return;
      case TUNNEL:
        this.#upstream?.sendEnd();
        return;
      default:
        // Half a connection is enough to be answered on, but not half a request. Inside TLS, where hardly a client ends
        // its half and reads on, an end is a client that has given up: what it asked for must not go on costing.
        if (!this.#body.done || this.#origin.scheme === "https") this.destroy();
        else this.#close = true;
    }
  }

  #hold(bytes: Buffer): void {
    this.#early = this.#early === null ? bytes : Buffer.concat([this.#early, bytes]);
    this.#paused = true;
  }

  #read(): void {
    if (!this.#paused) return;
    this.#paused = false;
    readOn(this.#socket);
  }

  #resume(): void {
    if (this.#early === null) this.#read();
  }

  /** Goes on with what was held back. */
  #release(): void {
    const early = this.#early;
    this.#early = null;
    if (early !== null) this.#came(early);
    if (this.#state !== CLOSED) this.#resume();
  }

  #tunnel(bytes: Buffer): void {
    if (this.#upstream !== null && !this.#upstream.send(bytes)) this.#paused = true;
  }

  #readHead(came: Buffer): void {
    let bytes = came;
    if (this.#head.length > 0) {
      if (!this.#head.append(came) && this.#head.length <= maxHead) return;
      bytes = this.#head.view();
    } else this.deadline = this.#engine.deadlines.now + headSeconds;
    if (this.#requests === 0 && !this.#speaksHttp(bytes, came)) return;
    const { scanner } = this.#engine;
    const end = scanner.request(bytes, 0, bytes.length);
    if (end === MORE && bytes.length <= maxHead) {
      if (this.#head.length === 0) this.#head.append(came);
      return;
    }
    this.#head.clear();
    this.#requests += 1;
    if (end < 0 || end > maxHead) {
      const fault = end === MALFORMED ? scanner.fault : "the request head is too long";
      this.#refuse(this.#connectAction(), "malformed_request", fault);
      return;
    }
    this.#request(bytes, end);
  }

  /** On a connection's first bytes: true where they may be HTTP/1; else they are refused, or more are waited for. */
  #speaksHttp(bytes: Buffer, came: Buffer): boolean {
    const spoken = spokenBy(bytes);
    if (spoken === "http") return true;
    if (spoken === "more") {
      if (this.#head.length === 0) this.#head.append(came);
      return false;
    }
    this.#head.clear();
    this.#close = true;
    this.#judged = true;
    this.#state = WAITING;
    const what = spoken === "http2" ? "HTTP/2" : "bytes that are no HTTP request";
    this.#engine.gate.refuse(this.#connectAction(), "protocol_not_allowed", `${what} where HTTP/1.1 was expected`, {
      decided: () => {
        this.#linger();
      },
    });
    return false;
  }

  /** Turns the scanned head into an action and asks the gate. */
  #request(bytes: Buffer, headEnd: number): void {
    const { scanner, gate } = this.#engine;
    const action = requestAction(scanner, bytes, this.#origin);
    const { method, upgrade } = action;
    this.#action = action;
    this.#asked = { method, minor: scanner.minor, upgrade, close: scanner.close };
    this.#close = scanner.close;
    this.#expectsContinue = scanner.expectsContinue;
    this.#answering = false;
    const bodyEnd = this.#body.begin(scanner, bytes, headEnd);
    if (bodyEnd < 0) {
      this.#refuse(action, "malformed_request", this.#body.fault);
      return;
    }
    const host = scanner.host;
    const hostStart = scanner.valueStart[host] as number;
    if (!hostAgrees(bytes, hostStart, scanner.valueEnd[host] as number, this.#origin)) {
      this.#refuse(action, "name_mismatch", "Host is not the name and port that were dialled");
      return;
    }
    if (action.body && upgrade !== null) {
      this.#refuse(action, "malformed_request", "a body on a request to upgrade");
      return;
    }
    const judged = scanner.override < 0 ? action : this.#overridden(action, bytes);
    if (action.body && (isBodiless(method) || isBodiless(judged.method)) && !this.#mayHaveBody(judged)) return;
    this.#outgoing = forwardedRequest(scanner, bytes, headEnd, bodyEnd, upgrade !== null);
    if (bodyEnd < bytes.length) this.#hold(bytes.subarray(bodyEnd));
    this.#judged = true;
    this.#state = WAITING;
    this.deadline = never;
    gate.judge(judged, this);
  }

  /**
   * What an override header asks for. An origin may heed it or not, so both methods must be allowed: where the one on
   * the request line is not, that is what is judged.
   */
  #overridden(action: HttpAction, bytes: Buffer): HttpAction {
    const { scanner, gate } = this.#engine;
    const method = methodOverride(scanner, bytes);
    if (method === action.method || !isAllowed(gate.preview(action))) return action;
    const overridden = { ...action, method };
    this.#action = overridden;
    return overridden;
  }

  /** A tolerant origin runs the body of a GET as the next request: it passes only where the rule says so. */
  #mayHaveBody(action: HttpAction): boolean {
    const preview = this.#engine.gate.preview(action);
    if (!isAllowed(preview) || preview.obligations.bodyOnGet) return true;
    this.#refuse(action, "malformed_request", "a body on GET or HEAD");
    return false;
  }

  #readBody(bytes: Buffer): void {
    const upstream = this.#upstream as UpstreamConnection;
    const size = this.#body.follow(bytes);
    if (size === MALFORMED) {
      upstream.destroy();
      this.#upstream = null;
      this.#refuse(this.#action as HttpAction, "malformed_request", this.#body.fault);
      return;
    }
    this.#outgoing = null; // what has left in parts cannot be sent again
    this.deadline = this.#body.done ? never : this.#engine.deadlines.now + bodySeconds;
    if (size < bytes.length) this.#hold(bytes.subarray(size));
    if (!upstream.send(size < bytes.length ? bytes.subarray(0, size) : bytes)) this.#paused = true;
  }

  #dial(allow: Allow): void {
    void this.#engine.pool.reach(this.#origin, allow).then((reached) => {
      if (reached.ok) {
        if (this.#state === CLOSED) this.#engine.pool.put(reached.connection);
        else this.#transmit(reached.connection);
      } else if (this.#state !== CLOSED) {
        this.#refuse(this.#action as HttpAction, reached.reason, reached.detail);
      }
    });
  }

  #transmit(upstream: UpstreamConnection): void {
    this.#upstream = upstream;
    this.#state = EXCHANGE;
    this.deadline = this.#body.done ? never : this.#engine.deadlines.now + bodySeconds;
    upstream.begin(this, this.#asked as Asked);
    const taken = upstream.send(this.#outgoing as Buffer);
    if (!this.#body.done) {
      if (taken) this.#release();
      else this.#paused = true;
    }
  }

  /** A connection that had gone stale, and a request that is harmless to send twice and of which nothing was lost. */
  #mayRetry(upstream: UpstreamConnection): boolean {
    if (!upstream.reused || upstream.heard || this.#outgoing === null || !this.#body.done) return false;
    const method = this.#action?.method;
    return (method === "GET" || method === "HEAD" || method === "OPTIONS") && this.#asked?.upgrade === null;
  }

  #canWrite(): void {
    this.#full = false;
    if (this.#stalled) {
      this.#stalled = false;
      this.#release();
    } else this.#upstream?.resume();
  }

  /** The exchange is over on both sides. */
  #finish(): void {
    this.#outgoing = null;
    this.#action = null;
    this.#asked = null;
    if (this.#close || this.#clientEnded) {
      this.#linger();
      return;
    }
    this.#state = HEAD;
    this.deadline = this.#engine.deadlines.now + idleSeconds;
    // Who asks without reading the answers waits, or the answers would pile up here.
    if (this.#full) {
      this.#stalled = true;
      this.#paused = true;
    } else this.#release();
  }

  #refuse(action: Action, reason: DenyReason, detail: string): void {
    this.#judged = true;
    this.#state = WAITING;
    this.deadline = never;
    if (action.kind === "connect" || reason === "malformed_request") this.#close = true;
    this.#engine.gate.refuse(action, reason, detail, this);
  }

  #deny(decision: Extract<Decision, { verdict: "deny" }>): void {
    const unread = !this.#body.done;
    const swallows = this.#body.left <= maxSwallow && !this.#expectsContinue;
    const close = this.#close || this.#clientEnded || (unread && !swallows);
    const head = this.#asked?.method === "HEAD";
    this.#outgoing = null;
    this.#full = !this.#socket.write(denialResponse(this.#engine.gate.subject, decision, { head, close }));
    if (close) this.#linger();
    else if (unread) {
      this.#state = SWALLOW;
      this.deadline = this.#engine.deadlines.now + headSeconds;
      this.#release();
    } else this.#finish();
  }

  #swallow(bytes: Buffer): void {
    const size = this.#body.follow(bytes);
    if (!this.#body.done) return;
    if (size < bytes.length) this.#hold(bytes.subarray(size));
    this.#finish();
  }

  #linger(): void {
    if (this.#state === CLOSED) return;
    this.#state = LINGER;
    this.#early = null;
    // A slow reader gets its answer whole; only who has it all, and stays, is hurried.
    this.deadline = this.#engine.deadlines.now + bodySeconds;
    this.#socket.end(() => this.#allSent());
    this.#read();
  }

  #allSent(): void {
    if (this.#state !== LINGER) return;
    if (this.#clientEnded) {
      this.destroy();
      return;
    }
    this.deadline = this.#engine.deadlines.now + lingerSeconds;
    this.#read();
  }

  #connectAction(): Action {
    const { scheme, port } = this.#origin;
    return { kind: "connect", host: this.#name, port, protocol: scheme === "https" ? "tls" : "http" };
  }
}
