// The status descriptor of a cell: what `ip` and `nft` said, then bubblewrap's JSON (child-pid, exit-code), one line each.
// What stands there decides whether the doors are handed over, whom a signal is sent to, and when nothing is left.

import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

export interface Status {
  readonly networkReady: boolean;
  /** The host's id of the cell's first process; null before bubblewrap has made it. */
  readonly firstProcess: number | null;
  /** Calls back once: null for success, else what the tools said. */
  onNetwork(then: (failed: string | null) => void): void;
  /** What was said, at most 4 KiB. */
  words(): string;
  /** `leader`: the host's id of the agent's process group where that is not the first process's. */
  signalAgent(signal: NodeJS.Signals, leader: number | null): void;
  /** Resolves when the cell's first process, and with it every process of the cell, is gone. */
  vanished(): Promise<void>;
}

const longest = 4096;

export function readStatus(socket: Socket): Status {
  let pending = "";
  let said = "";
  let networkReady = false;
  let firstProcess: number | null = null;
  let tell: (failed: string | null) => void = () => {};
  const waiting: NodeJS.Signals[] = [];

  // The first process is in the agent's group but takes no signal from outside that it has no handler for.
  const signalGroup = (signal: NodeJS.Signals, group: number) => {
    try {
      process.kill(-group, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };

  const line = (text: string) => {
    if (text === "network-ready") {
      networkReady = true;
      tell(null);
    } else if (text === "network-failed") tell(said.trim());
    else if (text.startsWith("{")) {
      const pid = /"child-pid":\s*(\d+)/.exec(text)?.[1];
      // Only bubblewrap's first word counts: it is said before the agent runs.
      if (pid !== undefined && firstProcess === null && Number(pid) > 1) {
        firstProcess = Number(pid);
        for (const signal of waiting.splice(0)) signalGroup(signal, firstProcess);
      }
    } else if (said.length < longest) said += `${text}\n`;
  };

  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    pending += chunk;
    for (let at = pending.indexOf("\n"); at >= 0; at = pending.indexOf("\n")) {
      line(pending.slice(0, at));
      pending = pending.slice(at + 1);
    }
    if (pending.length > longest) pending = pending.slice(-longest);
  });
  socket.on("error", () => socket.destroy());

  return {
    get networkReady() {
      return networkReady;
    },
    get firstProcess() {
      return firstProcess;
    },
    onNetwork: (then) => {
      tell = then;
    },
    words: () => said.trim(),
    signalAgent: (signal, leader) => {
      if (firstProcess === null) waiting.push(signal);
      else signalGroup(signal, leader ?? firstProcess);
    },
    vanished: () =>
      new Promise((resolve) => {
        const look = () => (firstProcess === null || isGone(firstProcess) ? resolve() : void setTimeout(look, 1));
        look();
      }),
  };
}

/** A first process that is a zombie has already taken every other process of its namespace with it. */
function isGone(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
  } catch {
    return true;
  }
}
