// Two connections joined: what comes out of one goes into the other, as it is. Each half ends by itself, because clients
// that send all, end, and wait for the answer are common; a side that stalls stops the other's reading; a side that
// breaks resets the other. Both sockets MUST have been made with `allowHalfOpen`.

import type { Socket } from "node:net";

export class Tunnel {
  readonly #cell: Socket;
  readonly #upstream: Socket;
  readonly #closed: () => void;
  #open = 2;
  #broken = false;

  /** `closed` is called once, when neither socket is left. */
  constructor(cell: Socket, upstream: Socket, closed: () => void) {
    this.#cell = cell;
    this.#upstream = upstream;
    this.#closed = closed;
  }

  /** Joins both and lets them flow; `first` is what was already read from the cell. */
  begin(first: Buffer | null): void {
    if (first !== null) this.#upstream.write(first);
    this.#carry(this.#cell, this.#upstream);
    this.#carry(this.#upstream, this.#cell);
  }

  destroy(): void {
    this.#broken = true;
    this.#cell.destroy();
    this.#upstream.destroy();
  }

  #carry(from: Socket, to: Socket): void {
    from.on("data", (bytes: Buffer) => {
      if (!to.write(bytes)) from.pause();
    });
    from.on("drain", () => to.resume());
    from.on("end", () => to.end());
    from.on("error", () => this.#break(to));
    from.on("close", () => {
      // A close without an end is a break-off, and must look like one on the other side.
      if (!from.readableEnded) this.#break(to);
      this.#left();
    });
    if (from.destroyed) {
      this.#break(to);
      this.#left();
    } else if (from.readableEnded) to.end();
    else from.resume();
  }

  #left(): void {
    this.#open -= 1;
    if (this.#open === 0) this.#closed();
  }

  #break(other: Socket): void {
    if (this.#broken) return;
    this.#broken = true;
    if (!other.destroyed) other.resetAndDestroy();
  }
}
