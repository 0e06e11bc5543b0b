// A connection of the cell, from its first byte to the moment it is known what it speaks. Then it becomes an HTTP
// connection (in the clear, or inside TLS that is terminated here), a tunnel, or nothing.
// Its rules:
// * What is spoken is told by the bytes, never by the port; whether it may be is the gate's to say.
// * Bounded: `mostClientHelloBytes` and a time limit. Who says nothing may be a client that waits for its server to speak
//   first, so silence is judged as plain TCP: soon where that could be allowed, later where only a slow client could be.
// * Every connection ends in at least one event.

import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { ConnectAction } from "#core/action.ts";
import { type Allow, type Decision, isAllowed } from "#core/decision.ts";
import type { Effect } from "#core/gate.ts";
import type { DenyReason } from "#core/reason.ts";
import { normalHost } from "#lib/host-name.ts";
import { never, type Timed } from "../deadlines.ts";
import { HttpConnection } from "../http/http-connection.ts";
import { type Alert, fatalAlert } from "../tls/alert.ts";
import { dial } from "../upstream/dial.ts";
import { mostClientHelloBytes, parseClientHello } from "../wire/client-hello.ts";
import { spokenBy } from "./first-bytes.ts";
import type { Reception } from "./reception.ts";
import { Tunnel } from "./tunnel.ts";

/** Milliseconds of silence after which a connection counts as one whose server speaks first. */
const silenceAllowed = 150;
const silenceDenied = 500;
const silenceOtherProtocol = 10_000;
/** Seconds for a ClientHello or the beginning of a request line to be whole, and for the handshake. */
const helloSeconds = 10;
const handshakeSeconds = 10;
const protocols = ["tcp", "tls", "http"] as const;

export class Arrival implements Effect, Timed {
  deadline: number;
  readonly #reception: Reception;
  readonly #socket: Socket;
  readonly #host: string;
  readonly #port: number;
  #bytes: Buffer | null = null;
  #protocol: ConnectAction["protocol"] = "tcp";
  #settled = false;
  /** It is or becomes a tunnel. */
  #allowed = false;
  #silence: NodeJS.Timeout | null = null;
  #alert: Alert | null = null;
  readonly #onReadable = () => this.#look();
  readonly #onEnd = () => this.#gone();

