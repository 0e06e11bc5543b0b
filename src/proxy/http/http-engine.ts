// What all HTTP connections of a boundary share. One event loop, one scanner, one pool.

import type { Gate } from "#core/gate.ts";
import type { Deadlines } from "../deadlines.ts";
import type { HeadScanner } from "../wire/http1-head.ts";
import type { UpstreamPool } from "./upstream-pool.ts";

/** Something of a boundary that can be ended. */
export interface Open {
  destroy(): void;
  /** False where what it has under way would not be allowed any more. */
  permitted(): boolean;
}

export interface HttpEngine {
  readonly gate: Gate;
  readonly deadlines: Deadlines;
  readonly scanner: HeadScanner;
  readonly pool: UpstreamPool;
  /** Everything that lives, to be ended with the boundary. */
  readonly open: Set<Open>;
}
