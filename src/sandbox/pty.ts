// A private pseudo terminal for one run: the agent gets the slave as its controlling terminal, sallyport keeps the master.
// Nobody else has it, so nothing that the agent pushes into it reaches the user's own terminal.

import { closeSync, readFileSync } from "node:fs";
import { constants } from "node:os";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { ReadStream } from "node:tty";
import { Failure } from "#core/failure.ts";
import { native } from "./native.ts";

const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_CLOEXEC = 0o2000000;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414;
const TIOCGPGRP = 0x540f;
const TIOCGSID = 0x5429;
const TCGETS = 0x5401;
const ISIG = 1;
const ICANON = 2;
const VEOF = 4;
const VSUSP = 10;

export interface Pty {
  /** To be given to the agent and then closed with `handedOver`. */
  readonly slave: number;
  handedOver(): void;
  /** What the agent prints; ends when the last process that holds the slave is gone. */
  readonly output: Readable;
  readonly input: Writable;
  resize(columns: number, rows: number): void;
  /** The session's leader, as the host knows it; null before there is one. */
  leader(): number | null;
  /** No shell in the cell would answer a stop: its leader's own group has the terminal. */
  isAlone(): boolean;
  /** The character that would stop the leader's own group, while nobody in the cell would answer that; else null. */
  suspendCharacter(): number | null;
  /** The terminal takes whole lines: nothing that draws, or edits its own line, has it in its hands. */
  takesLines(): boolean;
  /** What ends the input of a program that reads lines; null where it reads keys. */
  endOfInput(): number | null;
  close(): void;
}

/** Throws Failure sandbox_failed. */
export function openPty(columns: number, rows: number): Pty {
  const { open, ioctl, ioctlValue } = native();
  const fail = (what: string) => new Failure("sandbox_failed", `no terminal could be made for the agent: ${what}`);
  const master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC, 0);
  if (master < 0) throw fail("/dev/ptmx");
  const slave =
    ioctl(master, TIOCSPTLCK, Buffer.alloc(4)) < 0
      ? -1
      : ioctlValue(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (slave < 0) {
    closeSync(master);
    throw fail("the slave");
  }
  const number = (request: number) => {
    const value = Buffer.alloc(4);
    return !stream.destroyed && ioctl(master, request, value) === 0 && value.readInt32LE(0) > 0
      ? value.readInt32LE(0)
      : null;
  };
  const termios = () => {
    const settings = Buffer.alloc(64);
    if (stream.destroyed || ioctl(master, TCGETS, settings) !== 0) return null;
    return { local: settings.readUInt32LE(12), character: (at: number) => settings[17 + at] ?? 0 };
  };
  const isAlone = () => {
    const leader = number(TIOCGSID);
    return leader !== null && number(TIOCGPGRP) === leader && !ignoresStop(leader);
  };
  const resize = (wide: number, high: number) => {
    const size = Buffer.alloc(8);
    size.writeUInt16LE(Math.min(Math.max(high, 1), 65_535), 0);
    size.writeUInt16LE(Math.min(Math.max(wide, 1), 65_535), 2);
    if (!stream.destroyed) ioctl(master, TIOCSWINSZ, size);
  };
  const stream = new ReadStream(master);
  resize(columns, rows);
  // The end of a terminal is the error EIO; its readers are told an ordinary end.
  const output = new PassThrough();
  stream.on("data", (chunk: Buffer) => {
    if (!output.write(chunk)) stream.pause();
  });
  output.on("drain", () => stream.resume());
  for (const event of ["end", "close", "error"] as const) stream.on(event, () => output.end());
  let held = true;
  return {
    slave,
    handedOver: () => {
      if (held) closeSync(slave);
      held = false;
    },
    output,
    input: stream as unknown as Writable,
    resize,
    leader: () => number(TIOCGSID),
    isAlone,
    suspendCharacter: () => {
      const settings = isAlone() ? termios() : null;
      return settings === null || (settings.local & ISIG) === 0 ? null : settings.character(VSUSP);
    },
    takesLines: () => ((termios()?.local ?? 0) & ICANON) !== 0,
    endOfInput: () => {
      const settings = termios();
      return settings === null || (settings.local & ICANON) === 0 ? null : settings.character(VEOF);
    },
    close: () => stream.destroy(),
  };
}

/** A shell at its prompt ignores SIGTSTP: it stops others. */
function ignoresStop(pid: number): boolean {
  try {
    const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? "0";
    return (BigInt(`0x${mask}`) & (1n << BigInt(constants.signals.SIGTSTP - 1))) !== 0n;
  } catch {
    return false; // it has ended meanwhile
  }
}
