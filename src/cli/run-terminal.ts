// Whether a run gets a terminal of its own, and how large the person's is. Asked twice: by the entry, which begins the
// cell before the command line is understood, and by the command itself; both must come to the same answer.

import { isatty, WriteStream } from "node:tty";
import type { TerminalSize } from "#sandbox/terminal.ts";

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
