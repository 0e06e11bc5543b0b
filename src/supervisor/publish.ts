// The ports of a cell that the host may reach (`--publish`): a listener on the host for each, and for each connection one into
// the cell's own loopback, joined. Nothing here lets the cell begin a connection: it answers those that the host makes.
// Rules: a listener is there before the agent starts, or the run does not begin; no byte passes before its event is written;
// what comes before the cell runs waits for it.

import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { Failure } from "#core/failure.ts";
import { hostAndPort } from "#lib/host-name.ts";
import { Tunnel } from "#proxy/tcp/tunnel.ts";
import { type CellProcess, type CellSockets, openCellSockets } from "#sandbox/inbound/cell-sockets.ts";
import { connectInto } from "#sandbox/inbound/connect-into.ts";

/** A port as it is asked for. */
export interface PortWish {
  /** Literal addresses of the host to listen on, each. */
  readonly addresses: readonly string[];
  /** Of the host; 0 is any that is free. */
  readonly port: number;
  readonly cellPort: number;
}

export interface PublishedPort {
  readonly addresses: readonly string[];
  readonly port: number;
  readonly cellPort: number;
}

/** One connection from the host, when it is known whether the cell answers. */
export interface InboundConnection {
  readonly port: number;
  readonly cellPort: number;
  /** `address:port` of who connected. */
  readonly from: string;
  readonly outcome: "connected" | "nothing_listens" | "too_many" | "failed";
}

export interface PublisherOptions {
  /** MUST call `then` once the connection's event is written, and never when it cannot be. */
  readonly onConnection: (connection: InboundConnection, then: () => void) => void;
  /** Connections at once, over all ports. */
  readonly maxConnections?: number;
}

export interface Publisher {
  /** Opens a port of the host at once; works at any time of a run. @throws Failure port_unavailable */
  open(wish: PortWish): Promise<PublishedPort>;
  /** True for a port of the host's loopback that leads back into the cell. */
  owns(port: number): boolean;
  /** The cell that connections lead to from now on. */
  attach(cell: CellProcess): void;
  /** Ends all connections and listeners. */
  close(): void;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const { maxConnections = 512 } = options;
  const servers: Server[] = [];
  const joined = new Set<Tunnel>();
  const waiting = new Set<Socket>();
  const attached = Promise.withResolvers<CellSockets>();
  // A run that fails before its cell is there leaves nobody who waits.
  attached.promise.catch(() => undefined);
  let sockets: CellSockets | null = null;
  let closed = false;

  async function arrive(host: Socket, port: number, cellPort: number): Promise<void> {
    host.on("error", () => host.destroy());
    const from = hostAndPort(host.remoteAddress ?? "", host.remotePort ?? 0);
    const tell = (outcome: InboundConnection["outcome"], then: () => void) =>
      options.onConnection({ port, cellPort, from, outcome }, then);
    const reset = () => void host.resetAndDestroy();
    if (joined.size + waiting.size >= maxConnections) return tell("too_many", reset);
    waiting.add(host);
    let cell: Socket | null = null;
    try {
      cell = await connectInto(await attached.promise, cellPort, () => !closed && !host.destroyed);
    } catch {
      // Whatever the machine lacks at this moment (a process, a descriptor), it is one connection that is not made.
      waiting.delete(host);
      if (!closed) tell("failed", reset);
      return;
    }
    if (cell === null) {
      waiting.delete(host);
      if (!closed) tell("nothing_listens", reset);
      return;
    }
    const inside = cell;
    tell("connected", () => {
      waiting.delete(host);
      if (closed) return void inside.destroy();
      const tunnel: Tunnel = new Tunnel(host, inside, () => joined.delete(tunnel));
      joined.add(tunnel);
      tunnel.begin(null);
    });
  }

  async function listen(address: string, port: number, cellPort: number): Promise<number> {
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true, noDelay: true });
    server.listen({ host: address, port, backlog: 128, ipv6Only: address.includes(":") });
    try {
      await once(server, "listening");
    } catch (cause) {
      throw unavailable(address, port, cause as NodeJS.ErrnoException);
    }
    if (closed) {
      server.close();
      throw new Failure("port_unavailable", "the run has ended");
    }
    server.on("error", () => undefined); // of one connection that could not be accepted: the others go on
    servers.push(server);
    const { port: taken } = server.address() as { port: number };
    server.on("connection", (socket) => void arrive(socket, taken, cellPort));
    return taken;
  }

  return {
    open: async ({ addresses, port, cellPort }) => {
      let taken = port;
      const had: string[] = [];
      for (const address of addresses) {
        try {
          taken = await listen(address, taken, cellPort);
          had.push(address);
        } catch (error) {
          // A machine without IPv6 has only the other loopback.
          const { cause } = error as { cause?: NodeJS.ErrnoException };
          if (had.length === 0 || !["EADDRNOTAVAIL", "EAFNOSUPPORT"].includes(cause?.code ?? "")) throw error;
        }
      }
      return { addresses: had, port: taken, cellPort };
    },
    owns: (port) => servers.some((server) => (server.address() as { port: number } | null)?.port === port),
    attach: (cell) => {
      sockets = openCellSockets(cell);
      attached.resolve(sockets);
    },
    close: () => {
      closed = true;
      attached.reject(new Failure("sandbox_failed", "the run has ended"));
      for (const server of servers) server.close();
      for (const host of waiting) host.destroy();
      for (const tunnel of joined) tunnel.destroy();
      sockets?.close();
    },
  };
}

function unavailable(address: string, port: number, cause: NodeJS.ErrnoException): Failure {
  const place = hostAndPort(address, port);
  const [why, remedy] =
    cause.code === "EADDRINUSE"
      ? ["another program has it", "End that program, or publish another port of the host: --publish HOST:CELL."]
      : cause.code === "EACCES"
        ? ["only root may have it", "Publish another port of the host: --publish 8080:80."]
        : cause.code === "EADDRNOTAVAIL"
          ? ["this machine has no such address", "Name an address of this machine, or none for the loopback."]
          : [cause.code ?? cause.message, "Publish another port."];
  return new Failure("port_unavailable", `${place} cannot be published: ${why}`, {
    place: `--publish ${place}`,
    remedy,
    cause,
  });
}
