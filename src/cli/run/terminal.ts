// Whether a run gets a terminal of its own, how large the person's is, and which streams of theirs it is joined to. Asked twice: by the entry, which begins the
// cell before the command line is understood, and by the command itself; both must come to the same answer.

import { isatty, WriteStream } from "node:tty";
import type { TerminalSize } from "#sandbox/terminal.ts";
import type { TaskOptions } from "#supervisor/task.ts";
import type { Run } from "./recorded-run.ts";

/** `asked`: `-t`, `-T`, or neither: then a person at both ends decides. */
export function wantsTerminal(asked: boolean | undefined): boolean {
  return asked ?? (isatty(0) && isatty(1));
}

export function terminalSize(): TerminalSize {
  const { stdout } = process;
  return stdout instanceof WriteStream
    ? { columns: stdout.columns || 80, rows: stdout.rows || 24 }
    : { columns: 80, rows: 24 };
}

/** Nobody is at a detached run: its output is only kept, and whoever attaches types. */
export function personsStreams({
  terminal,
  screen,
  detached,
}: Run): Pick<TaskOptions, "stdin" | "stdout" | "stderr" | "terminal"> {
  if (detached !== null) return { stdin: terminal ? "later" : null, stdout: null, stderr: null, terminal: null };
  const { stdin, stdout, stderr } = process;
  const own =
    screen !== null && stdin.isTTY ? { input: stdin, output: stdout, size: terminalSize, modes: screen.modes } : null;
  return { stdin, stdout, stderr, terminal: own };
}
