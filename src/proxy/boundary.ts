// The one way out of a cell: every TCP connection the cell makes is handed to `accept` with the address it dialled, every
// DNS query to `dns…`. What they become is told in tcp/arrival.ts; whether anything may leave is the gate's to say.
// The boundary decides nothing, opens no connection of its own, and holds nothing global: all that lives is in `open`.

import type { Socket as DatagramSocket } from "node:dgram";
import type { Socket } from "node:net";
import type { ConnectAction } from "#core/action.ts";
import type { Gate } from "#core/gate.ts";
import { normalAddress } from "#lib/address.ts";
import { Deadlines } from "./deadlines.ts";
import { serveDatagrams, serveStream } from "./dns/server.ts";
import { createSyntheticNames, type SyntheticNames } from "./dns/synthetic-names.ts";
import type { Open } from "./http/http-engine.ts";
import { UpstreamPool } from "./http/upstream-pool.ts";
import { QuietMoment } from "./quiet-moment.ts";
import { Arrival } from "./tcp/arrival.ts";
import type { Reception } from "./tcp/reception.ts";
import type { CertificateAuthority } from "./tls/authority.ts";
import type { ResolveUpstream } from "./upstream/resolve.ts";
import type { UpstreamTrust } from "./upstream/trust.ts";
import { HeadScanner } from "./wire/http1-head.ts";

/** What the cell dialled, before its connection was redirected here. */
export interface Destination {
  readonly address: string;
  readonly port: number;
}

export interface BoundaryOptions {
  readonly gate: Gate;
  readonly authority: CertificateAuthority;
  readonly resolve: ResolveUpstream;
  readonly upstream: UpstreamTrust;
  /** The Unix socket that answers for sallyport itself; see upstream/dial.ts. */
  readonly inner?: () => Promise<string>;
  /** How a name that no rule allows is answered. */
  readonly dnsDeny: "answer" | "nxdomain";
  /** Made here unless several doors share one. */
  readonly names?: SyntheticNames;
  /** Connections of the cell at once; one more is reset. */
  readonly maxConnections?: number;
  /** Gives freed memory back to the host: called in a quiet moment after many connections have come or gone. */
  readonly releaseMemory?: () => void;
}

export interface Boundary {
  /** Takes a connection of the cell: made with `pauseOnConnect`, nothing read from it yet. */
  accept(socket: Socket, destination: Destination): void;
  /** Takes a connection of the cell to its resolver. */
  dnsStream(socket: Socket): void;
  /** Serves a bound UDP socket of the cell's resolver; it stays the caller's to close. */
  dnsDatagrams(socket: DatagramSocket): void;
  /** Ends what is open and would not be allowed any more, after the gate's policy has changed; the rest goes on. */
  review(): void;
  /** Ends every connection that is open, of the cell and to upstreams; new ones are taken and judged anew. */
  cut(): void;
  /** Ends everything at once: connections of the cell, upstreams, tunnels. */
  close(): Promise<void>;
}

const defaultMaxConnections = 16_384;

export function openBoundary(options: BoundaryOptions): Boundary {
  const { gate, authority } = options;
  const names = options.names ?? createSyntheticNames();
  const maxConnections = options.maxConnections ?? defaultMaxConnections;
  const deadlines = new Deadlines();
  const open = new Set<Open>();
  const sockets = new Set<Socket>();
  const scanner = new HeadScanner();
  const { resolve, upstream: trust, inner } = options;
  const dialling = { resolve, trust, ...(inner === undefined ? {} : { inner }) };
  const pool = new UpstreamPool(gate, scanner, deadlines, dialling);
  const reception: Reception = {
    gate,
    deadlines,
    open,
    engine: { gate, deadlines, scanner, pool, open },
    authority,
    dialling,
  };
  const resolver = { gate, names, dnsDeny: options.dnsDeny };
  const quiet = options.releaseMemory === undefined ? null : new QuietMoment(deadlines, options.releaseMemory);
  let closed = false;

  function keep(socket: Socket): void {
    sockets.add(socket);
    quiet?.moved();
    socket.once("close", () => {
      sockets.delete(socket);
      quiet?.moved();
    });
  }

  return {
    accept(socket, destination) {
      if (closed) {
        socket.destroy();
        return;
      }
      const host = names.hostOf(destination.address) ?? normalAddress(destination.address) ?? destination.address;
      socket.allowHalfOpen = true;
      socket.setNoDelay(true);
      if (sockets.size >= maxConnections) {
        const action: ConnectAction = { kind: "connect", host, port: destination.port, protocol: "tcp" };
        socket.on("error", () => socket.destroy());
        gate.refuse(action, "internal_error", "the cell has too many connections open", {
          decided: () => void socket.resetAndDestroy(),
        });
        return;
      }
      keep(socket);
      new Arrival(reception, socket, host, destination.port);
    },

    dnsStream(socket) {
      if (closed || sockets.size >= maxConnections) {
        socket.destroy();
        return;
      }
      keep(socket);
      serveStream(socket, resolver);
    },

    dnsDatagrams(socket) {
      serveDatagrams(socket, resolver);
    },

    review() {
      for (const one of open) if (!one.permitted()) one.destroy();
    },

    cut() {
      for (const one of open) one.destroy();
      pool.cut();
      for (const socket of sockets) socket.destroy();
    },

    async close() {
      closed = true;
      deadlines.close();
      for (const one of open) one.destroy();
      pool.close();
      const ending = [...sockets].map(
        (socket) => new Promise<void>((resolve) => socket.once("close", () => resolve())),
      );
      for (const socket of sockets) socket.destroy();
      await Promise.all(ending);
    },
  };
}
