// Caps on what an agent prints, stdout and stderr together: exactly N bytes and exactly N lines are passed on, the next is
// not. A line ends with its newline; bytes after the last newline are the beginning of the next line, so after N newlines
// one more byte is already too much.

export interface OutputCaps {
  /** null is no cap. */
  readonly lines: number | null;
  readonly bytes: number | null;
}

export interface Metered {
  /** How many bytes of the chunk may be passed on. */
  readonly pass: number;
  /** The cap that cut the chunk; null when all of it passes. `observed` is one more than the threshold. */
  readonly exceeded: {
    readonly kind: "max_output_lines" | "max_output_bytes";
    readonly threshold: number;
    readonly observed: number;
  } | null;
}

export interface OutputMeter {
  /** MUST be asked once for each chunk, in order; after the first `exceeded` nothing passes any more. */
  take(chunk: Uint8Array): Metered;
  readonly lines: number;
  readonly bytes: number;
}

const newline = 10;

export function createOutputMeter(caps: OutputCaps): OutputMeter {
  const maxLines = caps.lines ?? Number.POSITIVE_INFINITY;
  const maxBytes = caps.bytes ?? Number.POSITIVE_INFINITY;
  let lines = 0;
  let bytes = 0;
  let exceeded: Metered["exceeded"] = null;

  function lineRoom(chunk: Uint8Array): number {
    if (maxLines === Number.POSITIVE_INFINITY) return chunk.length;
    let at = 0;
    while (lines < maxLines) {
      const end = chunk.indexOf(newline, at);
      if (end === -1) return chunk.length;
      lines += 1;
      at = end + 1;
    }
    return at;
  }

  return {
    take(chunk) {
      if (exceeded !== null) return { pass: 0, exceeded };
      const byteRoom = Math.min(chunk.length, maxBytes - bytes);
      const pass = lineRoom(chunk.subarray(0, byteRoom));
      bytes += pass;
      if (pass < byteRoom) exceeded = { kind: "max_output_lines", threshold: maxLines, observed: maxLines + 1 };
      else if (byteRoom < chunk.length)
        exceeded = { kind: "max_output_bytes", threshold: maxBytes, observed: maxBytes + 1 };
      return { pass, exceeded };
    },
    get lines() {
      return lines;
    },
    get bytes() {
      return bytes;
    },
  };
}
