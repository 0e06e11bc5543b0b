// The lines of a file, streamed in bounded memory: for logs of any size, also damaged or hostile ones.

import { readSync } from "node:fs";

export interface Line {
  /** Without the newline. A view that is overwritten by the next line: copy what must stay. */
  readonly bytes: Buffer;
  /** False for bytes after the last newline. */
  readonly whole: boolean;
  /** True when only the beginning of an overlong line is in `bytes`; reading ends with it. */
  readonly overlong: boolean;
}

/**
 * Reads `fd` from `position` on to its end as it stands. `maxBytes` bounds a line.
 * `onBytes` hears of every byte read, in order (also those of an overlong line's beginning).
 */
export function* readLines(
  fd: number,
  maxBytes: number,
  position = 0,
  onBytes?: (bytes: Buffer) => void,
): Generator<Line, void, void> {
  const block = Buffer.allocUnsafe(Math.max(maxBytes + 1, 262_144));
  let used = 0;
  let at = position;
  for (;;) {
    const taken = readSync(fd, block, used, block.length - used, at);
    if (taken === 0) break;
    onBytes?.(block.subarray(used, used + taken));
    at += taken;
    const end = used + taken;
    let start = 0;
    // Bytes before `used` hold no newline: they were searched when they were read.
    for (
      let newline = block.subarray(0, end).indexOf(10, used);
      newline !== -1;
      newline = block.subarray(0, end).indexOf(10, start)
    ) {
      if (newline - start > maxBytes) {
        yield { bytes: block.subarray(start, start + maxBytes), whole: false, overlong: true };
        return;
      }
      yield { bytes: block.subarray(start, newline), whole: true, overlong: false };
      start = newline + 1;
    }
    used = end - start;
    if (used > maxBytes) {
      yield { bytes: block.subarray(start, start + maxBytes), whole: false, overlong: true };
      return;
    }
    block.copyWithin(0, start, end);
  }
  if (used > 0) yield { bytes: block.subarray(0, used), whole: false, overlong: false };
}
