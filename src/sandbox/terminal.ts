// Joins the person's terminal to the cell's: raw keys in, size changes, and the modes that the agent has set, which are undone
// when it ends or stops. A program that runs alone in the cell has no shell above it that could answer Ctrl-Z; so sallyport
// stops it, and itself, and both go on with `fg` (suspension.ts).

import type { Writable } from "node:stream";
import type { ReadStream } from "node:tty";
import { native } from "./native.ts";
import type { RunningCell } from "./process.ts";
import { createSuspension } from "./suspension.ts";
import type { TerminalModes } from "./terminal-modes.ts";

const TCGETS = 0x5401;
const TCSETS = 0x5402;
/** Offset of `c_oflag` in struct termios, and its bit for any processing of output. */
const outputFlags = 4;
const OPOST = 1;

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

export interface PersonsTerminal {
  readonly input: ReadStream;
  readonly output: Writable;
  /** Of the terminal now. */
  readonly size: () => TerminalSize;
  /** What the agent has set of it; kept by who shows the output. */
  readonly modes: TerminalModes;
}

/**
 * How long a program that was given Ctrl-Z may take to stop itself, or to give the terminal back, and how often that is looked
 * at. Milliseconds.
 */
const stopsWithin = 2_000;
const givesBackWithin = 600;
const stopLook = 50;

/** Connects until the cell ends; gives the function that puts the terminal back. */
export function attachTerminal(cell: RunningCell, { input, output, size, modes }: PersonsTerminal): () => void {
  const resize = () => cell.resize(size().columns, size().rows);
  let looking: NodeJS.Timeout | null = null;
  const suspension = createSuspension(cell, {
    stop() {
      output.write(modes.leave());
      input.setRawMode(false);
    },
    goOn() {
      makeRaw(input);
      output.write(modes.enter());
      redraw(cell, size(), modes);
    },
  });
  const keys = (chunk: Buffer) => {
    const stop = cell.suspendCharacter();
    const at = stop === null || !suspension.possible() ? -1 : chunk.indexOf(stop);
    cell.stdin.write(at < 0 ? chunk : Buffer.concat([chunk.subarray(0, at), chunk.subarray(at + 1)]));
    clearInterval(looking ?? undefined);
    if (at >= 0) suspension.ask();
    else if (asksToStop(chunk) && cell.isAlone()) watchForStop();
  };
  // In raw mode Ctrl-Z is the program's own key: where it stops itself, so do we. Most cannot: alone in its session, the kernel
  // takes no SIGTSTP from it (POSIX: orphaned process group). Whoever gives the terminal back right after Ctrl-Z wants to.
  const watchForStop = () => {
    const begun = performance.now();
    const { givenBack } = modes;
    looking = setInterval(() => {
      const took = performance.now() - begun;
      const stopped = cell.isStopped() || (modes.givenBack > givenBack && took < givesBackWithin);
      if (stopped || took > stopsWithin) clearInterval(looking ?? undefined);
      if (stopped && suspension.possible()) suspension.ask();
    }, stopLook);
  };
  makeRaw(input);
  input.on("data", keys);
  process.on("SIGWINCH", resize);
  resize();
  return () => {
    clearInterval(looking ?? undefined);
    input.off("data", keys);
    process.off("SIGWINCH", resize);
    suspension.close();
    output.write(modes.leave());
    input.setRawMode(false);
    input.pause();
  };
}

/** A program draws itself anew when the size of its terminal changes, so it changes, and back. */
function redraw(cell: RunningCell, { columns, rows }: TerminalSize, modes: TerminalModes): void {
  if (modes.fullScreen) cell.resize(columns, rows === 1 ? 2 : rows - 1);
  setTimeout(() => cell.resize(columns, rows), modes.fullScreen ? 20 : 0).unref();
}

/** Ctrl-Z as a byte, or as kitty's protocol and xterm's modifyOtherKeys spell it. */
function asksToStop(keys: Buffer): boolean {
  return keys.includes(0x1a) || keys.includes("[122;5u") || keys.includes("[27;5;122~");
}

/**
 * Raw in both directions. Node's raw mode still makes a line feed into carriage return and line feed, which the agent's own
 * terminal has done where it should be; a program that draws moves its cursor down with a line feed alone.
 */
export function makeRaw(input: ReadStream): void {
  input.setRawMode(true);
  const { fd } = input as ReadStream & { readonly fd: number };
  const { ioctl } = native();
  const termios = Buffer.alloc(64);
  if (ioctl(fd, TCGETS, termios) !== 0) return;
  termios.writeUInt32LE((termios.readUInt32LE(outputFlags) & ~OPOST) >>> 0, outputFlags);
  ioctl(fd, TCSETS, termios);
}
