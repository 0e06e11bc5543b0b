// The first bytes of a TLS connection, read before any TLS is spoken: which name is asked for, and what else bears on
// judging it. Pure: bytes in, facts out. Rules: the record layer (RFC 8446 §5.1, also RFC 5246 §6.2.1) may cut the message
// into as many pieces as it likes; all lengths must add up exactly; a repeated extension, a second name, a name that is
// not plain ASCII letters are errors, because two readers could disagree about them. At most 16 KiB are ever looked at.

/** What a complete ClientHello says. Values nobody knows (GREASE, RFC 8701) are skipped. */
export interface ClientHello {
  readonly complete: true;
  /** host_name of server_name (RFC 6066 §3), as sent but in lower case; null without one. NOT yet a normal form. */
  readonly sni: string | null;
  /** Protocol names in the client's order; GREASE left out. */
  readonly alpn: readonly string[];
  /** `outer`: an encrypted_client_hello is there; a real one and a GREASE one (RFC 9849 §6.2) look alike on purpose. */
  readonly ech: "none" | "outer";
  /** True when the client offers TLS 1.2 or newer. */
  readonly modern: boolean;
  /** True when the client has sent data ahead of the handshake's end (0-RTT). */
  readonly earlyData: boolean;
  /** Bytes of the buffer that the hello's records take. */
  readonly length: number;
}

export type ClientHelloParse =
  | ClientHello
  /** More bytes are needed; what is there could still become a ClientHello. */
  | { readonly complete: false }
  /** No ClientHello, whatever follows. `not_tls`: the very first bytes are something else. */
  | { readonly error: "not_tls" | "malformed" | "too_long"; readonly detail: string };

/** A ClientHello with post-quantum shares, a ticket and padding is 2 to 4 KiB. */
export const mostClientHelloBytes = 16_384;

const handshakeRecord = 22;
const clientHello = 1;
const mostRecords = 64; // one-byte fragments are legal, thousands of them are an attack
const needsMore: ClientHelloParse = { complete: false };

class Malformed extends Error {}

/** A window on bytes whose every read is checked. */
class Cursor {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;

