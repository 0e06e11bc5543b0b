// The boundary's connections to origins: idle ones by scheme, host and port (last in, first out, so that few stay warm),
// TLS sessions to resume, and new ones. They are shared inside one cell only, because a boundary has one.
// A name is resolved at every new dial, the gate is asked about those very addresses, and only they are connected to.

import type { Socket } from "node:net";
import type { Allow } from "#core/decision.ts";
import type { Gate } from "#core/gate.ts";
import type { Deadlines } from "../deadlines.ts";
import { type Dialled, type DialOptions, dial } from "../upstream/dial.ts";
import type { HeadScanner } from "../wire/http1-head.ts";
import { UpstreamConnection } from "./upstream-connection.ts";

export interface Origin {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** How a Host field usually spells it: the port only where it is not the scheme's own. */
  readonly authority: string;
  readonly idle: UpstreamConnection[];
  /** The newest TLS session, to be resumed by the next dial. */
  session: Buffer | null;
}

export type Reached =
  | { readonly ok: true; readonly connection: UpstreamConnection }
  | Extract<Dialled, { readonly ok: false }>;

const maxOrigins = 1_024;
const maxIdlePerOrigin = 256;
const receiveBytes = 65_536;

export class UpstreamPool {
  readonly scanner: HeadScanner;
  readonly deadlines: Deadlines;
  readonly #gate: Gate;
  readonly #options: DialOptions;
  readonly #origins = new Map<string, Origin>();
  readonly #open = new Set<UpstreamConnection>();
  /** Everything received from any upstream passes through here and is copied out at once. */
  readonly #buffer = Buffer.allocUnsafeSlow(receiveBytes);
  #closed = false;

  constructor(gate: Gate, scanner: HeadScanner, deadlines: Deadlines, options: DialOptions) {
    this.#gate = gate;
    this.scanner = scanner;
    this.deadlines = deadlines;
    this.#options = options;
  }

  origin(scheme: "http" | "https", host: string, port: number): Origin {
    const key = `${scheme}://${host}:${port}`;
    const known = this.#origins.get(key);
    if (known !== undefined) return known;
    if (this.#origins.size >= maxOrigins) this.#makeRoom();
    const usual = port === (scheme === "https" ? 443 : 80);
    const bracketed = host.includes(":") ? `[${host}]` : host;
    const authority = usual ? bracketed : `${bracketed}:${port}`;
    const origin: Origin = { scheme, host, port, authority, idle: [], session: null };
    this.#origins.set(key, origin);
    return origin;
  }

  /** An idle connection that `allow` may use; null where there is none. */
  take(origin: Origin, allow: Allow): UpstreamConnection | null {
    const { idle } = origin;
    for (let i = idle.length - 1; i >= 0; i--) {
      const connection = idle[i] as UpstreamConnection;
      // Another rule may open other private ranges than the one that this address was vetted by.
      if (connection.allow !== allow && this.#gate.reachable(allow, [connection.address]).length === 0) continue;
      if (i === idle.length - 1) idle.pop();
      else idle.splice(i, 1);
      return connection;
    }
    return null;
  }

  /** Gives a connection back after a whole exchange. */
  put(connection: UpstreamConnection): void {
    const { idle } = connection.origin;
    if (connection.gone) return;
    connection.park();
    if (idle.length >= maxIdlePerOrigin) connection.destroy();
    else idle.push(connection);
  }

  /** A new connection. Never rejects. */
  async reach(origin: Origin, allow: Allow): Promise<Reached> {
    let connection: UpstreamConnection | null = null;
    let early = false;
    const dialled = await dial(this.#options, {
      host: origin.host,
      port: origin.port,
      reachable: (addresses) => this.#gate.reachable(allow, addresses),
      tls: origin.scheme === "https",
      session: origin.session,
      onSession: (session) => {
        origin.session = session;
      },
      onread: {
        buffer: this.#buffer,
        callback: (length, buffer) => {
          if (connection === null) early = true;
          else connection.receive(buffer as Buffer, length);
          return true;
        },
      },
    });
    if (!dialled.ok) return dialled;
    if (this.#closed) {
      dialled.socket.destroy();
      return { ok: false, reason: "internal_error", detail: "the boundary is closed" };
    }
    // Whatever speaks before it was asked is no HTTP server, and its bytes would be read as an answer.
    if (early || dialled.socket.destroyed) {
      dialled.socket.destroy();
      const detail = early ? "the upstream spoke before it was asked" : "the upstream closed at once";
      return { ok: false, reason: "upstream_unreachable", detail };
    }
    connection = this.#adopt(origin, dialled.address, allow, dialled.socket);
    return { ok: true, connection };
  }

  /** Takes an idle connection out because it ended. */
  forget(connection: UpstreamConnection): void {
    const { idle } = connection.origin;
    const index = idle.lastIndexOf(connection);
    if (index >= 0) idle.splice(index, 1);
  }

  closed(connection: UpstreamConnection): void {
    this.#open.delete(connection);
  }

  /** Ends every connection; new ones may be made. */
  cut(): void {
    for (const connection of this.#open) connection.destroy();
  }

  close(): void {
    this.#closed = true;
    this.cut();
    this.#origins.clear();
  }

  #adopt(origin: Origin, address: string, allow: Allow, socket: Socket): UpstreamConnection {
    const connection = new UpstreamConnection(this, origin, address, allow, socket);
    this.#open.add(connection);
    return connection;
  }

  #makeRoom(): void {
    for (const [key, origin] of this.#origins) {
      if (origin.idle.length > 0) continue;
      this.#origins.delete(key);
      return;
    }
  }
}
