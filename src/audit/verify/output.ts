// Checks the agent's output against the events that describe it: each chunk stands where its event says, has its hash, and
// nothing stands between or (in a complete log) after them.

import { createHash } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import type { EventRecord } from "./chain.ts";
import type { FindingCode } from "./finding.ts";

export interface OutputCheck {
  /** The next output event of this stream. */
  event(event: EventRecord, place: string): void;
  /** Closes the file, and gives its digest. In a `complete` log no byte may follow the last event's. */
  end(complete: boolean): { readonly bytes: number; readonly sha256: string };
}

type Note = (code: FindingCode, place: string, message: string) => void;

/** `name` is the file's name in findings. */
export function openOutputCheck(file: string, name: string, note: Note): OutputCheck {
  const fd = openFile(file, name, note);
  const size = fd === null ? 0 : fstatSync(fd).size;
  const whole = createHash("sha256");
  const block = Buffer.allocUnsafe(65_536);
  let offset = 0;
  let lost = fd === null;

  /** Hashes `length` bytes from `offset` on; null when the file has fewer. */
  function hashNext(length: number): string | null {
    if (fd === null || offset + length > size) return null;
    const hash = createHash("sha256");
    for (let left = length; left > 0; ) {
      const taken = readSync(fd, block, 0, Math.min(left, block.length), offset);
      if (taken === 0) return null;
      hash.update(block.subarray(0, taken));
      whole.update(block.subarray(0, taken));
      offset += taken;
      left -= taken;
    }
    return hash.digest("hex");
  }

  return {
    event(event, place) {
      if (lost) return;
      const { length, sha256 } = event;
      if (event.offset !== offset || typeof length !== "number" || !Number.isSafeInteger(length) || length < 1) {
        lost = true;
        note("output_mismatch", place, `the event does not continue ${name} at byte ${offset}`);
        return;
      }
      const start = offset;
      const found = hashNext(length);
      if (found === sha256) return;
      lost = true;
      if (found === null)
        note("output_mismatch", name, `the file ends at byte ${size}, before the output of ${place} does`);
      else note("output_mismatch", name, `bytes ${start} to ${start + length} are not the output of ${place}`);
    },
    end(complete) {
      if (fd !== null) {
        if (complete && !lost && size > offset) {
          note("output_mismatch", name, `${size - offset} bytes from byte ${offset} on have no event`);
        }
        hashNext(size - offset);
        closeSync(fd);
      }
      return { bytes: offset, sha256: whole.digest("hex") };
    },
  };
}

function openFile(file: string, name: string, note: Note): number | null {
  try {
    return openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    note("file_unreadable", name, (error as Error).message);
    return null;
  }
}
