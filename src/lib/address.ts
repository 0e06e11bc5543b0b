// Internet addresses: strict parsing, one normal form, and ranges. What an address is for is address-class.ts.
// Rules: IPv4 is four decimal numbers without leading zeros and nothing else (`127.1`, `0x7f.1`, `2130706433` are not
// addresses); IPv6 is RFC 4291 text without a zone. Every address lives in one 128-bit space, IPv4 under ::ffff:0:0/96,
// so a mapped address and its IPv4 twin are the same value and the same text. The text may be the agent's: all is bounded.

/** Four 32-bit words, most significant first. An IPv4 address is `0, 0, 0xffff, value` and has family 4. */
export interface Address {
  readonly family: 4 | 6;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
}

const longestText = 45; // 0000:0000:0000:0000:0000:ffff:255.255.255.255

function parseV4(text: string, from: number): number {
  let value = 0;
  let octets = 0;
  let octet = -1;
  for (let i = from; i <= text.length; i++) {
    const code = i === text.length ? 46 : text.charCodeAt(i);
    if (code === 46) {
      if (octet < 0 || octets === 4) return -1;
      value = value * 256 + octet;
      octets++;
      octet = -1;
    } else {
      const digit = code - 48;
      if (digit < 0 || digit > 9 || octet === 0) return -1; // a second digit after a leading zero
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return -1;
    }
  }
  return octets === 4 ? value : -1;
}

function hexDigit(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function parseV6(text: string): Address | null {
  const groups = [0, 0, 0, 0, 0, 0, 0, 0];
  let count = 0;
  let gap = -1;
  let i = 0;
  if (text.charCodeAt(0) === 58) {
    if (text.charCodeAt(1) !== 58) return null;
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    if (count === 8) return null;
    const start = i;
    let value = 0;
    let digit = hexDigit(text.charCodeAt(i));
    while (digit >= 0) {
      if (i - start === 4) return null;
      value = value * 16 + digit;
      i++;
      digit = i < text.length ? hexDigit(text.charCodeAt(i)) : -1;
    }
    if (i < text.length && text.charCodeAt(i) === 46) {
      const tail = count <= 6 ? parseV4(text, start) : -1;
      if (tail < 0) return null;
      groups[count++] = Math.floor(tail / 65536);
      groups[count++] = tail % 65536;
      break;
    }
    if (i === start) return null;
    groups[count++] = value;
    if (i === text.length) break;
    if (text.charCodeAt(i) !== 58) return null;
    i++;
    if (i === text.length) return null; // a single colon at the end
    if (text.charCodeAt(i) === 58) {
      if (gap >= 0) return null;
      gap = count;
      i++;
    }
  }
  if (gap < 0 ? count !== 8 : count === 8) return null;
  if (gap >= 0) {
    groups.copyWithin(8 - (count - gap), gap, count);
    groups.fill(0, gap, 8 - (count - gap));
  }
  const [g0 = 0, g1 = 0, g2 = 0, g3 = 0, g4 = 0, g5 = 0, g6 = 0, g7 = 0] = groups;
  return fromWords(g0 * 65536 + g1, g2 * 65536 + g3, g4 * 65536 + g5, g6 * 65536 + g7);
}

function fromWords(a: number, b: number, c: number, d: number): Address {
  return { family: a === 0 && b === 0 && c === 0xffff ? 4 : 6, a, b, c, d };
}

/** Reads a literal address; null for anything that is not exactly one. IPv4-mapped IPv6 comes out as family 4. */
export function parseAddress(text: string): Address | null {
  if (text.length < 2 || text.length > longestText) return null;
  if (text.includes(":")) return parseV6(text);
  const value = parseV4(text, 0);
  return value < 0 ? null : { family: 4, a: 0, b: 0, c: 0xffff, d: value };
}

/** Reads 4 or 16 bytes in network order. */
export function addressFromBytes(bytes: Uint8Array): Address | null {
  const word = (at: number) =>
    (bytes[at] ?? 0) * 0x1000000 + (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0));
  if (bytes.length === 4) return fromWords(0, 0, 0xffff, word(0));
  return bytes.length === 16 ? fromWords(word(0), word(4), word(8), word(12)) : null;
}

