// One task from its cell's doors to its last byte: connects the doors to the boundary, lets the agent run, passes its
// streams on, ends it when a cap or a signal says so, and returns when nothing of it is left.
// It is handed everything it works with, and decides nothing but when to end.

import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import type { Termination } from "#core/termination.ts";
import type { Boundary } from "#proxy/boundary.ts";
import type { Restored } from "#sandbox/additions.ts";
import { originalDestination } from "#sandbox/original-destination.ts";
import type { CellSpec, Doors, PreparedCell, RunningCell } from "#sandbox/process.ts";
import { createSuspension } from "#sandbox/suspension.ts";
import { attachTerminal, type PersonsTerminal } from "#sandbox/terminal.ts";
import { type Capture, capture } from "#session/capture.ts";
import type { OutputMeter } from "#session/output-meter.ts";
import type { Recorder } from "#session/recorder.ts";
import type { Ending } from "./ending.ts";

export interface TaskOptions {
  readonly cell: PreparedCell;
  readonly spec: CellSpec;
  readonly boundary: Boundary;
  readonly ending: Ending;
  readonly meter: OutputMeter;
  readonly recorder: Pick<Recorder, "output">;
  /** Given the way to tell both captures that the recorder drained. */
  readonly onCaptures: (drain: () => void) => void;
  /** The person's streams; null where nobody is there (a detached run). `later`: whoever attaches types. */
  readonly stdin: Readable | "later" | null;
  readonly stdout: Writable | null;
  readonly stderr: Writable | null;
  /** The person's terminal, where the cell has one of its own; `stdin` is then not read otherwise. */
  readonly terminal: PersonsTerminal | null;
  /** seconds; null is no cap */
  readonly maxRuntime: number | null;
  /** Called when the agent is about to start: the cell is closed and its doors lead to the boundary. */
  readonly onReady: () => void;
  /** Called when the agent runs, with its cell. */
  readonly onRunning: (cell: RunningCell) => void;
  /** What of the agent's additions to the workspace was not left as it was. */
  readonly onRestored: (restored: readonly Restored[]) => void;
}

export interface TaskEnd {
  /** Null where a signal ended it. As of the kernel's SIGKILL where it held too much memory, whoever held the limit. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly termination: Termination | null;
  /** The cell was ended because it held more memory than it may. */
  readonly outOfMemory: boolean;
}

/** Milliseconds from the agent's start until its doors are answered: what that takes is loaded for agents that last. */
const answeredAfter = 5;

/** @throws Failure when the cell could not be made or the program not started; nothing of the cell is left then. */
export async function runTask(options: TaskOptions): Promise<TaskEnd> {
  const { cell, ending } = options;
  let stopClock = () => {};
  let detach = () => {};
  let connect: NodeJS.Timeout | undefined;
  try {
    let doors: Doors | null = null;
    const running = await cell.run(options.spec, (open) => {
      doors = open;
      options.onReady();
    });
    // The doors listen since before the agent; who knocks waits until they are answered, and is let in by nobody else.
    connect = setTimeout(() => doors !== null && connectDoors(doors, options.boundary), answeredAfter);
    ending.attach(running);
    options.onRunning(running);
    if (options.maxRuntime !== null) stopClock = startClock(options.maxRuntime, ending);
    const captures = capturesOf(running, options);
    options.onCaptures(() => {
      for (const one of captures) one.drain();
    });
    if (options.terminal === null) {
      if (options.stdin !== "later") passInput(options.stdin, running);
      detach = createSuspension(running, null).close;
    } else detach = attachTerminal(running, options.terminal);
    const exit = await running.exited;
    // A person's input that is still open would otherwise keep this process waiting for its end.
    running.stdin.destroy();
    for (const one of captures) one.release();
    await Promise.all(captures.map((one) => one.ended));
    options.onRestored(running.restore());
    const { code, signal, outOfMemory } = exit;
    const exitCode = outOfMemory ? 128 + constants.signals.SIGKILL : code;
    return { exitCode, signal, termination: ending.termination, outOfMemory };
  } finally {
    clearTimeout(connect);
    stopClock();
    detach();
    ending.close();
    await cell.abandon();
    await options.boundary.close();
  }
}

function connectDoors(doors: Doors, boundary: Boundary): void {
  doors.tcp.on("connection", (socket) => {
    const destination = originalDestination(socket);
    // A connection whose destination the kernel does not tell was not redirected here: nobody can judge it.
    if (destination === null) socket.resetAndDestroy();
    else boundary.accept(socket, destination);
  });
  doors.dns.on("connection", (socket) => boundary.dnsStream(socket));
  for (const socket of doors.udp) boundary.dnsDatagrams(socket);
}

/** A timer takes no more than 24 days at once. */
const longestTimer = 2 ** 31 - 1;

/** Ends the run after `seconds`; gives what stops the clock. */
function startClock(seconds: number, ending: Ending): () => void {
  const begun = performance.now();
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left = begun + seconds * 1000 - performance.now();
    timer = setTimeout(() => (left > longestTimer ? arm() : end()), Math.min(left, longestTimer));
  };
  const end = () => {
    const observed = Math.round((performance.now() - begun) / 100) / 10;
    ending.begin({ kind: "max_runtime", threshold: seconds, observed: Math.max(observed, seconds) });
  };
  arm();
  return () => clearTimeout(timer);
}

function capturesOf(running: RunningCell, options: TaskOptions): readonly Capture[] {
  const { meter, recorder, ending } = options;
  const onExceeded = (exceeded: Termination) => ending.begin(exceeded);
  return [
    capture({ stream: "stdout", source: running.stdout, sink: options.stdout, meter, recorder, onExceeded }),
    capture({ stream: "stderr", source: running.stderr, sink: options.stderr, meter, recorder, onExceeded }),
  ];
}

/** The person's input, to its end. An agent that stops reading does not stop us. */
function passInput(source: Readable | null, { stdin: sink, endInput }: RunningCell): void {
  if (source === null) {
    endInput();
    return;
  }
  sink.on("error", () => source.unpipe(sink));
  sink.on("close", () => {
    source.unpipe(sink);
    source.pause();
    // A pipe that nobody reads any more must not keep the program from ending.
    if ("unref" in source && typeof source.unref === "function") source.unref();
  });
  source.on("end", endInput);
  source.pipe(sink, { end: false });
}
