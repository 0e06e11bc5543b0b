// When to clean up behind a crowd: after many connections have come or gone (handshakes and closed connections both leave
// memory behind), once none has for a while. A single call then costs nobody a wait, and a boundary with ordinary traffic
// is never interrupted.

import { type Deadlines, never, type Timed } from "./deadlines.ts";

const crowd = 1_000;
const quietSeconds = 4;

export class QuietMoment implements Timed {
  deadline = never;
  readonly #deadlines: Deadlines;
  readonly #act: () => void;
  #moved = 0;

  constructor(deadlines: Deadlines, act: () => void) {
    this.#deadlines = deadlines;
    this.#act = act;
    deadlines.watch(this);
  }

  /** A connection has come or gone. */
  moved(): void {
    this.#moved += 1;
    if (this.#moved >= crowd) this.deadline = this.#deadlines.now + quietSeconds;
  }

  expired(): void {
    this.deadline = never;
    this.#moved = 0;
    this.#act();
  }
}
