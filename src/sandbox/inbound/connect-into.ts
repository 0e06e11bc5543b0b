// A connection from the host to a server of the agent's: to the cell's own loopback, wherever on it the server listens.

import { closeSync } from "node:fs";
import { Socket } from "node:net";
import type { CellSockets } from "./cell-sockets.ts";

/** Milliseconds between attempts: a server that is just starting is waited for, one that is not there is told soon. */
const pauses = [50, 100, 200, 400, 800, 1_000] as const;
/** Milliseconds for one attempt: inside one kernel only a server that takes no connections lets it pass. */
const patience = 5_000;

/**
 * Connects to a TCP port of the cell: 127.0.0.1, then ::1. Null when nothing listens there, also after the time that a
 * server needs to start, or when `wanted` says that nobody waits any more. The socket is paused, its half may stay open.
 * Rejects when the cell's network cannot be entered.
 */
export async function connectInto(
  sockets: CellSockets,
  port: number,
  wanted: () => boolean = () => true,
): Promise<Socket | null> {
  const addresses = sockets.family === 6 ? ["::ffff:127.0.0.1", "::1"] : ["127.0.0.1"];
  for (let attempt = 0; ; attempt++) {
    for (const address of addresses) {
      const socket = await connectOnce(await sockets.take(), address, port);
      if (socket !== null) return socket;
    }
    const pause = pauses[attempt];
    if (pause === undefined || !wanted()) return null;
    await new Promise((resolve) => setTimeout(resolve, pause));
    if (!wanted()) return null;
  }
}

function connectOnce(fd: number, host: string, port: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    let socket: Socket;
    try {
      socket = new Socket({ fd, allowHalfOpen: true, manualStart: true } as ConstructorParameters<typeof Socket>[0]);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    const timer = setTimeout(() => finish(false), patience);
    const failed = () => finish(false);
    const connected = () => finish(true);
    function finish(ok: boolean): void {
      clearTimeout(timer);
      socket.off("error", failed).off("connect", connected);
      // Whoever takes it hears of it later than this; an error in between finds it destroyed and ends nothing else.
      socket.on("error", () => socket.destroy());
      if (ok) socket.pause();
      else socket.destroy();
      resolve(ok ? socket : null);
    }
    socket.once("error", failed).once("connect", connected);
    socket.connect({ host, port });
  });
}
