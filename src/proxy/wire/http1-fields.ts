// Which header fields the boundary must know by name, found without making a string: by length, then byte by byte.
// `_` counts as `-`, because servers that hand fields to CGI or WSGI make one of the two: `Content_Length` would be a
// second Content-Length there. Everything else is OTHER and passed on untouched.

export const OTHER = 0;
export const HOST = 1;
export const CONTENT_LENGTH = 2;
export const TRANSFER_ENCODING = 3;
export const CONNECTION = 4;
export const UPGRADE = 5;
export const EXPECT = 6;
/** Asks for another method than the request line's: judged as what it asks for. */
export const METHOD_OVERRIDE = 7;
/** Hop-by-hop, or asks for another host or path than the request line's: never forwarded. */
export const DROPPED = 8;
export const ALT_SVC = 9;

/** Lower case, and `_` as `-`. */
const folded = foldTable();

function foldTable(): Uint8Array {
  const table = new Uint8Array(256);
  for (let code = 0; code < 256; code++) table[code] = code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
  table[0x5f] = 0x2d;
  return table;
}

interface Known {
  readonly name: Buffer;
  readonly kind: number;
}

const known: readonly (readonly Known[])[] = byLength({
  host: HOST,
  "content-length": CONTENT_LENGTH,
  "transfer-encoding": TRANSFER_ENCODING,
  connection: CONNECTION,
  upgrade: UPGRADE,
  expect: EXPECT,
  "x-http-method": METHOD_OVERRIDE,
  "x-http-method-override": METHOD_OVERRIDE,
  "x-method-override": METHOD_OVERRIDE,
  "x-original-url": DROPPED,
  "x-original-uri": DROPPED,
  "x-original-host": DROPPED,
  "x-rewrite-url": DROPPED,
  "x-rewrite-uri": DROPPED,
  "x-override-url": DROPPED,
  "x-http-destinationurl": DROPPED,
  "x-http-path-override": DROPPED,
  "x-http-host-override": DROPPED,
  "x-host": DROPPED,
  forwarded: DROPPED,
  "keep-alive": DROPPED,
  te: DROPPED,
  "http2-settings": DROPPED,
  "alt-svc": ALT_SVC,
});

const longest = known.length - 1;
const forwardedPrefix = Buffer.from("x-forwarded-", "latin1");
const proxyPrefix = Buffer.from("proxy-", "latin1");

function byLength(kinds: Readonly<Record<string, number>>): Known[][] {
  const table: Known[][] = [];
  for (const [name, kind] of Object.entries(kinds)) {
    while (table.length <= name.length) table.push([]);
    table[name.length]?.push({ name: Buffer.from(name, "latin1"), kind });
  }
  return table;
}

function startsWith(bytes: Uint8Array, start: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) {
    if (folded[bytes[start + i] as number] !== name[i]) return false;
  }
  return true;
}

/** By a name's length: bit n is set where a known name begins with the nth letter. Most names are OTHER, and end here. */
const beginnings = Int32Array.from(known, (names) =>
  names.reduce((bits, { name }) => bits | (1 << ((name[0] as number) & 31)), 0),
);

/** The kind of the field name `bytes[start..end)`. */
export function fieldKind(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  const letter = (bytes[start] as number) & 31;
  if (length <= longest && ((beginnings[length] as number) >> letter) & 1) {
    const candidates = known[length] as readonly Known[];
    for (let i = 0; i < candidates.length; i++) {
      const candidate = candidates[i] as Known;
      if (startsWith(bytes, start, candidate.name)) return candidate.kind;
    }
  }
  if (letter === 24 && length > forwardedPrefix.length && startsWith(bytes, start, forwardedPrefix)) return DROPPED;
  if (letter === 16 && length > proxyPrefix.length && startsWith(bytes, start, proxyPrefix)) return DROPPED;
  return OTHER;
}

/** True where `bytes[start..end)` is `lower` (lower case ASCII) in any case; no folding of `_`. */
export function isWord(bytes: Uint8Array, start: number, end: number, lower: string): boolean {
  if (end - start !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    const byte = bytes[start + i] as number;
    const code = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (code !== lower.charCodeAt(i)) return false;
  }
  return true;
}

const underscore = 0x5f;

/** True where a name was recognised only because `_` was read as `-`. */
export function hasUnderscore(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] === underscore) return true;
  return false;
}
