// The status socket of a cell, one line each way at a time. First `ip` and `nft` speak (and `network-ready`); then the cell's
// first program says `cell-ready` and waits for `go`: it never becomes the agent when nobody is there to answer.
// What stands here decides whether the doors are handed over, whom a signal is sent to, and when nothing is left.
// Rules: bounded, because a debugger in the cell may get hold of the other end; nothing said after `go` has a meaning.

import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

export interface Status {
  readonly networkReady: boolean;
  /** The host's id of the cell's first process; null before the cell is ready. */
  readonly firstProcess: number | null;
  /** Calls back once: null for success, else what the tools said. */
  onNetwork(then: (failed: string | null) => void): void;
  /** Resolves when the agent has been let go. */
  readonly agentStarted: Promise<void>;
  /** What was said, at most 4 KiB. */
  words(): string;
  /** To the agent's process group; kept until there is one. */
  signalAgent(signal: NodeJS.Signals): void;
  /** The agent's own process is stopped (Ctrl-Z). */
  isStopped(): boolean;
  /** MUST be called before bubblewrap is killed: remembers what it has started, and answers nobody any more. */
  ending(): void;
  /** Resolves when the cell's first process, and with it every process of the cell, is gone. */
  vanished(): Promise<void>;
}

/**
 * The program that the cell starts with; the agent's command follows. It closes the socket before it becomes the agent.
 * `data`: bytes of writable memory that one process may have (RLIMIT_DATA); null: not limited here.
 */
export function handshake(data: number | null): string[] {
  const limit = data === null ? "" : `ulimit -d ${Math.ceil(data / 1024)} && `;
  return ["/bin/sh", "-c", `echo cell-ready >&4 && read -r go <&4 && ${limit}exec "$@" 4>&-`, "sh"];
}

const longest = 4096;

/** `monitor`: bubblewrap, the parent of the cell's first process. */
export function readStatus(socket: Socket, monitor: number): Status {
  let pending = "";
  let said = "";
  let networkReady = false;
  let firstProcess: number | null = null;
  let agent: number | null = null;
  let tell: (failed: string | null) => void = () => {};
  const waiting: NodeJS.Signals[] = [];
  const started = Promise.withResolvers<void>();

  const signalGroup = (signal: NodeJS.Signals) => {
    for (const target of agent === null ? [] : [-agent, agent]) {
      try {
        return void process.kill(target, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // no group yet, or no process any more
      }
    }
  };

  const line = (text: string) => {
    if (agent !== null) return;
    if (text === "network-ready") {
      networkReady = true;
      tell(null);
    } else if (text === "network-failed") tell(said.trim());
    else if (text === "cell-ready" && networkReady) {
      firstProcess = firstChild(monitor);
      agent = firstProcess === null ? null : firstChild(firstProcess);
      if (agent === null) return; // then it gets no answer
      socket.write("go\n");
      started.resolve();
      for (const signal of waiting.splice(0)) signalGroup(signal);
    } else if (said.length < longest) said += `${text}\n`;
  };

  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    if (agent !== null) return;
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
    agentStarted: started.promise,
    words: () => said.trim(),
    signalAgent: (signal) => {
      if (agent === null) waiting.push(signal);
      else signalGroup(signal);
    },
    isStopped: () => agent !== null && /^T/.test(stateOf(agent) ?? ""),
    ending: () => {
      firstProcess ??= firstChild(monitor);
      socket.end();
    },
    vanished: () =>
      new Promise((resolve) => {
        const look = () => (firstProcess === null || isGone(firstProcess) ? resolve() : void setTimeout(look, 1));
        look();
      }),
  };
}

function firstChild(pid: number): number | null {
  const child = Number((read(`/proc/${pid}/task/${pid}/children`) ?? "").split(" ")[0]);
  return child > 1 ? child : null;
}

/**
 * A first process that is a zombie has already taken every other process of its namespace with it. One that cannot be
 * looked at (no descriptor is free) is not taken for gone.
 */
function isGone(pid: number): boolean {
  const state = stateOf(pid);
  return state === "" || (state !== null && /^[ZX]/.test(state));
}

/** The state's letter and what follows it; empty and null as `read` gives them. */
function stateOf(pid: number): string | null {
  const stat = read(`/proc/${pid}/stat`);
  return stat === null || stat === "" ? stat : stat.slice(stat.lastIndexOf(")") + 2);
}

/** Empty where the process has ended; null where that cannot be known. */
function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" || code === "ESRCH" ? "" : null;
  }
}
