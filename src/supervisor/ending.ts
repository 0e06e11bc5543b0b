// How a run ends before its agent does. The first cause wins and is what the record says; the tree is then asked
// to end (SIGTERM), given its grace, and ended (SIGKILL).

import type { Termination } from "#core/termination.ts";

/** What of a running cell can be told to end. */
export interface Endable {
  /** Sends a signal to every process of the cell, those that left the agent's group among them; after the end it does nothing. */
  signalAll(signal: NodeJS.Signals): void;
  /** Ends every process of the cell at once; resolves when none is left. */
  kill(): Promise<void>;
}

export interface Ending {
  /** The first cause given; null while nobody but the agent ends the run. */
  readonly termination: Termination | null;
  /**
   * Ends the run for this cause. A later cause changes nothing, but that one without grace ends the grace of the first.
   * `graceMs`: in place of the run's own.
   */
  begin(termination: Termination, graceMs?: number): void;
  /** The cell to end; a cause given earlier takes effect now. */
  attach(cell: Endable): void;
  /** No timer is left behind. */
  close(): void;
}

/** `graceMs`: from SIGTERM to SIGKILL; 0 kills at once. `onBegin` hears of the cause that won, and of its grace. */
export function createEnding(
  graceMs: number,
  onBegin: (termination: Termination, graceMs: number) => void = () => {},
): Ending {
  let termination: Termination | null = null;
  let cell: Endable | null = null;
  let timer: NodeJS.Timeout | null = null;
  let left = graceMs;
  const end = (target: Endable) => {
    if (left === 0) {
      void target.kill();
      return;
    }
    // A stopped process (Ctrl-Z) hears of SIGTERM only when it goes on.
    target.signalAll("SIGTERM");
    target.signalAll("SIGCONT");
    timer = setTimeout(() => void target.kill(), left);
  };
  return {
    get termination() {
      return termination;
    },
    begin(cause, grace = graceMs) {
      if (termination !== null && (grace !== 0 || left === 0)) return;
      const first = termination === null;
      left = grace;
      if (first) {
        termination = cause;
        onBegin(cause, grace);
      }
      if (cell !== null) end(cell);
    },
    attach(target) {
      cell = target;
      if (termination !== null) end(target);
    },
    close() {
      if (timer !== null) clearTimeout(timer);
    },
  };
}
