// The agent's input and outputs: three real pipes (a program that opens /dev/stdin or /dev/stderr must find no socket), or one
// private terminal. Both look the same to who runs a cell.

import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { Failure } from "#core/failure.ts";
import { native } from "./native.ts";
import { openPty } from "./pty.ts";

export interface Stdio {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Ends at once with a terminal, which carries both. */
  readonly stderr: Readable;
  /** The agent's ends, for descriptors 0, 1 and 2. */
  readonly ends: readonly [number, number, number];
  /** Closes the agent's ends here; MUST be called once the agent's first process has them. */
  handedOver(): void;
  resize(columns: number, rows: number): void;
  leader(): number | null;
  isAlone(): boolean;
  suspendCharacter(): number | null;
  /** False without a terminal. */
  takesLines(): boolean;
  /** Ends the agent's input: closes the pipe, or types what ends it. */
  endInput(): void;
  close(): void;
}

const O_CLOEXEC = 0o2000000;

/** Throws Failure sandbox_failed. */
export function openStdio(terminal: { readonly columns: number; readonly rows: number } | undefined): Stdio {
  return terminal === undefined ? openPipes() : openTerminal(terminal);
}

function openTerminal(size: { readonly columns: number; readonly rows: number }): Stdio {
  const pty = openPty(size.columns, size.rows);
  const stderr = new PassThrough();
  stderr.end();
  return {
    stdin: pty.input,
    stdout: pty.output,
    stderr,
    ends: [pty.slave, pty.slave, pty.slave],
    handedOver: pty.handedOver,
    resize: pty.resize,
    leader: pty.leader,
    isAlone: pty.isAlone,
    suspendCharacter: pty.suspendCharacter,
    takesLines: pty.takesLines,
    endInput: () => {
      const end = pty.endOfInput();
      // The first ends a line that has begun, the second the input.
      if (end !== null) pty.input.write(Buffer.of(end, end));
    },
    close: pty.close,
  };
}

function openPipes(): Stdio {
  const { pipe2 } = native();
  const pipes = [0, 1, 2].map(() => {
    const ends: number[] = [0, 0];
    if (pipe2(ends, O_CLOEXEC) !== 0) throw new Failure("sandbox_failed", "no pipe could be made for the agent");
    return ends as [number, number];
  }) as [[number, number], [number, number], [number, number]];
  const ends = [pipes[0][0], pipes[1][1], pipes[2][1]] as const;
  const stdin = new Socket({ fd: pipes[0][1], readable: false, writable: true });
  const [stdout, stderr] = [pipes[1][0], pipes[2][0]].map(
    (fd) => new Socket({ fd, readable: true, writable: false }),
  ) as [Socket, Socket];
  stdin.on("error", () => stdin.destroy()); // the agent may close its input whenever it likes
  let held = true;
  return {
    stdin,
    stdout,
    stderr,
    ends,
    handedOver: () => {
      if (held) for (const fd of ends) closeSync(fd);
      held = false;
    },
    resize: () => {},
    leader: () => null,
    isAlone: () => false,
    suspendCharacter: () => null,
    takesLines: () => false,
    endInput: () => void stdin.end(),
    close: () => {
      for (const stream of [stdin, stdout, stderr]) stream.destroy();
    },
  };
}
