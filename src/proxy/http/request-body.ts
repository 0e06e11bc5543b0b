// The body of a cell's request, followed to its end without being held or changed: by its length, or by its chunks.
// A connection has one, which begins anew with each request.

import { MORE } from "../wire/http1-bytes.ts";
import { ChunkedFraming } from "../wire/http1-chunked.ts";
import type { HeadScanner } from "../wire/http1-head.ts";

export class RequestBody {
  /** True when all of it has come; also before the first request. */
  done = true;
  /** Bytes that are still to come; infinite for chunks, which do not say. */
  left = 0;
  #chunked = false;
  #chunks: ChunkedFraming | null = null;

  /** Why the last `begin` or `follow` was MALFORMED. */
  get fault(): string {
    return this.#chunks?.fault ?? "";
  }

  /** Begins the body of the head that `scanner` has read, with what came behind it: where it ends in `bytes`, or MALFORMED. */
  begin(scanner: HeadScanner, bytes: Buffer, headEnd: number): number {
    this.#chunked = scanner.chunked;
    if (scanner.chunked) {
      this.left = Number.POSITIVE_INFINITY;
      this.#chunks ??= new ChunkedFraming();
      this.#chunks.reset();
      const end = this.#chunks.feed(bytes, headEnd, bytes.length);
      this.done = end !== MORE;
      return end === MORE ? bytes.length : end;
    }
    const length = Math.max(0, scanner.contentLength);
    const size = Math.min(length, bytes.length - headEnd);
    this.left = length - size;
    this.done = this.left === 0;
    return headEnd + size;
  }

  /** Follows more of it: how much of `bytes` belongs to it, or MALFORMED, with which it is never done. */
  follow(bytes: Buffer): number {
    if (this.#chunked) {
      const end = (this.#chunks as ChunkedFraming).feed(bytes, 0, bytes.length);
      if (end === MORE) return bytes.length;
      this.done = end >= 0;
      return end;
    }
    const size = Math.min(this.left, bytes.length);
    this.left -= size;
    this.done = this.left === 0;
    return size;
  }
}
