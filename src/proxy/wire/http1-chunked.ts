// The framing of a chunked body (RFC 9112 §7.1), followed without holding or changing it. Hostile input, strict: no chunk
// extensions (parsers disagree where they end), no white space, CRLF only, sizes of at most 13 hexadecimal digits.
// Trailer fields pass, but none that frames, routes or rewrites a message, because some parsers merge them into the head.

import { CR, HTAB, hex, LF, MALFORMED, MORE, SP, token, value } from "./http1-bytes.ts";
import { fieldKind, OTHER } from "./http1-fields.ts";

const SIZE = 0;
const SIZE_LF = 1;
const DATA = 2;
const DATA_CR = 3;
const DATA_LF = 4;
const LINE = 5;
const NAME = 6;
const VALUE = 7;
const VALUE_LF = 8;
const LAST_LF = 9;

const maxDigits = 13;
const maxTrailer = 8_192;
const maxName = 64;

export class ChunkedFraming {
  fault = "";
  #state = SIZE;
  #left = 0;
  #digits = 0;
  #trailer = 0;
  #nameLength = 0;
  readonly #name = new Uint8Array(maxName);

  reset(): void {
    this.fault = "";
    this.#state = SIZE;
    this.#left = 0;
    this.#digits = 0;
    this.#trailer = 0;
  }

  /** Follows `bytes[start..end)`; the offset behind the body's end, MORE or MALFORMED. */
  feed(bytes: Uint8Array, start: number, end: number): number {
    let at = start;
    while (at < end) {
      if (this.#state === DATA) {
        const size = Math.min(end - at, this.#left);
        this.#left -= size;
        at += size;
        if (this.#left === 0) this.#state = DATA_CR;
        continue;
      }
      const byte = bytes[at++] as number;
      if (this.#state === LAST_LF) return byte === LF ? at : this.#bad("a bare CR in the trailers");
      if (this.#state >= LINE ? !this.#trailerByte(byte) : !this.#framingByte(byte)) return MALFORMED;
    }
    return MORE;
  }

  #bad(fault: string): typeof MALFORMED {
    this.fault = fault;
    return MALFORMED;
  }

  #fail(fault: string): false {
    this.fault = fault;
    return false;
  }

  #framingByte(byte: number): boolean {
    switch (this.#state) {
      case SIZE: {
        const digit = hex[byte] as number;
        if (digit === 255) {
          if (byte !== CR || this.#digits === 0) return this.#fail("bad chunk size or a chunk extension");
          this.#state = SIZE_LF;
          return true;
        }
        if (++this.#digits > maxDigits) return this.#fail("the chunk size is too long");
        this.#left = this.#left * 16 + digit;
        return true;
      }
      case SIZE_LF:
        if (byte !== LF) return this.#fail("a bare CR behind a chunk size");
        this.#state = this.#left === 0 ? LINE : DATA;
        return true;
      case DATA_CR:
        if (byte !== CR) return this.#fail("a chunk is longer than its size");
        this.#state = DATA_LF;
        return true;
      default:
        if (byte !== LF) return this.#fail("a bare CR behind a chunk");
        this.#state = SIZE;
        this.#digits = 0;
        return true;
    }
  }

  #trailerByte(byte: number): boolean {
    if (++this.#trailer > maxTrailer) return this.#fail("the trailers are too long");
    switch (this.#state) {
      case LINE:
        if (byte === CR) {
          this.#state = LAST_LF;
          return true;
        }
        if (token[byte] !== 1) return this.#fail("bad trailer name");
        this.#name[0] = byte;
        this.#nameLength = 1;
        this.#state = NAME;
        return true;
      case NAME:
        if (token[byte] === 1) {
          if (this.#nameLength === maxName) return this.#fail("a trailer name is too long");
          this.#name[this.#nameLength++] = byte;
          return true;
        }
        if (byte !== 0x3a) return this.#fail("bad trailer name");
        if (fieldKind(this.#name, 0, this.#nameLength) !== OTHER) return this.#fail("a trailer that may not be one");
        this.#state = VALUE;
        return true;
      case VALUE:
        if (byte === CR) this.#state = VALUE_LF;
        else if (value[byte] !== 1 && byte !== SP && byte !== HTAB) return this.#fail("bad trailer value");
        return true;
      default:
        if (byte !== LF) return this.#fail("a bare CR in the trailers");
        this.#state = LINE;
        return true;
    }
  }
}
