// DNS messages (RFC 1035, EDNS of RFC 6891), as a resolver of a closed cell needs them: one question in, a short answer out.
// Pure. Rules: exactly one question; no compression in a question, so no pointer is ever followed; every length adds up and
// nothing stands behind the message; answers repeat the question's bytes as they came (clients compare their 0x20 case).

export const recordType = { A: 1, PTR: 12, AAAA: 28, OPT: 41, IXFR: 251, AXFR: 252 } as const;

const mnemonics = new Map<number, string>(
  Object.entries({
    ...{ A: 1, NS: 2, CNAME: 5, SOA: 6, NULL: 10, WKS: 11, PTR: 12, HINFO: 13, MX: 15, TXT: 16, KEY: 25, AAAA: 28 },
    ...{ LOC: 29, SRV: 33, NAPTR: 35, DNAME: 39, OPT: 41, DS: 43, SSHFP: 44, RRSIG: 46, NSEC: 47, DNSKEY: 48 },
    ...{ NSEC3: 50, TLSA: 52, SMIMEA: 53, CDS: 59, OPENPGPKEY: 61, SVCB: 64, HTTPS: 65, SPF: 99, TKEY: 249, TSIG: 250 },
    ...{ IXFR: 251, AXFR: 252, MAILB: 253, MAILA: 254, ANY: 255, URI: 256, CAA: 257 },
  }).map(([name, number]) => [number, name]),
);

/** `A`, `HTTPS`, …; `TYPE65280` for what has no name (RFC 3597). */
export function typeName(type: number): string {
  return mnemonics.get(type) ?? `TYPE${type}`;
}

export type ResponseCode = "noerror" | "formerr" | "servfail" | "nxdomain" | "notimp" | "refused" | "badvers";

const codes: { readonly [name in ResponseCode]: number } = {
  noerror: 0,
  formerr: 1,
  servfail: 2,
  nxdomain: 3,
  notimp: 4,
  refused: 5,
  badvers: 16,
};

/** What an answer must repeat, whatever the query was. */
export interface QueryHead {
  readonly id: number;
  readonly opcode: number;
  /** RD and CD as sent. */
  readonly flags: number;
  /** True when the query carried an OPT record; then the answer does too. */
  readonly edns: boolean;
  /** The question section as on the wire; null where it could not be read. */
  readonly question: Uint8Array | null;
}

export interface DnsQuery extends QueryHead {
  readonly question: Uint8Array;
  /** Labels joined by dots, without the last one, case kept; bytes outside `!`–`~`, dots and `\` as `\DDD`. Root: "". */
  readonly name: string;
  readonly type: number;
  readonly class: number;
}

export type DnsParse =
  | { readonly query: DnsQuery }
  /** To be answered with this code; `detail` says what was wrong. */
  | { readonly wrong: ResponseCode; readonly detail: string; readonly head: QueryHead }
  /** Not to be answered at all: an answer, or too short to have an id. An answer to an answer is a loop. */
  | { readonly ignore: string };

/** More than any honest query: a name of 255 bytes, cookies and padding to 468. */
export const mostQueryBytes = 4096;
const headerBytes = 12;

