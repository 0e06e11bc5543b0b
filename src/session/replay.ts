// What the agent printed, once more: the exact bytes, to the stream they came from, at the pace they came in. The pace is
// that of the output events; a chunk that is not what its event says ends the replay, because it is not a replay any more.

import { hash } from "node:crypto";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { type LoggedEvent, readEvents } from "./events.ts";
import { type OutputStream, outputFiles, type SessionFolder } from "./folder.ts";

/** Bytes of one chunk; no recorder makes larger ones. */
const maxChunk = 1_048_576;

export interface Chunk {
  readonly stream: OutputStream;
  readonly bytes: Buffer;
  /** Milliseconds since the session's first event. */
  readonly at: number;
  readonly offset: number;
  readonly sha256: string;
}

export interface ReplayOptions {
  readonly folder: SessionFolder;
  /** 2 is twice as fast; Infinity does not wait at all. */
  readonly speed: number;
  readonly write: (chunk: Chunk) => Promise<void>;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
}

/** @throws Failure session_damaged */
export async function replay(options: ReplayOptions): Promise<void> {
  const begun = options.clock();
  for (const chunk of readChunks(options.folder)) {
    // Against the beginning rather than the chunk before, so that waits that are too long do not add up.
    const wait = chunk.at / options.speed - (options.clock() - begun);
    if (wait >= 1) await options.sleep(wait);
    await options.write(chunk);
  }
}

/** The chunks of a session in the order of their events, each checked against its hash. @throws Failure session_damaged */
function* readChunks(folder: SessionFolder): Generator<Chunk, void, void> {
  const files = new Map<OutputStream, number>();
  let first: number | null = null;
  try {
    for (const { event } of readEvents(folder)) {
      const time = Date.parse(event.time);
      first ??= time;
      if (event.type !== "output") continue;
      const { stream, offset, length, sha256 } = describe(event, folder);
      let fd = files.get(stream);
      if (fd === undefined) {
        fd = openOutput(folder, stream);
        files.set(stream, fd);
      }
      const bytes = Buffer.allocUnsafe(length);
      if (readSync(fd, bytes, 0, length, offset) !== length || hash("sha256", bytes, "hex") !== sha256) {
        throw damaged(folder, stream, `bytes ${offset} to ${offset + length} are not the output of event ${event.seq}`);
      }
      yield { stream, bytes, at: Math.max(0, time - first), offset, sha256 };
    }
  } finally {
    for (const fd of files.values()) closeSync(fd);
  }
}

function describe(
  event: LoggedEvent,
  folder: SessionFolder,
): { stream: OutputStream; offset: number; length: number; sha256: string } {
  const { stream, offset, length, sha256 } = event;
  if (
    (stream === "stdout" || stream === "stderr") &&
    typeof offset === "number" &&
    Number.isSafeInteger(offset) &&
    offset >= 0 &&
    typeof length === "number" &&
    Number.isSafeInteger(length) &&
    length >= 0 &&
    length <= maxChunk &&
    typeof sha256 === "string"
  ) {
    return { stream, offset, length, sha256 };
  }
  throw damaged(folder, "stdout", `event ${event.seq} is not an output event`);
}

function openOutput(folder: SessionFolder, stream: OutputStream): number {
  try {
    return openSync(join(folder.path, outputFiles[stream]), constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw damaged(folder, stream, (cause as Error).message, cause);
  }
}

function damaged(folder: SessionFolder, stream: OutputStream, message: string, cause?: unknown): Failure {
  const place = join(folder.path, outputFiles[stream]);
  return new Failure("session_damaged", message, {
    place,
    remedy: `See what happened: sallyport audit verify ${folder.id}`,
    cause,
  });
}
