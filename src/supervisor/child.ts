// A run that an agent spawned: another process of this program, with a cell of its own. It is given an environment that is
// made here and nowhere else, and a lifeline: a pipe that we hold open, so that it ends when we do, however we do.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import type { Duplex, Readable } from "node:stream";

/** The child's descriptor of the lifeline: its end means that whoever spawned it is gone. */
export const lifelineDescriptor = 3;

export interface ChildOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** What it reads on standard input, whole. */
  readonly input: Uint8Array;
}

export type ChildLine = { readonly stream: "stdout" | "stderr"; readonly data: Buffer } | { readonly exit: number };

export interface Child {
  /** Its output as it comes, then how it ended. To be read once; unread output holds it back. */
  readonly lines: AsyncIterable<ChildLine>;
  /** What it has told of itself so far. */
  said(): ChildWord;
  /** Ends it and all that it began. */
  end(): void;
  /** Resolves when nothing of it is left. */
  readonly ended: Promise<void>;
}

/** A line of JSON that a spawned run tells on its lifeline: once it has begun, and once more when it has ended. */
export interface ChildWord {
  readonly session: string | null;
  /** Requests that it and those below it have used; null before it has said so at its end, which it may never reach. */
  readonly requests: number | null;
}

/** The signals' numbers matter to nobody here: sallyport gives a code of its own for each way that it ends. */
const killed = 137;

/** @throws Error of the system where it cannot be started */
export function spawnChild(options: ChildOptions): Child {
  const child = spawn(options.program, options.args, {
    cwd: options.cwd,
    env: options.env,
    stdio: ["pipe", "pipe", "pipe", "pipe"],
  });
  child.stdin?.on("error", () => undefined); // it need not read what it is given
  child.stdin?.end(options.input);
  const lifeline = child.stdio[lifelineDescriptor] as Duplex;
  lifeline.on("error", () => undefined);
  const words = readWords(lifeline);
  const exited = once(child, "close").then(([code]) => (code as number | null) ?? killed);
  exited.catch(() => undefined); // told where the lines are read
  return {
    lines: linesOf(child, exited),
    said: words,
    // Half of it: what it says last is still heard.
    end: () => void lifeline.end(),
    ended: exited.then(
      () => undefined,
      () => undefined,
    ),
  };
}

/** The newest word; what is none is not believed. */
function readWords(lifeline: Duplex): () => ChildWord {
  let word: ChildWord = { session: null, requests: null };
  let text = "";
  lifeline.setEncoding("utf8");
  lifeline.on("data", (chunk: string) => {
    text = (text + chunk).slice(-4096);
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n")) {
      word = JSON.parse(text.slice(0, end)) as ChildWord; // from this very program
      text = text.slice(end + 1);
    }
  });
  return () => word;
}

async function* linesOf(child: ChildProcess, exited: Promise<number>): AsyncIterable<ChildLine> {
  const chunks: ChildLine[] = [];
  let wake = () => {};
  let open = 2;
  const take = (stream: "stdout" | "stderr", from: Readable) => {
    from.on("data", (data: Buffer) => {
      chunks.push({ stream, data });
      if (chunks.length >= mostWaiting) from.pause();
      wake();
    });
    from.on("close", () => {
      open -= 1;
      wake();
    });
  };
  const { stdout, stderr } = child;
  if (stdout === null || stderr === null) throw new Error("the child has no output");
  take("stdout", stdout);
  take("stderr", stderr);
  for (;;) {
    const chunk = chunks.shift();
    if (chunk !== undefined) {
      yield chunk;
      continue;
    }
    if (open === 0) break;
    stdout.resume();
    stderr.resume();
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  yield { exit: await exited };
}

/** Chunks that may wait for their reader. */
const mostWaiting = 64;
