// One coarse clock for everything of a boundary that may take only so long. A timer per connection or request would cost
// more than the requests; a second's precision is enough for limits that exist against clients that do nothing.

/** Something with a time limit. */
export interface Timed {
  /** Second of the clock (`Deadlines.now`) after which it is late; `never` where it may take for ever. */
  deadline: number;
  /** Called once a second while it is late. */
  expired(): void;
}

export const never = Number.POSITIVE_INFINITY;

/** What expired is ended in pieces: a thousand refusals at once, each an event and an answer, would keep everybody waiting. */
const mostAtOnce = 25;

export class Deadlines {
  /** Seconds since the boundary was opened. */
  now = 0;
  readonly #watched = new Set<Timed>();
  readonly #timer: NodeJS.Timeout;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), 1_000);
    this.#timer.unref();
  }

  get size(): number {
    return this.#watched.size;
  }

  watch(timed: Timed): void {
    this.#watched.add(timed);
  }

  forget(timed: Timed): void {
    this.#watched.delete(timed);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#watched.clear();
  }

  #tick(): void {
    this.now += 1;
    this.#sweep(this.#watched.values());
  }

  #sweep(rest: SetIterator<Timed>): void {
    let expired = 0;
    for (let next = rest.next(); next.done !== true; next = rest.next()) {
      if (next.value.deadline >= this.now) continue;
      next.value.expired();
      expired += 1;
      if (expired === mostAtOnce) {
        setImmediate(() => this.#sweep(rest));
        return;
      }
    }
  }
}