function word(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

export function parseQuery(bytes: Uint8Array): DnsParse {
  if (bytes.length < headerBytes) return { ignore: "shorter than a header" };
  const flags = word(bytes, 2);
  if (flags & 0x8000) return { ignore: "an answer" };
  const opcode = (flags >> 11) & 15;
  let head: QueryHead = { id: word(bytes, 0), opcode, flags: flags & 0x0110, edns: false, question: null };
  const wrong = (code: ResponseCode, detail: string): DnsParse => ({ wrong: code, detail, head });

  if (bytes.length > mostQueryBytes) return wrong("formerr", "longer than 4096 bytes");
  if (opcode !== 0) return wrong("notimp", `opcode ${opcode}`);
  if (flags & 0x0600) return wrong("formerr", "AA or TC in a query"); // Z and AD may be set (RFC 6840)
  if (flags & 0x000f) return wrong("formerr", "a response code in a query");
  const [questions, answers, authorities, additional] = [4, 6, 8, 10].map((at) => word(bytes, at));
  if (questions !== 1) return wrong("formerr", `${questions} questions`);
  if (answers !== 0 || authorities !== 0) return wrong("formerr", "answers in a query");

  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = bytes[at];
    if (length === undefined) return wrong("formerr", "the name is cut short");
    at++;
    if (length === 0) break;
    if (length > 63)
      return wrong("formerr", length >= 192 ? "a compressed name in a question" : "a label of an unknown kind");
    if (at + length > bytes.length) return wrong("formerr", "the name is cut short");
    labels.push(labelText(bytes.subarray(at, at + length)));
    at += length;
    if (at - headerBytes > 254) return wrong("formerr", "a name above 255 bytes");
  }
  if (at + 4 > bytes.length) return wrong("formerr", "the question is cut short");
  const type = word(bytes, at);
  const recordClass = word(bytes, at + 2);
  at += 4;
  const question = bytes.subarray(headerBytes, at);
  head = { ...head, question };

  if (additional === 1) {
    if (bytes.length < at + 11 || bytes[at] !== 0 || word(bytes, at + 1) !== recordType.OPT) {
      return wrong("formerr", "an additional record other than OPT");
    }
    const version = bytes[at + 6] ?? 0;
    const end = at + 11 + word(bytes, at + 9);
    head = { ...head, edns: true };
    if (version !== 0) return wrong("badvers", `EDNS version ${version}`);
    if (end !== bytes.length) return wrong("formerr", "the OPT record does not end with the message");
    for (let option = at + 11; option < end; option += 4 + word(bytes, option + 2)) {
      if (option + 4 > end || option + 4 + word(bytes, option + 2) > end)
        return wrong("formerr", "an EDNS option is cut short");
    }
  } else if (additional !== 0) {
    return wrong("formerr", `${additional} additional records`);
  } else if (at !== bytes.length) {
    return wrong("formerr", "bytes after the question");
  }
  // Type 0 and OPT are no questions; the name's text is for a person and for #lib/host-name.ts, which refuses escapes.
  if (type === 0 || type === recordType.OPT) return wrong("formerr", `a question of type ${type}`);
  return { query: { ...head, question, name: labels.join("."), type, class: recordClass } };
}

function labelText(label: Uint8Array): string {
  let text = "";
  for (const byte of label) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x2e && byte !== 0x5c;
    text += plain ? String.fromCharCode(byte) : `\\${String(byte).padStart(3, "0")}`;
  }
  return text;
}

/** The data of a record whose name is the question's. */
export interface AnswerRecord {
  readonly type: number;
  /** Seconds. */
  readonly ttl: number;
  readonly data: Uint8Array;
}

/** A response; RA set, AA not. It fits 512 bytes whatever the question, so it is never truncated. */
export function encodeAnswer(head: QueryHead, code: ResponseCode, records: readonly AnswerRecord[] = []): Buffer {
  const question = head.question ?? new Uint8Array(0);
  const value = codes[code];
  const size = records.reduce(
    (sum, record) => sum + 12 + record.data.length,
    headerBytes + question.length + (head.edns ? 11 : 0),
  );
  const out = Buffer.alloc(size);
  out.writeUInt16BE(head.id, 0);
  out.writeUInt16BE(0x8080 | (head.opcode << 11) | head.flags | (value & 15), 2);
  out.writeUInt16BE(head.question === null ? 0 : 1, 4);
  out.writeUInt16BE(records.length, 6);
  out.writeUInt16BE(head.edns ? 1 : 0, 10);
  out.set(question, headerBytes);
  let at = headerBytes + question.length;
  for (const record of records) {
    out.writeUInt16BE(0xc000 | headerBytes, at); // the question's name
    out.writeUInt16BE(record.type, at + 2);
    out.writeUInt16BE(1, at + 4);
    out.writeUInt32BE(record.ttl, at + 6);
    out.writeUInt16BE(record.data.length, at + 10);
    out.set(record.data, at + 12);
    at += 12 + record.data.length;
  }
  if (head.edns) {
    out.writeUInt16BE(recordType.OPT, at + 1);
    out.writeUInt16BE(1232, at + 3);
    out[at + 5] = value >> 4;
  }
  return out;
}

/** A host name in normal form as an uncompressed wire name. */
export function encodeName(host: string): Buffer {
  const parts: Buffer[] = [];
  for (const label of host === "" ? [] : host.split(".")) {
    const bytes = Buffer.from(label, "latin1");
    if (bytes.length === 0 || bytes.length > 63) throw new RangeError(`not a host name: ${host}`);
    parts.push(Buffer.from([bytes.length]), bytes);
  }
  return Buffer.concat([...parts, Buffer.from([0])]);
}
