// Revocations as they are made, for a run that must stop at once: the folder is watched, and its epoch read again every
// 250 ms, should a watch have been missed.

import { watch } from "node:fs";
import { currentEpoch, type Revocation, revocationsSince } from "./revocations.ts";

export interface RevocationListener {
  /** New ones, oldest first. */
  revoked(revocations: readonly Revocation[]): void;
  /** They cannot be read, so nobody knows what still holds. */
  unreadable(error: Error): void;
}

/** Milliseconds; the longest that a revocation stays unseen. */
const interval = 250;

/** Listens until `close`, which leaves nothing behind. `epoch`: what the caller has seen already. */
export function watchRevocations(folder: string, epoch: number, listener: RevocationListener): { close(): void } {
  let seen = epoch;
  let closed = false;
  let lost = false;
  const look = () => {
    if (closed || lost) return;
    try {
      if (currentEpoch(folder) === seen) return;
      const revocations = revocationsSince(folder, seen);
      seen = revocations.at(-1)?.epoch ?? seen;
      listener.revoked(revocations);
    } catch (error) {
      lost = true; // told once: nothing that comes back afterwards makes it good
      listener.unreadable(error as Error);
    }
  };
  const timer = setInterval(look, interval);
  timer.unref();
  const watcher = watch(folder, { persistent: false }, (_, name) => {
    // A revocation is written beside its place first: every run of the home would look for nothing, just when it counts.
    if (name === null || !name.startsWith(".")) look();
  });
  // Without the watch there is still the interval; a folder that is gone is told by that.
  watcher.on("error", () => watcher.close());
  look();
  return {
    close() {
      closed = true;
      clearInterval(timer);
      watcher.close();
    },
  };
}
