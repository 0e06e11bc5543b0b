// What a socket receives, handed to one reader as it comes. A Readable would put each chunk through its buffer, two events
// and a tick of its own, to end at a listener: a twentieth of a request. Everything else of the stream (its end, errors,
// writing, destruction) stays Node's.

import type { Socket } from "node:net";

/**
 * From here on `take` gets what `socket` receives, and owns it; it says whether more is to be read at once. Where not, it
 * may still be called with what was on its way, and reading goes on with `readOn`. MUST be called with nothing buffered.
 */
export function readDirectly(socket: Socket, take: (bytes: Buffer) => boolean): void {
  const { push } = socket;
  // A Socket hands each chunk, and the end as null, to its own `push`; false stops its reading.
  socket.push = (bytes: Buffer | null) => (bytes === null ? push.call(socket, null) : take(bytes));
  readOn(socket);
}

export function readOn(socket: Socket): void {
  if (!socket.destroyed) socket._read(0);
}
