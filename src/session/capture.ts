// One of the agent's output streams on its way to the log and to the person: metered, recorded, passed on, and read no
// faster than all of these keep up with. One chunk a turn of the event loop, so that an agent that prints without end
// takes its turn like every connection does.

import type { Readable, Writable } from "node:stream";
import type { OutputStream } from "./folder.ts";
import type { Metered, OutputMeter } from "./output-meter.ts";
import type { Recorder } from "./recorder.ts";

export interface CaptureOptions {
  readonly stream: OutputStream;
  readonly source: Readable;
  /** Where the person sees it; null keeps it only. When it fails (EPIPE), the source is closed, so that the agent hears of it. */
  readonly sink: Writable | null;
  readonly meter: OutputMeter;
  /** null records nothing. */
  readonly recorder: Pick<Recorder, "output"> | null;
  /** The first byte that a cap forbids has come; nothing after it is passed on or kept, the rest is read and dropped. */
  readonly onExceeded: (exceeded: NonNullable<Metered["exceeded"]>) => void;
}

export interface Capture {
  /** Tells that the recorder's `onDrain` was called. */
  drain(): void;
  /** The run is over: what is left is recorded, and nothing waits for the sink (a terminal stopped by Ctrl-S) any more. */
  release(): void;
  /** Resolves when the source has ended or failed, and everything of it was handed on. */
  readonly ended: Promise<void>;
}

/**
 * Turns of the event loop between two chunks. A request is several turns under way, and should not meet a chunk in each; with
 * nothing else to do a turn takes microseconds.
 */
const restTurns = 4;

export function capture(options: CaptureOptions): Capture {
  const { source, sink, meter, recorder, stream } = options;
  let full = false;
  let blocked = false;
  let cut = false;
  let resting = false;
  let released = false;

  function rest(): void {
    resting = true;
    source.pause();
    turn(restTurns);
  }

  function turn(left: number): void {
    setImmediate(() => {
      if (left > 1) return turn(left - 1);
      resting = false;
      goOn();
    });
  }

  function goOn(): void {
    if (!full && (!blocked || released) && !resting) source.resume();
  }

  const usable = (): boolean => sink?.writable === true && !sink.errored;
  const onSinkDrain = () => {
    blocked = false;
    goOn();
  };
  // The person's reader has gone (`… | head -1`): the agent's next write fails as it would without us. Reading on would let
  // an agent that prints without end run unseen until the disk is full.
  const onSinkError = () => {
    source.destroy();
  };
  sink?.on("drain", onSinkDrain).on("error", onSinkError).on("close", onSinkDrain);

  source.on("data", (chunk: Buffer) => {
    rest();
    if (cut) return;
    const { pass, exceeded } = meter.take(chunk);
    const bytes = pass === chunk.length ? chunk : chunk.subarray(0, pass);
    if (pass > 0) {
      if (recorder !== null) full = !recorder.output(stream, bytes);
      if (sink !== null && usable()) blocked = !sink.write(bytes);
    }
    if (exceeded !== null) {
      cut = true;
      options.onExceeded(exceeded);
    }
  });

  const ended = new Promise<void>((resolve) => {
    // A PTY's master fails with EIO when its last process is gone: that is its end.
    source.on("error", () => resolve());
    source.on("end", resolve).on("close", resolve);
  });
  return {
    drain() {
      full = false;
      goOn();
    },
    release() {
      released = true;
      goOn();
    },
    ended: ended.then(() => {
      sink?.off("drain", onSinkDrain).off("close", onSinkDrain);
    }),
  };
}
