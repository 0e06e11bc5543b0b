// `sallyport run --detach`: starts the same run again as a process of its own, in a session of its own and without a terminal, and
// waits until the agent runs there or cannot. So what goes wrong at the start is said here, with the code that `run` gives.
// The two ends of it stand in this file: who starts, and who is started (`enterDetached`).

import { closeSync, writeSync } from "node:fs";
import { Failure } from "#core/failure.ts";
import type { TerminalSize } from "#sandbox/terminal.ts";
import type { SessionFolder } from "#session/folder.ts";
import { spawnDetached } from "#supervisor/detached.ts";
import { printJson, printLine } from "../output.ts";
import type { RunFlags } from "./start.ts";
import { terminalSize } from "./terminal.ts";

/** The started run's descriptor on which it says that the agent runs. */
const tellTo = 3;

export interface DetachedStart {
  /** Of a terminal that nobody sees yet. */
  readonly size: TerminalSize;
  /** Tells who waits that the agent runs. Once. */
  started(folder: SessionFolder): void;
}

/** In the process that was started. */
export function enterDetached(size: string): DetachedStart {
  const [, columns, rows] = /^(\d{1,5})x(\d{1,5})$/.exec(size) ?? [];
  // Nobody but `startDetached` gives this flag, and only it has the descriptor.
  if (columns === undefined || rows === undefined)
    throw new Failure("usage", "this flag is sallyport's own", { place: "--detached", remedy: "Use --detach." });
  // Who started us goes as soon as the agent runs, and nobody reads what is said from then on.
  process.stderr.on("error", () => {});
  process.stdout.on("error", () => {});
  process.on("SIGHUP", () => {});
  return {
    size: { columns: Number(columns), rows: Number(rows) },
    started(folder) {
      try {
        writeSync(tellTo, `${JSON.stringify({ id: folder.id, pid: process.pid, folder: folder.path })}\n`);
        closeSync(tellTo);
      } catch (error) {
        // Who started us was ended meanwhile; the run goes on, and `ps` shows it.
        if (!["EPIPE", "EBADF"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
      }
    },
  };
}

/** In the process that the person started: gives its exit code. */
export async function startDetached(flags: RunFlags): Promise<number> {
  if (!flags.session)
    throw new Failure("usage", "a detached run's output is only in its session", {
      place: "--no-session",
      remedy: "Leave out --no-session, or --detach.",
    });
  const { columns, rows } = terminalSize();
  const [run = "run", ...words] = process.argv.slice(2);
  const run_ = spawnDetached({
    program: process.execPath,
    args: [...process.execArgv, process.argv[1] ?? "", run, "--detached", `${columns}x${rows}`, ...words],
    env: process.env,
    // A policy that is read from stdin is read by the run itself.
    input: flags.policy === "-",
    onText: (text) => void process.stderr.write(text),
  });
  const end = (signal: NodeJS.Signals) => run_.end(signal);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, end);
  const told = await run_.started;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, end);
  if ("code" in told) return told.code;
  const { id } = JSON.parse(told.line) as { id: string };
  if (flags.json) printJson(JSON.parse(told.line));
  else printLine(id);
  return 0;
}
