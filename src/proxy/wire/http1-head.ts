// A strict scanner for the head of an HTTP/1.1 message (RFC 9112). Hostile input. It makes no string for a field and
// changes nothing: it tells where things are, so that the bytes that were judged are the bytes that are sent.
// Its rules:
// * What two parsers could read differently is MALFORMED, never repaired: bare CR or LF, folded lines, space before a
//   colon, NUL and other controls, a repeated or odd Content-Length, any Transfer-Encoding but one `chunked`, both of
//   them, a second Host, `_` for `-` in a name that matters, absolute-form and authority-form targets, `#` in a target.
// * One scanner is used again and again: its results hold until the next call.
// * Bounded: `maxHead` bytes and `maxFields` fields.

import { COLON, CR, HTAB, hex, LF, MALFORMED, MORE, SP, target, token, value } from "./http1-bytes.ts";
import {
  ALT_SVC,
  CONNECTION,
  CONTENT_LENGTH,
  DROPPED,
  EXPECT,
  fieldKind,
  HOST,
  hasUnderscore,
  isWord,
  METHOD_OVERRIDE,
  OTHER,
  TRANSFER_ENCODING,
  UPGRADE,
} from "./http1-fields.ts";

/** Bytes of a head, request or status line included. */
export const maxHead = 65_536;
const maxRequestFields = 128;
const maxResponseFields = 256;
const maxMethod = 32;
/** Fifteen digits stay below 2^53. */
const maxLengthDigits = 15;

export class HeadScanner {
  /** Why the last call said MALFORMED; a fixed text, free of the agent's bytes. */
  fault = "";
  fieldCount = 0;
  /** Offsets per field: the name's first byte, its end, the value's first byte and its end without white space. */
  readonly nameStart = new Int32Array(maxResponseFields + 1);
  readonly nameEnd = new Int32Array(maxResponseFields);
  readonly valueStart = new Int32Array(maxResponseFields);
  readonly valueEnd = new Int32Array(maxResponseFields);
  readonly kind = new Uint8Array(maxResponseFields);
  method = "";
  targetStart = 0;
  targetEnd = 0;
  /** HTTP/1.x. */
  minor = 1;
  status = 0;
  /** Index of the field, -1 without one. */
  host = -1;
  upgrade = -1;
  override = -1;
  /** -1 without a Content-Length. */
  contentLength = -1;
  chunked = false;
  expectsContinue = false;
  /** What Connection says. */
  close = false;
  keepAlive = false;
  connectionUpgrade = false;
  /** True where a field must not be forwarded (kind DROPPED, CONNECTION, UPGRADE or ALT_SVC). */
  hasDropped = false;
  #nominates = false;

  /** Scans a request head at `start`; its end, MORE or MALFORMED. */
  request(bytes: Buffer, start: number, end: number): number {
    this.#reset();
    let at = this.#method(bytes, start, end);
    if (at < 0) return at;
    at = this.#target(bytes, at, end);
    if (at < 0) return at;
    if (end - at < 10) return bytes.subarray(at, end).includes(LF) ? this.#bad("no HTTP version") : MORE;
    if (!isHttp1(bytes, at)) return this.#bad("not HTTP/1.x");
    const minor = (bytes[at + 7] as number) - 0x30;
    if (minor !== 0 && minor !== 1) return this.#bad("not HTTP/1.0 or HTTP/1.1");
    if (bytes[at + 8] !== CR || bytes[at + 9] !== LF) return this.#bad("bytes behind the HTTP version");
    this.minor = minor;
    at = this.#fields(bytes, at + 10, end, maxRequestFields);
    return at < 0 ? at : this.#checkRequest(bytes, at);
  }

  /** Scans a response head at `start`; its end, MORE or MALFORMED. */
  response(bytes: Buffer, start: number, end: number): number {
    this.#reset();
    if (end - start < 14) return bytes.subarray(start, end).includes(LF) ? this.#bad("bad status line") : MORE;
    if (!isHttp1(bytes, start)) return this.#bad("not HTTP/1.x");
    const minor = (bytes[start + 7] as number) - 0x30;
    if ((minor !== 0 && minor !== 1) || bytes[start + 8] !== SP) return this.#bad("bad status line");
    let status = 0;
    for (let i = start + 9; i < start + 12; i++) {
      const digit = (bytes[i] as number) - 0x30;
      if (digit < 0 || digit > 9) return this.#bad("bad status");
      status = status * 10 + digit;
    }
    if (status < 100 || status > 599) return this.#bad("bad status");
    let at = start + 12;
    if (bytes[at] !== SP && bytes[at] !== CR) return this.#bad("bad status line");
    while (at < end && value[bytes[at] as number] === 1) at++;
    if (at + 1 >= end) return at < end && bytes[at] !== CR ? this.#bad("bad status line") : MORE;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return this.#bad("bad status line");
    this.minor = minor;
    this.status = status;
    at = this.#fields(bytes, at + 2, end, maxResponseFields);
    if (at < 0) return at;
    if (this.chunked && this.contentLength >= 0) return this.#bad("Content-Length beside Transfer-Encoding");
    if (this.chunked && minor === 0) return this.#bad("Transfer-Encoding in HTTP/1.0");
    if (minor === 0 && !this.keepAlive) this.close = true;
    return at;
  }

