// When to clean up behind a crowd: after many connections have gone, once none has come or gone for a while. A single call
// then costs nobody a wait, and a boundary with ordinary traffic is never interrupted.

import { type Deadlines, never, type Timed } from "./deadlines.ts";

const crowd = 1_000;
const quietSeconds = 5;

export class QuietMoment implements Timed {
  deadline = never;
  readonly #deadlines: Deadlines;
  readonly #act: () => void;
  #gone = 0;

  constructor(deadlines: Deadlines, act: () => void) {
    this.#deadlines = deadlines;
    this.#act = act;
    deadlines.watch(this);
  }

  came(): void {
    if (this.deadline !== never) this.#wait();
  }

  went(): void {
    this.#gone += 1;
    if (this.#gone >= crowd) this.#wait();
  }

  expired(): void {
    this.deadline = never;
    this.#gone = 0;
    this.#act();
  }

  #wait(): void {
    this.deadline = this.#deadlines.now + quietSeconds;
  }
}
