// Every process of a cell, as the host knows them: what descends from the cell's first process. That one adopts whatever
// loses its parent, so a daemon, or a job in a group of its own, is found as well as any other.

import { readdirSync, readFileSync } from "node:fs";

/** Sends a signal to every process below `first`, not to itself. What has ended meanwhile has no need of it. */
export function signalBelow(first: number, signal: NodeJS.Signals): void {
  for (const pid of descendants(first)) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

/** Parents before their children. What is forked while this looks may be missed: the kill at the end takes it. */
function descendants(first: number): readonly number[] {
  const found = [first];
  for (const pid of found) found.push(...childrenOf(pid));
  return found.slice(1);
}

function childrenOf(pid: number): readonly number[] {
  try {
    // Each thread has the children that it made itself.
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, "latin1").split(" ").filter(Boolean).map(Number),
    );
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ESRCH") return [];
    throw error;
  }
}
