// The status socket of a cell, one line each way at a time: the first process says that its sockets are sent, `ip` and `nft`
// how the network came up, and the cell's first program `cell-ready`; then it waits for `go`: it never becomes the
// agent when nobody is there to answer. Beside it bubblewrap tells, on a pipe of its own, which process is the cell's first.
// What stands here decides whether the doors are opened, whom a signal is sent to, and when nothing is left.
// Rules: bounded, because a debugger in the cell may get hold of the other end; nothing said after `go` has a meaning; a wait
// ends with a line, with the process' end, or with `startsWithin`.

import { readFileSync } from "node:fs";
import type { Socket } from "node:net";

/** What a start may take, where it is not ended by anything else. Milliseconds. */
const startsWithin = 60_000;

export interface Status {
  readonly doorsSent: Promise<void>;
  /** Null for success, else what the tools said. */
  readonly network: Promise<string | null>;
  /** The cell is closed, and its first program waits for `go`. */
  readonly cellReady: Promise<void>;
  /** Resolves with words for it when a start takes longer than any can. */
  readonly tooLate: Promise<string>;
  /** Lets the agent go. Once, after `cellReady`. */
  go(): void;
  /** The host's id of the cell's first process; null before there is one. */
  readonly firstProcess: number | null;
  /** What was said, at most 4 KiB. */
  words(): string;
  /** To the agent's process group; kept until there is one. */
  signalAgent(signal: NodeJS.Signals): void;
  /** The agent's process is stopped. */
  isStopped(): boolean;
  /** MUST be called before bubblewrap is killed: remembers what it has started, and answers nobody any more. */
  ending(): void;
  /** Resolves when the cell's first process, and with it every process of the cell, is gone. */
  vanished(): Promise<void>;
}

const longest = 4096;

/** `socket` and `life`: our ends; `monitor`: bubblewrap, the parent of the cell's first process. */
export function readStatus(socket: Socket, life: Socket, monitor: number): Status {
  let said = "";
  let firstProcess: number | null = null;
  let agent: number | null = null;
  /** What must be gone in the end; its children go with it. */
  let left: readonly number[] = [];
  let gone = false;
  const waiting: NodeJS.Signals[] = [];
  const doorsSent = Promise.withResolvers<void>();
  const network = Promise.withResolvers<string | null>();
  const cellReady = Promise.withResolvers<void>();
  const tooLate = Promise.withResolvers<string>();
  const late = setTimeout(() => tooLate.resolve(`it did not come up within ${startsWithin / 1000} s`), startsWithin);

  const signalGroup = (signal: NodeJS.Signals) => {
    for (const target of agent === null ? [] : [-agent, agent]) {
      try {
        return void process.kill(target, signal);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error; // no group yet, or no process any more
      }
    }
  };

  // bubblewrap's word comes by another way than the agent's, and the kernel may leave out of a list of children what is
  // being forked or ended beside; so it is looked for until it is there.
  const findAgent = () => {
    if (gone) return;
    agent = firstProcess === null ? null : (childrenOf(firstProcess)[0] ?? null);
    if (agent === null) setTimeout(findAgent, 1);
    else cellReady.resolve();
  };

  let released = false;
  const line = (text: string) => {
    if (released) return;
    if (text === "doors-sent") doorsSent.resolve();
    else if (text === "network-ready") network.resolve(null);
    else if (text === "network-failed") network.resolve(said.trim());
    else if (text === "cell-ready") findAgent();
    else if (said.length < longest) said += `${text}\n`;
  };

  eachLine(socket, line);
  let documents = "";
  life.setEncoding("utf8");
  life.on("data", (chunk: string) => {
    if (firstProcess !== null) return;
    documents = (documents + chunk).slice(0, longest);
    const child = Number(/"child-pid": *(\d+)/.exec(documents)?.[1]);
    if (child > 1) firstProcess = child;
  });
  life.on("close", () => {
    gone = true;
    clearTimeout(late);
  });

  return {
    doorsSent: doorsSent.promise,
    network: network.promise,
    cellReady: cellReady.promise,
    tooLate: tooLate.promise,
    go: () => {
      clearTimeout(late);
      released = true;
      socket.write("go\n");
      for (const signal of waiting.splice(0)) signalGroup(signal);
    },
    get firstProcess() {
      return firstProcess;
    },
    words: () => said.trim(),
    signalAgent: (signal) => {
      if (released) signalGroup(signal);
      else waiting.push(signal);
    },
    isStopped: () => agent !== null && /^T/.test(stateOf(agent) ?? ""),
    ending: () => {
      clearTimeout(late);
      if (left.length === 0) left = firstProcess === null ? childrenOf(monitor) : [firstProcess];
      socket.end();
    },
    vanished: () =>
      new Promise((resolve) => {
        const look = () => (left.every(isGone) ? resolve() : void setTimeout(look, 1));
        look();
      }),
  };
}

function eachLine(socket: Socket, line: (text: string) => void): void {
  let pending = "";
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
}

function childrenOf(pid: number): number[] {
  const text = read(`/proc/${pid}/task/${pid}/children`) ?? "";
  return text
    .split(" ")
    .map(Number)
    .filter((child) => child > 1);
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
