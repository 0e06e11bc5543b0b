// The record of one run: its folder, its two output logs, and session.json at the start and at the end. The event log is
// handed in, because the gate writes the same one. `end` is the last thing that happens to a session: it appends
// `session.ended` with the digests of the output, closes the log, writes session.json and makes the folder read-only.
//
// When anything of it cannot be written the run must stop (`onBroken`). A session whose end could not be written keeps its
// first session.json, and is shown as `boundary_lost` once its process is gone.

import { hash } from "node:crypto";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "#core/event.ts";
import { Failure, type FailureRecord } from "#core/failure.ts";
import type { Termination } from "#core/termination.ts";
import { canonicalJson, wellFormed } from "#lib/canonical-json.ts";
import { eventsFile, type OutputStream, outputFiles, type SessionFolder, sessionFile } from "./folder.ts";
import {
  currentHolder,
  type EndedSession,
  type SessionCounts,
  type SessionStart,
  sessionVersion,
  writeSession,
} from "./metadata.ts";
import { openOutputLog } from "./output-log.ts";

/** What the recorder needs of the event log. */
export interface SessionLog {
  append(event: Event): number;
  close(): Promise<void>;
  readonly broken: Error | null;
  readonly seq: number;
  readonly head: string;
  readonly bytes: number;
  readonly counts: Pick<SessionCounts, "allowed" | "denied" | "requests" | "dns_allowed" | "dns_denied">;
  digest(): string;
}

export interface RecorderOptions {
  readonly folder: SessionFolder;
  readonly start: SessionStart;
  readonly log: SessionLog;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Reading may go on after `output` returned false. */
  readonly onDrain: () => void;
  /** The output cannot be kept: the run must stop. Called once. */
  readonly onBroken: (error: Error) => void;
}

export interface RunEnd {
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly termination: Termination | null;
  /** The stage that failed, where the run could not be started; null when it ran. */
  readonly failure?: FailureRecord | null;
  readonly suggestion?: EndedSession["suggestion"];
}

export interface Recorder {
  /** Keeps a chunk and gives it an event. False: stop reading until `onDrain`. The chunk MUST NOT be changed afterwards. */
  output(stream: OutputStream, chunk: Uint8Array): boolean;
  /** MUST be called once, when nothing of the run is left and no more output can come. @throws Failure log_unwritable */
  end(how: RunEnd): Promise<EndedSession>;
  readonly broken: Error | null;
}

/** @throws Failure log_unwritable */
export function openRecorder(options: RecorderOptions): Recorder {
  const { folder, log } = options;
  const start = {
    ...options.start,
    command: options.start.command.map(wellFormed),
    cwd: wellFormed(options.start.cwd),
  };
  const begun = performance.now();
  const output = openOutputLog({
    folder,
    append: (event) => void log.append(event),
    onDrain: options.onDrain,
    onBroken: options.onBroken,
  });
  write(() => writeSession(folder, { version: sessionVersion, state: "running", ...start, ...currentHolder() }, false));

  function write(step: () => void): void {
    try {
      step();
    } catch (cause) {
      const message = `session.json cannot be written: ${(cause as Error).message}`;
      throw new Failure("log_unwritable", message, {
        place: join(folder.path, sessionFile),
        remedy: "Free the disk.",
        cause,
      });
    }
  }

  return {
    output: output.write,
    get broken() {
      return output.broken ?? log.broken;
    },
    async end(how) {
      await output.drained();
      const printed = { stdout: output.digest("stdout"), stderr: output.digest("stderr") };
      const duration = Math.round(performance.now() - begun);
      const termination = how.termination === null ? null : { ...how.termination };
      const { exit_code, signal, failure = null } = how;
      // session.json is not in the chain: this is how the chain vouches for what it says.
      const start_sha256 = hash("sha256", canonicalJson({ ...start }), "hex");
      const { stdout, stderr } = printed;
      log.append({
        type: "session.ended",
        detail: {
          exit_code,
          signal,
          termination,
          failure: failure === null ? null : { ...failure },
          duration_ms: duration,
          start_sha256,
          stdout: { ...stdout },
          stderr: { ...stderr },
        },
      });
      await Promise.all([log.close(), output.close()]);
      const record: EndedSession = {
        version: sessionVersion,
        state: "ended",
        ...start,
        ended: new Date(options.now()).toISOString(),
        duration_ms: duration,
        exit_code,
        signal,
        termination: how.termination,
        failure,
        counts: {
          ...log.counts,
          events: log.seq,
          stdout_bytes: printed.stdout.bytes,
          stderr_bytes: printed.stderr.bytes,
        },
        files: {
          [eventsFile]: { bytes: log.bytes, sha256: log.digest() },
          [outputFiles.stdout]: printed.stdout,
          [outputFiles.stderr]: printed.stderr,
        },
        log: { events: log.seq, head: log.head, broken: log.broken?.message ?? null },
        ...(how.suggestion === undefined ? {} : { suggestion: how.suggestion }),
      };
      write(() => writeSession(folder, record, true));
      seal(folder);
      return record;
    },
  };
}

function seal(folder: SessionFolder): void {
  const files = [sessionFile, eventsFile, outputFiles.stdout, outputFiles.stderr];
  for (const name of files) chmodSync(join(folder.path, name), 0o400);
  chmodSync(folder.path, 0o500);
}
