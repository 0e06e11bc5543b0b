// What the first bytes of a connection are. Only how they look, never whether they may pass: the scanner and the gate
// judge what follows. Hostile input; the answer `more` is bounded by `maxLook`.

export type Spoken = "tls" | "http" | "http2" | "tcp" | "more";

/** Bytes after which it must be clear. */
export const maxLook = 64;

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "latin1");

function isLetter(byte: number): boolean {
  const lower = byte | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || byte === 0x2d;
}

/**
 * Tells what `bytes` begin: `tls` a handshake record, `http` a method, a space and a target (odd line breaks and spaces
 * in front included, so that they get an HTTP answer), `http2` its preface, `tcp` anything else.
 */
export function spokenBy(bytes: Uint8Array): Spoken {
  if (bytes.length === 0) return "more";
  if (bytes[0] === 0x16) {
    if (bytes.length === 1) return "more";
    return bytes[1] === 3 ? "tls" : "tcp";
  }
  let at = 0;
  while (at < bytes.length && at < 8 && isBlank(bytes[at] as number)) at++;
  const method = at;
  while (at < bytes.length && at - method <= 32 && isLetter(bytes[at] as number)) at++;
  if (at >= bytes.length) return bytes.length >= maxLook ? "tcp" : "more";
  if (at === method || (bytes[at] !== 0x20 && bytes[at] !== 0x09)) return "tcp";
  while (at < bytes.length && at < maxLook && (bytes[at] === 0x20 || bytes[at] === 0x09)) at++;
  if (at >= bytes.length) return bytes.length >= maxLook ? "tcp" : "more";
  if (method === 0 && startsLike(bytes, preface)) {
    return bytes.length >= 14 ? "http2" : "more";
  }
  const first = bytes[at] as number;
  if (first === 0x2f || first === 0x2a) return "http";
  return spellsScheme(bytes, at);
}

function isBlank(byte: number): boolean {
  return byte === 0x0d || byte === 0x0a || byte === 0x20 || byte === 0x09;
}

/** True where one is the beginning of the other. */
function startsLike(bytes: Uint8Array, wanted: Uint8Array): boolean {
  const length = Math.min(bytes.length, wanted.length, 14);
  for (let i = 0; i < length; i++) if (bytes[i] !== wanted[i]) return false;
  return true;
}

/** Absolute-form: `http://` or `https://` in any case. */
function spellsScheme(bytes: Uint8Array, start: number): Spoken {
  const text = Buffer.from(bytes.subarray(start, start + 8))
    .toString("latin1")
    .toLowerCase();
  if (text.startsWith("http://") || text === "https://") return "http";
  return "https://".startsWith(text) || "http://".startsWith(text) ? "more" : "tcp";
}