  constructor(bytes: Uint8Array, at: number, end: number) {
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get left(): number {
    return this.#end - this.#at;
  }

  number(width: 1 | 2 | 3): number {
    if (this.left < width) throw new Malformed("a field is cut short");
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + (this.#bytes[this.#at++] ?? 0);
    return value;
  }

  /** A vector with a length before it; the length is in bytes and MUST lie within [least, most]. */
  vector(width: 1 | 2, least: number, most = Number.POSITIVE_INFINITY): Cursor {
    const length = this.number(width);
    if (length < least || length > most) throw new Malformed(`a vector of ${length} bytes`);
    return this.slice(length);
  }

  slice(length: number): Cursor {
    if (length > this.left) throw new Malformed("a vector is longer than what holds it");
    const inner = new Cursor(this.#bytes, this.#at, this.#at + length);
    this.#at += length;
    return inner;
  }

  latin1(): string {
    let text = "";
    while (this.left > 0) text += String.fromCharCode(this.number(1));
    return text;
  }
}

/** Looks at the bytes received so far. MUST be called again from the start when more have come. */
export function parseClientHello(bytes: Uint8Array): ClientHelloParse {
  // What a plain-text protocol starts with must not wait for five bytes that may never come.
  if (bytes.length === 0) return needsMore;
  if (bytes[0] !== handshakeRecord) return { error: "not_tls", detail: "the first record is not a handshake" };
  if (bytes.length > 1 && bytes[1] !== 3) return { error: "not_tls", detail: "the record's version is not TLS" };

  const pieces: Uint8Array[] = [];
  let gathered = 0;
  let wanted = -1;
  let at = 0;
  for (let records = 0; wanted < 0 || gathered < wanted; records++) {
    if (records === mostRecords) return { error: "malformed", detail: "too many records" };
    // What the announced lengths already say need not be waited for.
    if (at >= mostClientHelloBytes) return tooLong();
    if (at < bytes.length && bytes[at] !== handshakeRecord)
      return { error: "malformed", detail: "another record in the middle" };
    if (at + 1 < bytes.length && bytes[at + 1] !== 3)
      return { error: "malformed", detail: "the record's version is not TLS" };
    if (at + 5 > bytes.length) return needsMore;
    const length = (bytes[at + 3] ?? 0) * 256 + (bytes[at + 4] ?? 0);
    if (length === 0) return { error: "malformed", detail: "an empty handshake record" };
    if (length > 16_384) return { error: "malformed", detail: "a record above 2^14 bytes" };
    const piece = bytes.subarray(at + 5, at + 5 + length);
    at += 5 + length;
    pieces.push(piece);
    gathered += piece.length;
    if (wanted < 0) {
      const head = headOf(pieces, gathered);
      if (head.length > 0 && head[0] !== clientHello)
        return { error: "malformed", detail: "the first message is not a ClientHello" };
      if (head.length === 4) {
        wanted = 4 + (((head[1] ?? 0) << 16) | ((head[2] ?? 0) << 8) | (head[3] ?? 0));
        if (wanted > mostClientHelloBytes) return tooLong();
      }
    }
    if (piece.length < length && (wanted < 0 || gathered < wanted)) return needsMore;
  }
  // Nothing may follow the hello in its last record: the client has nothing to say before it is answered.
  if (gathered !== wanted || at > bytes.length) {
    return { error: "malformed", detail: "the ClientHello does not end with its record" };
  }
  const message = pieces.length === 1 && pieces[0] !== undefined ? pieces[0] : join(pieces, gathered);
  try {
    return readHello(new Cursor(message, 4, wanted), at);
  } catch (error) {
    if (error instanceof Malformed) return { error: "malformed", detail: error.message };
    throw error;
  }
}

function tooLong(): ClientHelloParse {
  return { error: "too_long", detail: `a ClientHello above ${mostClientHelloBytes} bytes` };
}

function headOf(pieces: readonly Uint8Array[], gathered: number): Uint8Array {
  const [first] = pieces;
  return first !== undefined && first.length >= 4 ? first.subarray(0, 4) : join(pieces, gathered).subarray(0, 4);
}

function join(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function readHello(hello: Cursor, length: number): ClientHello {
  const legacyVersion = hello.number(2);
  if (legacyVersion >> 8 !== 3) throw new Malformed("the hello's version is not TLS");
  hello.slice(32); // random
  hello.vector(1, 0, 32); // session id
  const suites = hello.vector(2, 2);
  if (suites.left % 2 !== 0) throw new Malformed("half a cipher suite");
  hello.vector(1, 1); // compression methods

  let sni: string | null = null;
  let alpn: readonly string[] = [];
  let ech: ClientHello["ech"] = "none";
  let modern = legacyVersion >= 0x0303;
  let earlyData = false;
  if (hello.left > 0) {
    const extensions = hello.vector(2, 0);
    if (hello.left > 0) throw new Malformed("bytes after the extensions");
    const seen = new Set<number>();
    while (extensions.left > 0) {
      const type = extensions.number(2);
      const body = extensions.vector(2, 0);
      if (seen.has(type)) throw new Malformed(`extension ${type} twice`);
      seen.add(type);
      if (type === 0) sni = readServerName(body);
      else if (type === 16) alpn = readProtocols(body);
      else if (type === 42) earlyData = true;
      else if (type === 43) modern = readVersions(body);
      else if (type === 0xfe0d) ech = readEch(body);
    }
  }
  return { complete: true, sni, alpn, ech, modern, earlyData, length };
}

function readServerName(body: Cursor): string {
  const list = body.vector(2, 1);
  if (body.left > 0) throw new Malformed("bytes after the server name");
  // RFC 6066: one name of each type, and host_name is the only type there is.
  if (list.number(1) !== 0) throw new Malformed("a server name of an unknown type");
  const name = list.vector(2, 1, 255).latin1();
  if (list.left > 0) throw new Malformed("more than one server name");
  if (!/^[\x21-\x7e]+$/.test(name)) throw new Malformed("a server name that is not printable ASCII");
  return name.toLowerCase();
}

function readProtocols(body: Cursor): readonly string[] {
  const list = body.vector(2, 2);
  if (body.left > 0) throw new Malformed("bytes after the protocols");
  const names: string[] = [];
  while (list.left > 0) {
    const name = list.vector(1, 1).latin1();
    const grease = name.length === 2 && name[0] === name[1] && (name.charCodeAt(0) & 0x0f) === 0x0a;
    if (!grease) names.push(name);
  }
  return names;
}

function readVersions(body: Cursor): boolean {
  const list = body.vector(1, 2, 254);
  if (body.left > 0 || list.left % 2 !== 0) throw new Malformed("supported_versions has an odd length");
  let modern = false;
  while (list.left > 0) {
    const version = list.number(2);
    if (version === 0x0303 || version === 0x0304) modern = true;
  }
  return modern;
}

function readEch(body: Cursor): "outer" {
  // `inner` is only legal inside the encrypted part; on the wire it would be a name that we do not see.
  if (body.number(1) !== 0) throw new Malformed("an inner encrypted_client_hello in the open");
  return "outer";
}
