// The cell's doors: sockets that its first process made in its network and handed over. The kernel listens as soon as they
// are bound, so nobody finds a door missing; Node takes them up when they are first asked for.

import { createSocket, type Socket as DatagramSocket } from "node:dgram";
import { closeSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { Failure } from "#core/failure.ts";
import { takeDescriptors } from "./descriptors.ts";
import { native } from "./native.ts";
import { dnsDoorPort, tcpDoorPort } from "./network.ts";

/** The ways into the boundary: connections of the cell arrive here in the host's namespace. */
export interface Doors {
  /** Every TCP connection of the cell but DNS. Sockets come paused and half-open-capable; ask `originalDestination`. */
  readonly tcp: Server;
  readonly dns: Server;
  /** Queries of both families; a reply goes out on the socket that the query came in on. */
  readonly udp: readonly DatagramSocket[];
}

export interface OpenDoors extends Doors {
  close(): void;
}

const [AF_INET, AF_INET6] = [2, 10];
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const backlog = 4096;

/** `struct sockaddr_in` of 127.0.0.1 or any address, `struct sockaddr_in6` of ::1 or any. */
function socketAddress(family: 4 | 6, port: number, loopback: boolean): Buffer {
  const bytes = Buffer.alloc(family === 6 ? 28 : 16);
  bytes.writeUInt16LE(family === 6 ? AF_INET6 : AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  if (loopback && family === 6) bytes[23] = 1;
  if (loopback && family === 4) bytes.set([127, 0, 0, 1], 4);
  return bytes;
}

/**
 * Takes the sockets that lie in the channel and binds them; the cell's `lo` must be up. TCP of both families comes to one
 * socket. @throws Failure sandbox_unavailable
 */
export function openDoors(channel: number, ipv6: boolean): OpenDoors {
  const family = ipv6 ? 6 : 4;
  const fds = takeDescriptors(channel, ipv6 ? 4 : 3);
  if (fds === null) throw new Failure("sandbox_unavailable", "the cell's sockets did not come");
  const c = native();
  const wanted = [
    { port: tcpDoorPort, family, stream: true },
    { port: dnsDoorPort, family, stream: true },
    { port: dnsDoorPort, family: 4, stream: false },
    { port: dnsDoorPort, family: 6, stream: false },
  ] as const;
  fds.forEach((fd, at) => {
    const { port, family, stream } = wanted[at] as (typeof wanted)[number];
    const address = socketAddress(family, port, !stream);
    const done =
      (!stream || family === 4 || c.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, Buffer.alloc(4), 4) === 0) &&
      c.bind(fd, address, address.length) === 0 &&
      (!stream || c.listen(fd, backlog) === 0);
    if (done) return;
    const error = c.errno();
    for (const one of fds) closeSync(one);
    throw new Failure("sandbox_unavailable", `the cell's doors could not be opened: port ${port}, error ${error}`, {
      remedy: "See what this machine lacks: sallyport doctor",
    });
  });

  const [tcpFd = -1, dnsFd = -1, ...udpFds] = fds;
  let taken: Doors | null = null;
  let closed = false;
  const take = (): Doors => {
    taken ??= { tcp: listening(tcpFd), dns: listening(dnsFd), udp: udpFds.map(receiving) };
    return taken;
  };
  return {
    get tcp() {
      return take().tcp;
    },
    get dns() {
      return take().dns;
    },
    get udp() {
      return take().udp;
    },
    close() {
      if (closed) return;
      closed = true;
      if (taken === null) for (const fd of fds) closeSync(fd);
      else for (const one of [taken.tcp, taken.dns, ...taken.udp]) one.close();
    },
  };
}

function listening(fd: number): Server {
  return createServer({ pauseOnConnect: true, allowHalfOpen: true }).listen({ fd, backlog });
}

function receiving(fd: number, at: number): DatagramSocket {
  return createSocket(at === 0 ? "udp4" : "udp6").bind({ fd });
}
