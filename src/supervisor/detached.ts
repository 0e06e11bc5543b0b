// Starts a program that outlives us: in a session of its own (so no terminal's end reaches it), with nothing of our streams but
// a pipe for what it says until it has begun. It says so with one line on descriptor 3.

import { spawn } from "node:child_process";

export interface DetachedOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** It is given our standard input. */
  readonly input: boolean;
  /** What it says on its standard error until it has begun. */
  readonly onText: (text: string) => void;
}

export interface DetachedProcess {
  /** The line that it said, without its newline, or how it ended without one. */
  readonly started: Promise<{ readonly line: string } | { readonly code: number }>;
  end(signal: NodeJS.Signals): void;
}

/** Characters of the line; a longer one is not read to its end. */
const longest = 65_536;

export function spawnDetached(options: DetachedOptions): DetachedProcess {
  const child = spawn(options.program, options.args, {
    stdio: [options.input ? "inherit" : "ignore", "ignore", "pipe", "pipe"],
    env: options.env,
    detached: true,
  });
  const [, , , said] = child.stdio;
  const started = new Promise<{ line: string } | { code: number }>((resolve, reject) => {
    let line = "";
    const words = said as NodeJS.ReadableStream;
    words.setEncoding("utf8");
    words.on("data", (text: string) => {
      line += text;
      const end = line.indexOf("\n");
      if (end >= 0 || line.length > longest) resolve({ line: line.slice(0, end < 0 ? longest : end) });
    });
    child.stderr?.setEncoding("utf8").on("data", options.onText);
    child.once("error", reject);
    // `close`: what it said last has been read by then.
    child.once("close", (code) => resolve({ code: code ?? 125 }));
  });
  return {
    started: started.finally(() => {
      child.unref();
      for (const stream of child.stdio) stream?.destroy();
    }),
    end: (signal) => void child.kill(signal),
  };
}
