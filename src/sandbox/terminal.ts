// Joins the user's terminal to the cell's: raw keys in, size changes, and stopping. A program that runs alone in the cell has no
// shell above it that could answer Ctrl-Z; so sallyport stops it, and itself, and both go on with `fg`.

import type { ReadStream } from "node:tty";
import { native } from "./native.ts";
import type { RunningCell } from "./process.ts";

const TCGETS = 0x5401;
const TCSETS = 0x5402;
/** Offset of `c_oflag` in struct termios, and its bit for any processing of output. */
const outputFlags = 4;
const OPOST = 1;

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
    makeRaw(input);
    resize();
    cell.signal("SIGCONT");
  };
  makeRaw(input);
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

/**
 * Raw in both directions. Node's raw mode still makes a line feed into carriage return and line feed, which the agent's own
 * terminal has done where it should be; a program that draws moves its cursor down with a line feed alone.
 */
function makeRaw(input: ReadStream): void {
  input.setRawMode(true);
  const { fd } = input as ReadStream & { readonly fd: number };
  const { ioctl } = native();
  const termios = Buffer.alloc(64);
  if (ioctl(fd, TCGETS, termios) !== 0) return;
  termios.writeUInt32LE((termios.readUInt32LE(outputFlags) & ~OPOST) >>> 0, outputFlags);
  ioctl(fd, TCSETS, termios);
}