/** The address in network order: 4 bytes for IPv4, 16 for IPv6. */
export function addressBytes(address: Address): Uint8Array {
  const words = address.family === 4 ? [address.d] : [address.a, address.b, address.c, address.d];
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  for (const [index, word] of words.entries()) view.setUint32(index * 4, word);
  return bytes;
}

/** The one text of an address: dotted quad, or RFC 5952 (lower case, no leading zeros, the longest run of zeros as `::`). */
export function formatAddress(address: Address): string {
  const { a, b, c, d } = address;
  if (address.family === 4) return `${d >>> 24}.${(d >>> 16) & 255}.${(d >>> 8) & 255}.${d & 255}`;
  const groups = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff];
  let best = -1;
  let bestLength = 1; // a single zero group is written out
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > bestLength) {
      best = i;
      bestLength = end - i;
    }
    if (end > i) i = end;
  }
  const hex = groups.map((group) => group.toString(16));
  if (best < 0) return hex.join(":");
  return `${hex.slice(0, best).join(":")}::${hex.slice(best + bestLength).join(":")}`;
}

/** The normal form of a literal address, or null where the text is none. */
export function normalAddress(text: string): string | null {
  const address = parseAddress(text);
  return address === null ? null : formatAddress(address);
}

/** A range of addresses of one family; `prefix` counts bits of the 128-bit space, so an IPv4 /8 has 104. */
export interface Cidr {
  readonly base: Address;
  readonly prefix: number;
}

/**
 * Reads `address/prefix`, or a bare address as a range of one. Bits below the prefix MUST be zero: `10.0.0.1/8` is null,
 * because its writer meant something else than it says. A range under ::ffff:0:0/96 is the IPv4 range it stands for.
 */
export function parseCidr(text: string): Cidr | null {
  const slash = text.indexOf("/");
  const base = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (base === null) return null;
  if (slash < 0) return { base, prefix: 128 };
  const digits = text.slice(slash + 1);
  if (!/^(0|[1-9][0-9]{0,2})$/.test(digits)) return null;
  const dotted = !text.includes(":");
  if (Number(digits) > (dotted ? 32 : 128)) return null;
  const prefix = Number(digits) + (dotted ? 96 : 0);
  const cidr: Cidr = { base: prefix < 96 ? { ...base, family: 6 } : base, prefix };
  const clean = [base.a, base.b, base.c, base.d].every((word, at) => (word & ~maskOf(prefix, at)) === 0);
  return clean ? cidr : null;
}

/** The text of a range: `10.0.0.0/8`, `fd00::/8`. */
export function formatCidr(cidr: Cidr): string {
  return `${formatAddress(cidr.base)}/${cidr.base.family === 4 ? cidr.prefix - 96 : cidr.prefix}`;
}

function maskOf(prefix: number, word: number): number {
  const bits = prefix - word * 32;
  return bits <= 0 ? 0 : bits >= 32 ? -1 : -1 << (32 - bits);
}

/** True when the range holds the address. An IPv6 range never holds an IPv4 address: `::/0` opens no IPv4. */
export function contains(cidr: Cidr, address: Address | string): boolean {
  const inner = typeof address === "string" ? parseAddress(address) : address;
  if (inner === null || inner.family !== cidr.base.family) return false;
  const { base, prefix } = cidr;
  return (
    ((inner.a ^ base.a) & maskOf(prefix, 0)) === 0 &&
    ((inner.b ^ base.b) & maskOf(prefix, 1)) === 0 &&
    ((inner.c ^ base.c) & maskOf(prefix, 2)) === 0 &&
    ((inner.d ^ base.d) & maskOf(prefix, 3)) === 0
  );
}
