// The record of a run that is not to be kept (`--no-session`): its decisions, and nothing of its output. What is left is
// one folder with the events, which verifies like a session's. The other recorder is recorder.ts.

import { hash } from "node:crypto";
import { chmod } from "node:fs/promises";
import { join } from "node:path";
import { canonicalJson, wellFormed } from "#lib/canonical-json.ts";
import { eventsFile } from "./folder.ts";
import { sessionVersion } from "./metadata.ts";
import type { Recorder, RecorderOptions } from "./recorder.ts";

/** MUST be handed the log that is in `folder`. */
export function openUnkept({ folder, start, log, now }: Omit<RecorderOptions, "onDrain" | "onBroken">): Recorder {
  const begun = performance.now();
  const known = { ...start, command: start.command.map(wellFormed), cwd: wellFormed(start.cwd) };
  return {
    output: () => true,
    get broken() {
      return log.broken;
    },
    async end({ exit_code, signal, termination, failure = null, suggestion }) {
      const duration = Math.round(performance.now() - begun);
      log.append({
        type: "session.ended",
        detail: {
          exit_code,
          signal,
          termination: termination === null ? null : { ...termination },
          failure: failure === null ? null : { ...failure },
          duration_ms: duration,
          start_sha256: hash("sha256", canonicalJson({ ...known }), "hex"),
        },
      });
      await log.close();
      await chmod(join(folder.path, eventsFile), 0o400);
      await chmod(folder.path, 0o500);
      return {
        version: sessionVersion,
        state: "ended",
        ...known,
        ended: new Date(now()).toISOString(),
        duration_ms: duration,
        exit_code,
        signal,
        termination,
        failure,
        counts: { ...log.counts, events: log.seq, stdout_bytes: 0, stderr_bytes: 0 },
        files: { [eventsFile]: { bytes: log.bytes, sha256: log.digest() } },
        log: { events: log.seq, head: log.head, broken: log.broken?.message ?? null },
        ...(suggestion === undefined ? {} : { suggestion }),
      };
    },
  };
}
