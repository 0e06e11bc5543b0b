// Joins the user's terminal to the cell's: raw keys in, size changes, and stopping. A program that runs alone in the cell has no
// shell above it that could answer Ctrl-Z; so sallyport stops it, and itself, and both go on with `fg`.

import type { ReadStream } from "node:tty";
import type { RunningCell } from "./process.ts";

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** Connects until the cell ends; gives the function that puts the terminal back. `size`: of the user's terminal now. */
export function attachTerminal(cell: RunningCell, input: ReadStream, size: () => TerminalSize): () => void {
  const resize = () => cell.resize(size().columns, size().rows);
  const keys = (chunk: Buffer) => {
    const stop = cell.suspendCharacter();
    const at = stop === null ? -1 : chunk.indexOf(stop);
    cell.stdin.write(at < 0 ? chunk : Buffer.concat([chunk.subarray(0, at), chunk.subarray(at + 1)]));
    if (at >= 0) suspend();
  };
  const suspend = () => {
    cell.signal("SIGSTOP");
    input.setRawMode(false);
    process.once("SIGCONT", resume);
    process.kill(process.pid, "SIGSTOP");
  };
  const resume = () => {
    input.setRawMode(true);
    resize();
    cell.signal("SIGCONT");
  };
  input.setRawMode(true);
  input.on("data", keys);
  process.on("SIGWINCH", resize);
  resize();
  return () => {
    input.off("data", keys);
    process.off("SIGWINCH", resize);
    process.off("SIGCONT", resume);
    input.setRawMode(false);
    input.pause();
  };
}