  constructor(reception: Reception, socket: Socket, host: string, port: number) {
    this.#reception = reception;
    this.#socket = socket;
    this.#host = host;
    this.#port = port;
    const { deadlines, open, gate } = reception;
    this.deadline = deadlines.now + helloSeconds + 1;
    deadlines.watch(this);
    open.add(this);
    socket.on("error", this.#onEnd);
    socket.on("close", this.#onEnd);
    const plain = gate.preview(this.#action("tcp"));
    if (isAllowed(plain) && plain.obligations.protocol === "tcp") {
      this.#judge("tcp");
      return;
    }
    socket.on("end", this.#onEnd);
    socket.on("readable", this.#onReadable);
    this.#silence = setTimeout(() => this.#silent(), silenceAfter(plain));
    this.#look();
  }

  /** Only what has not become something else yet is ended here. */
  destroy(): void {
    if (!this.#settled) this.#gone();
    this.#socket.destroy();
  }

  expired(): void {
    if (this.#settled) return;
    if (this.#protocol === "tls")
      this.#refuse("malformed_request", "the ClientHello did not end in time", "decode_error");
    else this.#judge("tcp");
  }

  decided(decision: Decision): void {
    if (this.#socket.destroyed) {
      this.#forget();
      return;
    }
    this.#allowed = isAllowed(decision);
    if (isAllowed(decision)) void this.#tunnel(decision);
    else this.#deny();
  }

  /** While it is looked at nothing has passed yet: what it turns out to be is judged then. */
  permitted(): boolean {
    return !this.#allowed || isAllowed(this.#reception.gate.preview(this.#action(this.#protocol)));
  }

  #action(protocol: ConnectAction["protocol"]): ConnectAction {
    return { kind: "connect", host: this.#host, port: this.#port, protocol };
  }

  #look(): void {
    if (this.#settled) return;
    const more = this.#socket.read() as Buffer | null;
    if (more === null) return;
    this.#bytes = this.#bytes === null ? more : Buffer.concat([this.#bytes, more]);
    switch (spokenBy(this.#bytes)) {
      case "more":
        return;
      case "tls":
        this.#hello(this.#bytes);
        return;
      case "http":
        this.#http(this.#bytes);
        return;
      default:
        this.#judge("tcp");
    }
  }

  #hello(bytes: Buffer): void {
    this.#protocol = "tls";
    this.#endSilence();
    const hello = parseClientHello(bytes);
    if ("error" in hello) {
      this.#refuse("malformed_request", `ClientHello: ${hello.detail}`, "decode_error");
    } else if (!hello.complete) {
      if (bytes.length > mostClientHelloBytes)
        this.#refuse("malformed_request", "the ClientHello is too long", "decode_error");
    } else if (hello.sni !== null && normalHost(hello.sni) !== this.#host) {
      this.#refuse("name_mismatch", "SNI is not the name that was dialled", "unrecognized_name");
    } else {
      const preview = this.#reception.gate.preview(this.#action("tls"));
      if (isAllowed(preview) && preview.obligations.tls === "pass") this.#judge("tls");
      else if (hello.alpn.length > 0 && !hello.alpn.includes("http/1.1")) {
        const detail = "the client offers no HTTP/1.1 (ALPN)";
        this.#refuse("protocol_not_allowed", detail, "no_application_protocol");
      } else this.#terminate(bytes);
    }
  }

  /** TLS ends here, also for a host that will be denied: its client reads the reason as an HTTP answer. */
  #terminate(bytes: Buffer): void {
    this.#become();
    const { authority, engine } = this.#reception;
    const raw = this.#socket;
    raw.unshift(bytes);
    readInPieces(raw);
    raw.on("error", () => secure.destroy());
    const secure: TLSSocket = new TLSSocket(raw, {
      isServer: true,
      secureContext: authority.contextFor(this.#host),
      // Not by SNICallback: it forgets ALPN when the handshake needs a HelloRetryRequest.
      ALPNProtocols: ["http/1.1"],
    });
    new HttpConnection(engine, secure, "https", this.#host, this.#port, handshakeSeconds);
  }

  #http(bytes: Buffer): void {
    this.#become();
    new HttpConnection(this.#reception.engine, this.#socket, "http", this.#host, this.#port, helloSeconds, bytes);
  }

  #silent(): void {
    this.#silence = null;
    if (this.#settled) return;
    if (this.#bytes === null && this.#unsaid() !== "tcp") this.#gone();
    else this.#judge("tcp");
  }

  /** Who said nothing (a connection opened in advance) asked for nothing: it counts as what it would have been let do. */
  #unsaid(): ConnectAction["protocol"] {
    const { gate } = this.#reception;
    return protocols.find((protocol) => isAllowed(gate.preview(this.#action(protocol)))) ?? "tcp";
  }

  #judge(protocol: ConnectAction["protocol"]): void {
    this.#settle(protocol);
    this.#reception.gate.judge(this.#action(protocol), this);
  }

  #refuse(reason: DenyReason, detail: string, alert: Alert | null): void {
    this.#settle(this.#protocol);
    this.#alert = alert;
    this.#reception.gate.refuse(this.#action(this.#protocol), reason, detail, this);
  }

  /** What it speaks is known: nothing more is read until the gate has answered. */
  #settle(protocol: ConnectAction["protocol"]): void {
    this.#settled = true;
    this.#protocol = protocol;
    this.deadline = never;
    this.#endSilence();
    this.#socket.off("readable", this.#onReadable);
  }

  /** Over TLS an alert, over anything else a reset: a client must not wait for what will not come. */
  #deny(): void {
    const alert = this.#alert ?? (this.#protocol === "tls" ? "access_denied" : null);
    this.#forget();
    if (alert === null) this.#socket.resetAndDestroy();
    else {
      this.#socket.once("finish", () => this.#socket.destroy());
      this.#socket.end(fatalAlert(alert));
    }
  }

  async #tunnel(allow: Allow): Promise<void> {
    const { gate, dialling } = this.#reception;
    const dialled = await dial(dialling, {
      host: this.#host,
      port: this.#port,
      reachable: (addresses) => gate.reachable(allow, addresses),
      tls: false,
    });
    if (!dialled.ok) {
      if (this.#socket.destroyed) this.#forget();
      else this.#refuse(dialled.reason, dialled.detail, this.#protocol === "tls" ? "handshake_failure" : null);
      return;
    }
    if (this.#socket.destroyed || !this.#reception.open.has(this)) {
      dialled.socket.destroy();
      this.#forget();
      return;
    }
    const { open } = this.#reception;
    this.#become();
    const tunnel = new Tunnel(this.#socket, dialled.socket, () => open.delete(held));
    const held = { destroy: () => tunnel.destroy(), permitted: () => this.permitted() };
    open.add(held);
    tunnel.begin(this.#bytes);
  }

  /** Hands the socket on, without a trace of this. */
  #become(): void {
    this.#settled = true;
    this.#endSilence();
    this.#forget();
    this.#socket.off("readable", this.#onReadable);
    this.#socket.off("end", this.#onEnd);
    this.#socket.off("error", this.#onEnd);
    this.#socket.off("close", this.#onEnd);
  }

  #forget(): void {
    this.#reception.deadlines.forget(this);
    this.#reception.open.delete(this);
  }

  #endSilence(): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = null;
  }

  /** It ended, or broke, before it said enough. Half a connection with nothing said has nothing to wait for. */
  #gone(): void {
    if (this.#settled) return;
    this.#settle(this.#bytes === null ? this.#unsaid() : this.#protocol);
    this.#forget();
    this.#reception.gate.witness(this.#action(this.#protocol));
    this.#socket.destroy();
  }
}

function silenceAfter(plain: Decision): number {
  if (isAllowed(plain)) return silenceAllowed;
  return plain.reason === "protocol_not_allowed" ? silenceOtherProtocol : silenceDenied;
}

/**
 * Lets TLS take the bytes put back in pieces. Its read buffer is as large as what comes first, and grows by 16 KiB for good
 * the moment it is full, which a ClientHello in one piece makes it: a fifth of what an idle connection costs.
 */
function readInPieces(raw: Socket): void {
  const { read } = raw;
  raw.read = (size) => (raw.readableLength === 0 ? null : read.call(raw, size ?? Math.min(1_000, raw.readableLength)));
}
