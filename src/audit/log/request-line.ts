// The line of the commonest event, a judged HTTP request, put straight into the buffer that is written: as text it would be
// joined, flattened and copied, which costs more than its hash. What needs escaping or cutting is left to `line.ts`; both
// make the same bytes.

import type { HttpAction } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";

/** UTF-16 units of one text that are kept in a line; a longer one is cut, which is not done here. */
export const maxText = 8192;
/** Bytes of a decision's record. */
const maxDecision = 8192;
/** Bytes of everything that has a bound of its own: names of members, numbers, the hash, the time. */
const maxRest = 512;

export interface RequestLineWriter {
  /** Bytes that a line may need, and that MUST be free behind `at`. */
  readonly room: number;
  /** Puts the line into `out` at `at`, without its newline: its end, or -1 where it cannot be written this way. */
  write(
    out: Buffer,
    at: number,
    action: HttpAction,
    decision: Decision,
    seq: number,
    prev: string,
    time: string,
  ): number;
}

/** What stands in every line: from the decision's end to `prev`, to `seq`, to the time. */
export interface CommonText {
  readonly prev: string;
  readonly seq: string;
  readonly session: string;
  readonly end: string;
}

export function createRequestLineWriter(
  common: CommonText,
  decisionText: (decision: Decision) => string,
): RequestLineWriter {
  const withBody = bytesOf('{"action":{"body":true,"host":"');
  const withoutBody = bytesOf('{"action":{"body":false,"host":"');
  const method = bytesOf('","kind":"http","method":"');
  const path = bytesOf('","path":"');
  const port = bytesOf('","port":');
  const https = bytesOf(',"scheme":"https","upgrade":null},"decision":');
  const http = bytesOf(',"scheme":"http","upgrade":null},"decision":');
  const [beforePrev, beforeSeq, beforeTime, end] = [common.prev, common.seq, common.session, common.end].map(
    bytesOf,
  ) as [Buffer, Buffer, Buffer, Buffer];
  let last: Decision | null = null;
  let lastBytes = end;

  /** Requests of the same kind follow one another; a decision is one object for all of them. */
  function decisionBytes(decision: Decision): Buffer {
    if (decision !== last) {
      lastBytes = bytesOf(decisionText(decision));
      last = decision;
    }
    return lastBytes;
  }

  const always = beforePrev.length + beforeSeq.length + beforeTime.length + end.length;

  return {
    room: maxText + maxDecision + always + maxRest,
    write(out, start, action, decision, seq, prev, time) {
      if (action.upgrade !== null) return -1;
      const decided = decisionBytes(decision);
      if (action.host.length + action.method.length + action.path.length > maxText) return -1;
      if (decided.length > maxDecision || !(action.port >= 0 && action.port <= 65_535)) return -1;
      let at = fixed(out, start, action.body ? withBody : withoutBody);
      at = plain(out, at, action.host);
      if (at < 0) return -1;
      at = plain(out, fixed(out, at, method), action.method);
      if (at < 0) return -1;
      at = plain(out, fixed(out, at, path), action.path);
      if (at < 0) return -1;
      at = digits(out, fixed(out, at, port), action.port);
      at = fixed(out, at, action.scheme === "https" ? https : http);
      at = fixed(out, fixed(out, at, decided), beforePrev);
      at += out.write(prev, at);
      at = digits(out, fixed(out, at, beforeSeq), seq);
      at = fixed(out, at, beforeTime);
      at += out.write(time, at);
      return fixed(out, at, end);
    },
  };
}

function bytesOf(text: string): Buffer {
  return Buffer.from(text, "utf8");
}

function fixed(out: Buffer, at: number, part: Buffer): number {
  out.set(part, at);
  return at + part.length;
}

/** Puts printable ASCII that JSON writes as it is; -1 where anything of it is not. */
function plain(out: Buffer, start: number, text: string): number {
  const { length } = text;
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return -1;
    out[start + i] = unit;
  }
  return start + length;
}

function digits(out: Buffer, start: number, value: number): number {
  let size = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) size += 1;
  let rest = value;
  for (let at = start + size - 1; at >= start; at--) {
    const tens = Math.floor(rest / 10);
    out[at] = 0x30 + (rest - tens * 10);
    rest = tens;
  }
  return start + size;
}
