// The beginning of a head that did not come in one piece. It grows by doubling and is looked at again only when a line
// ended, so that a head sent byte by byte costs what its bytes cost, not their square.

import { LF } from "../wire/http1-bytes.ts";

const first = 1_024;

export class HeadBuffer {
  #bytes: Buffer | null = null;
  length = 0;

  /** Keeps a copy of `more`; true where it is worth scanning again. */
  append(more: Buffer): boolean {
    const needed = this.length + more.length;
    let bytes = this.#bytes;
    if (bytes === null || bytes.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(first, needed, (bytes?.length ?? 0) * 2));
      bytes?.copy(grown, 0, 0, this.length);
      this.#bytes = grown;
      bytes = grown;
    }
    more.copy(bytes, this.length);
    this.length = needed;
    return more.includes(LF);
  }

  /** What was kept. The caller owns the bytes after `clear`. */
  view(): Buffer {
    return this.#bytes === null ? Buffer.alloc(0) : this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.#bytes = null;
    this.length = 0;
  }
}
