// stdout.log and stderr.log: the agent's bytes, raw, and for each chunk the event that says where it is and what its hash is.
// The bytes are written before their event is appended, off the thread, one write at a time in the order they came in, so
// that the order of the two streams survives. What comes in during a turn, or during a write, goes out together.

import { createHash, type Hash } from "node:crypto";
import { closeSync, fdatasync, ftruncateSync, openSync, writev } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { OutputEvent } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { type OutputStream, outputFiles, type SessionFolder } from "./folder.ts";
import type { FileDigest } from "./metadata.ts";

/** Bytes of one write and one event. */
const maxRun = 131_072;
/** Bytes held in memory before `write` asks for a pause, and those at which it is over. */
const highWater = 524_288;
const lowWater = 131_072;

export interface OutputLog {
  /** False asks the caller to stop reading until `onDrain`; the chunk is taken all the same. MUST NOT be changed afterwards. */
  write(stream: OutputStream, chunk: Uint8Array): boolean;
  /** Waits for everything written to be in the files. Never rejects: see `broken`. */
  drained(): Promise<void>;
  /** Syncs and closes the files. */
  close(): Promise<void>;
  digest(stream: OutputStream): FileDigest;
  readonly broken: Error | null;
}

export interface OutputLogOptions {
  readonly folder: SessionFolder;
  readonly append: (event: OutputEvent) => void;
  readonly onDrain: () => void;
  /** Called once; from then on nothing is recorded and nothing waits. */
  readonly onBroken: (error: Error) => void;
}

interface Run {
  readonly stream: OutputStream;
  readonly chunks: Uint8Array[];
  bytes: number;
}

interface OutputFile {
  readonly fd: number;
  readonly hash: Hash;
  bytes: number;
}

/** @throws Failure log_unwritable */
export function openOutputLog(options: OutputLogOptions): OutputLog {
  const files = { stdout: openOutputFile(options.folder, "stdout"), stderr: openOutputFile(options.folder, "stderr") };
  const runs: Run[] = [];
  let held = 0;
  let paused = false;
  let busy = false;
  let broken: Error | null = null;
  const waiting: (() => void)[] = [];

  function next(): void {
    const run = broken === null ? runs.shift() : undefined;
    if (run !== undefined) {
      put(run, run.chunks, run.bytes);
      return;
    }
    busy = false;
    for (const resolve of waiting.splice(0)) resolve();
  }

  function put(run: Run, chunks: readonly Uint8Array[], left: number): void {
    writev(files[run.stream].fd, chunks, (error, taken) => {
      if (error !== null || taken === 0) fail(run.stream, error ?? new Error("write(2) took nothing"));
      else if (taken < left) put(run, rest(chunks, taken), left - taken);
      else {
        record(run);
        next();
      }
    });
  }

  function record(run: Run): void {
    const file = files[run.stream];
    const hash = createHash("sha256");
    for (const chunk of run.chunks) {
      hash.update(chunk);
      file.hash.update(chunk);
    }
    options.append({
      type: "output",
      stream: run.stream,
      offset: file.bytes,
      length: run.bytes,
      sha256: hash.digest("hex"),
    });
    file.bytes += run.bytes;
    held -= run.bytes;
    if (paused && held <= lowWater) {
      paused = false;
      options.onDrain();
    }
  }

  function fail(stream: OutputStream, cause: Error): void {
    const place = join(options.folder.path, outputFiles[stream]);
    let what = "the agent's output cannot be written";
    try {
      ftruncateSync(files[stream].fd, files[stream].bytes);
    } catch {
      // Bytes without an event stay behind; the verifier reports them as such.
      what = "the agent's output cannot be written, nor its torn end cut off";
    }
    const remedy = "Free the disk, and start again.";
    broken = new Failure("log_unwritable", `${what}: ${cause.message}`, { place, remedy, cause });
    runs.length = 0;
    held = 0;
    options.onBroken(broken);
    if (paused) options.onDrain();
    paused = false;
    next();
  }

  return {
    write(stream, chunk) {
      if (broken !== null || chunk.length === 0) return true;
      const last = runs.at(-1);
      if (last !== undefined && last.stream === stream && last.bytes + chunk.length <= maxRun) {
        last.chunks.push(chunk);
        last.bytes += chunk.length;
      } else runs.push({ stream, chunks: [chunk], bytes: chunk.length });
      held += chunk.length;
      if (!busy) {
        busy = true;
        setImmediate(next);
      }
      paused ||= held > highWater;
      return !paused;
    },
    drained() {
      return busy ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve();
    },
    async close() {
      await Promise.all(Object.values(files).map(closeOutputFile));
    },
    digest(stream) {
      return { bytes: files[stream].bytes, sha256: files[stream].hash.copy().digest("hex") };
    },
    get broken() {
      return broken;
    },
  };
}

function openOutputFile(folder: SessionFolder, stream: OutputStream): OutputFile {
  const place = join(folder.path, outputFiles[stream]);
  try {
    return { fd: openSync(place, "ax", 0o600), hash: createHash("sha256"), bytes: 0 };
  } catch (cause) {
    throw new Failure("log_unwritable", `the agent's output cannot be kept: ${(cause as Error).message}`, {
      place,
      cause,
    });
  }
}

async function closeOutputFile(file: OutputFile): Promise<void> {
  try {
    if (file.bytes > 0) await promisify(fdatasync)(file.fd);
  } finally {
    closeSync(file.fd);
  }
}

function rest(chunks: readonly Uint8Array[], taken: number): readonly Uint8Array[] {
  let skip = taken;
  let at = 0;
  for (let chunk = chunks[at]; chunk !== undefined && skip >= chunk.length; chunk = chunks[++at]) skip -= chunk.length;
  const left = chunks.slice(at);
  const head = left[0];
  if (head !== undefined && skip > 0) left[0] = head.subarray(skip);
  return left;
}