  #reset(): void {
    this.fault = "";
    this.fieldCount = 0;
    this.method = "";
    this.status = 0;
    this.host = -1;
    this.upgrade = -1;
    this.override = -1;
    this.contentLength = -1;
    this.chunked = false;
    this.expectsContinue = false;
    this.close = false;
    this.keepAlive = false;
    this.connectionUpgrade = false;
    this.hasDropped = false;
    this.#nominates = false;
  }

  #bad(fault: string): typeof MALFORMED {
    this.fault = fault;
    return MALFORMED;
  }

  #method(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (at < end && token[bytes[at] as number] === 1) at++;
    if (at - start > maxMethod) return this.#bad("the method is too long");
    if (at >= end) return MORE;
    if (bytes[at] !== SP || at === start) return this.#bad("bad request line");
    this.method = methodName(bytes, start, at);
    if (this.method === "CONNECT") return this.#bad("CONNECT is not passed on");
    if (this.method === "TRACE" || this.method === "TRACK") return this.#bad("TRACE is not passed on");
    return at + 1;
  }

  #target(bytes: Buffer, start: number, end: number): number {
    let at = start;
    let query = false;
    for (;;) {
      while (at < end && target[bytes[at] as number] === 1) at++;
      if (at >= end) return MORE;
      const byte = bytes[at] as number;
      if (target[byte] === 0) break;
      if (byte === 0x3f) query = true;
      else if (!query) {
        if (byte === 0x5c) return this.#bad("a backslash in the path");
        if (at + 2 >= end) return bytes.subarray(at, end).includes(LF) ? this.#bad("a bad escape in the path") : MORE;
        const high = hex[bytes[at + 1] as number] as number;
        const low = hex[bytes[at + 2] as number] as number;
        if (high === 255 || low === 255) return this.#bad("a bad escape in the path");
        if (high * 16 + low < 0x20 || high * 16 + low === 0x7f) return this.#bad("an escaped control in the path");
      }
      at++;
    }
    if (bytes[at] !== SP || at === start) return this.#bad("bad request target");
    const asterisk = at - start === 1 && bytes[start] === 0x2a;
    if (asterisk ? this.method !== "OPTIONS" : bytes[start] !== 0x2f) return this.#bad("the target is not a path");
    this.targetStart = start;
    this.targetEnd = at;
    return at + 1;
  }

  #fields(bytes: Buffer, start: number, end: number, most: number): number {
    const { nameStart, nameEnd: nameEnds, valueStart, valueEnd, kind: kinds } = this;
    let at = start;
    let count = 0;
    for (;;) {
      if (at >= end) return MORE;
      if (bytes[at] === CR) {
        if (at + 1 >= end) return MORE;
        if (bytes[at + 1] !== LF) return this.#bad("a bare CR");
        this.fieldCount = count;
        nameStart[count] = at;
        if (this.#nominates && !this.#dropNominated(bytes)) return MALFORMED;
        return at + 2;
      }
      if (count === most) return this.#bad("too many fields");
      const name = at;
      while (at < end && token[bytes[at] as number] === 1) at++;
      if (at >= end) return MORE;
      if (bytes[at] !== COLON || at === name) return this.#bad("bad field name");
      const nameEnd = at++;
      while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
      const first = at;
      while (at < end && value[bytes[at] as number] === 1) at++;
      if (at >= end) return MORE;
      if (bytes[at] !== CR) return this.#bad("bad field value");
      if (at + 1 >= end) return MORE;
      if (bytes[at + 1] !== LF) return this.#bad("a bare CR");
      let last = at;
      while (last > first && (bytes[last - 1] === SP || bytes[last - 1] === HTAB)) last--;
      at += 2;
      const kind = fieldKind(bytes, name, nameEnd);
      nameStart[count] = name;
      nameEnds[count] = nameEnd;
      valueStart[count] = first;
      valueEnd[count] = last;
      kinds[count] = kind;
      if (kind !== OTHER && !this.#known(bytes, count, kind, first, last)) return MALFORMED;
      count++;
    }
  }

  #known(bytes: Buffer, index: number, kind: number, start: number, end: number): boolean {
    if (kind === DROPPED || kind === ALT_SVC) {
      this.hasDropped = true;
      return true;
    }
    if (hasUnderscore(bytes, this.nameStart[index] as number, this.nameEnd[index] as number)) {
      this.fault = "an underscore in a name that frames the message";
      return false;
    }
    if ((kind === CONTENT_LENGTH || kind === TRANSFER_ENCODING) && bytes[end] !== CR) {
      // `chunked` and a tab is no `chunked` to some parsers.
      this.fault = "white space behind a value that frames the message";
      return false;
    }
    switch (kind) {
      case HOST:
        if (this.host >= 0) this.fault = "more than one Host";
        this.host = index;
        break;
      case CONTENT_LENGTH:
        this.#length(bytes, start, end);
        break;
      case TRANSFER_ENCODING:
        if (this.chunked || !isWord(bytes, start, end, "chunked"))
          this.fault = "a Transfer-Encoding other than chunked";
        this.chunked = true;
        break;
      case CONNECTION:
        this.#connection(bytes, start, end);
        break;
      case UPGRADE:
        if (this.upgrade >= 0) this.fault = "more than one Upgrade";
        this.upgrade = index;
        this.hasDropped = true;
        break;
      case EXPECT:
        if (this.expectsContinue || !isWord(bytes, start, end, "100-continue")) this.fault = "an unknown Expect";
        this.expectsContinue = true;
        break;
      case METHOD_OVERRIDE:
        if (this.override >= 0) this.fault = "more than one method override";
        this.override = index;
        break;
    }
    return this.fault === "";
  }

  #length(bytes: Buffer, start: number, end: number): void {
    const digits = end - start;
    if (this.contentLength >= 0) this.fault = "more than one Content-Length";
    else if (digits < 1 || digits > maxLengthDigits) this.fault = "bad Content-Length";
    else if (digits > 1 && bytes[start] === 0x30) this.fault = "bad Content-Length";
    let length = 0;
    for (let i = start; i < end; i++) {
      const digit = (bytes[i] as number) - 0x30;
      if (digit < 0 || digit > 9) {
        this.fault = "bad Content-Length";
        return;
      }
      length = length * 10 + digit;
    }
    this.contentLength = length;
  }

  #connection(bytes: Buffer, start: number, end: number): void {
    let at = start;
    while (at < end) {
      while (at < end && (bytes[at] === SP || bytes[at] === HTAB || bytes[at] === 0x2c)) at++;
      const word = at;
      while (at < end && token[bytes[at] as number] === 1) at++;
      if (at === word) {
        if (at < end) this.fault = "bad Connection";
        return;
      }
      if (isWord(bytes, word, at, "keep-alive")) this.keepAlive = true;
      else {
        // Anything but keep-alive is between us and our neighbour: the field is not forwarded as it came.
        this.hasDropped = true;
        if (isWord(bytes, word, at, "close")) this.close = true;
        else if (isWord(bytes, word, at, "upgrade")) this.connectionUpgrade = true;
        else this.#nominates = true;
      }
      while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
      if (at < end && bytes[at] !== 0x2c) {
        this.fault = "bad Connection";
        return;
      }
    }
  }

  /** Marks the fields that Connection names as hop-by-hop; naming one that frames or routes the message is refused. */
  #dropNominated(bytes: Buffer): boolean {
    const names = new Set<string>();
    for (let i = 0; i < this.fieldCount; i++) {
      if (this.kind[i] !== CONNECTION) continue;
      const text = bytes.toString("latin1", this.valueStart[i], this.valueEnd[i]).toLowerCase();
      for (const word of text.split(",")) names.add(word.trim());
    }
    for (let i = 0; i < this.fieldCount; i++) {
      const kind = this.kind[i];
      if (kind === DROPPED || kind === CONNECTION || kind === UPGRADE || kind === ALT_SVC) continue;
      if (!names.has(bytes.toString("latin1", this.nameStart[i], this.nameEnd[i]).toLowerCase())) continue;
      if (kind !== OTHER) {
        this.fault = "Connection names a field that is not hop-by-hop";
        return false;
      }
      this.kind[i] = DROPPED;
    }
    return true;
  }

  #checkRequest(bytes: Buffer, end: number): number {
    if (this.host < 0) return this.#bad("no Host");
    if (this.chunked && this.contentLength >= 0) return this.#bad("Content-Length beside Transfer-Encoding");
    if (this.override >= 0) {
      const start = this.valueStart[this.override] as number;
      const stop = this.valueEnd[this.override] as number;
      if (stop - start > maxMethod || stop === start) return this.#bad("bad method override");
      for (let i = start; i < stop; i++) {
        if (token[bytes[i] as number] !== 1) return this.#bad("bad method override");
      }
    }
    if (this.minor === 0) {
      if (this.chunked) return this.#bad("Transfer-Encoding in HTTP/1.0");
      if (this.expectsContinue) return this.#bad("Expect in HTTP/1.0");
      this.close = true;
    }
    return end;
  }
}

/** `HTTP/1.` */
function isHttp1(bytes: Buffer, at: number): boolean {
  return bytes.readUInt32BE(at) === 0x48545450 && bytes.readUIntBE(at + 4, 3) === 0x2f312e;
}

const common: readonly string[] = ["GET", "POST", "PUT", "HEAD", "DELETE", "PATCH", "OPTIONS"];

function methodName(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  for (const name of common) {
    if (name.length !== length) continue;
    let i = 0;
    while (i < length && bytes[start + i] === name.charCodeAt(i)) i++;
    if (i === length) return name;
  }
  return bytes.toString("latin1", start, end);
}
