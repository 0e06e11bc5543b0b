// What is said on a run's control socket: one JSON object a line, each way. Every line names the protocol's version; a
// request names a verb, an answer is a reply, an error, output, or the run's end.
//   → {"v":1,"verb":"status"}
//   ← {"v":1,"reply":{"session":"20261121-124652-7f3a9c", …}}
//   → {"v":1,"verb":"attach","columns":120,"rows":40}
//   ← {"v":1,"reply":{"terminal":true}}
//   ← {"v":1,"output":"stdout","data":"aGVsbG8K"}        as often as the agent prints
//   → {"v":1,"verb":"input","data":"cQ=="}               no reply
//   ← {"v":1,"end":{"exit_code":0,"signal":null,"termination":null}}
// Rules: strict and bounded on both sides. An unknown verb, an unknown member or a wrong type is an error and changes
// nothing; a line that is too long, or no JSON object, ends the connection.

import type { Socket } from "node:net";
import type { JsonValue } from "#core/event.ts";
import type { Termination } from "#core/termination.ts";

export const protocolVersion = 1;
/** Bytes of a line, without its newline. */
export const longestLine = 262_144;
/** Bytes of input or output in one message; base64 makes four of three. */
export const largestData = 131_072;

export type Members = { readonly [name: string]: unknown };

export interface Request {
  readonly verb: string;
  /** All members but `v` and `verb`. */
  readonly members: Members;
}

export interface RunResult {
  readonly exit_code: number | null;
  readonly signal: string | null;
  readonly termination: Termination | null;
}

export interface ProtocolError {
  readonly code: "malformed" | "version" | "unknown_verb" | "bad_member" | "refused" | "busy";
  readonly message: string;
}

export type Answer =
  | { readonly kind: "reply"; readonly reply: { readonly [name: string]: JsonValue } }
  | { readonly kind: "error"; readonly error: ProtocolError }
  | { readonly kind: "output"; readonly stream: "stdout" | "stderr"; readonly data: Buffer }
  | { readonly kind: "end"; readonly end: RunResult };

export function requestLine(verb: string, members: Members = {}): string {
  return `${JSON.stringify({ v: protocolVersion, verb, ...members })}\n`;
}

export function answerLine(answer: Answer): string {
  const v = protocolVersion;
  switch (answer.kind) {
    case "reply":
      return `${JSON.stringify({ v, reply: answer.reply })}\n`;
    case "error":
      return `${JSON.stringify({ v, error: answer.error })}\n`;
    case "output":
      return `{"v":${v},"output":"${answer.stream}","data":"${answer.data.toString("base64")}"}\n`;
    case "end":
      return `${JSON.stringify({ v, end: answer.end })}\n`;
  }
}

/** A request, or what is wrong with it: `malformed` lines deserve no conversation. */
export function parseRequest(line: string): Request | ProtocolError {
  const object = parseObject(line);
  if (object === null) return { code: "malformed", message: "not a JSON object" };
  const { v, verb, ...members } = object;
  if (v !== protocolVersion)
    return { code: "version", message: `this run speaks version ${protocolVersion} of the protocol` };
  if (typeof verb !== "string" || !/^[a-z][a-z_]{0,31}$/.test(verb))
    return { code: "malformed", message: "the verb is missing" };
  return { verb, members };
}

/** Null: not an answer that this version knows. */
export function parseAnswer(line: string): Answer | null {
  const object = parseObject(line);
  if (object === null || object.v !== protocolVersion) return null;
  const { v: _, ...members } = object;
  switch (Object.keys(members).sort().join(" ")) {
    case "reply":
      return isObject(members.reply) ? { kind: "reply", reply: members.reply as { [name: string]: JsonValue } } : null;
    case "error": {
      const error = members.error as Partial<ProtocolError> | null;
      if (!isObject(error) || typeof error?.code !== "string" || typeof error.message !== "string") return null;
      return { kind: "error", error: error as ProtocolError };
    }
    case "data output": {
      const data = parseData(members.data);
      const { output } = members;
      return data === null || (output !== "stdout" && output !== "stderr")
        ? null
        : { kind: "output", stream: output, data };
    }
    case "end":
      return parseEnd(members.end);
    default:
      return null;
  }
}

/** Canonical base64 of at most `largestData` bytes; null for anything else. */
export function parseData(value: unknown): Buffer | null {
  if (typeof value !== "string" || value.length > Math.ceil(largestData / 3) * 4) return null;
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(value)) return null;
  const data = Buffer.from(value, "base64");
  return data.toString("base64") === value ? data : null;
}

function parseEnd(value: unknown): Answer | null {
  if (!isObject(value)) return null;
  const { exit_code, signal, termination } = value;
  const isCode = exit_code === null || (Number.isInteger(exit_code) && Number(exit_code) >= 0);
  if (!isCode || (signal !== null && typeof signal !== "string")) return null;
  if (termination !== null && (!isObject(termination) || typeof termination.kind !== "string")) return null;
  return { kind: "end", end: { exit_code, signal, termination } as unknown as RunResult };
}

function parseObject(line: string): { readonly [name: string]: unknown } | null {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : null;
  } catch {
    return null; // said by the caller, who knows whose line it was
  }
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}

/**
 * Calls `onLine` for each whole line that comes. A line longer than `longestLine` calls `onOverlong` once, and
 * nothing after it is heard.
 */
export function readLines(socket: Socket, onLine: (line: string) => void, onOverlong: () => void): void {
  let pending: Buffer[] = [];
  let length = 0;
  let over = false;
  socket.on("data", (chunk: Buffer) => {
    let rest = chunk;
    while (!over && rest.length > 0) {
      const at = rest.indexOf(10);
      const part = at < 0 ? rest : rest.subarray(0, at);
      length += part.length;
      if (length > longestLine) {
        over = true;
        pending = [];
        return onOverlong();
      }
      pending.push(part);
      if (at < 0) return;
      const line = pending.length === 1 ? part : Buffer.concat(pending);
      [pending, length, rest] = [[], 0, rest.subarray(at + 1)];
      onLine(line.toString("utf8"));
    }
  });
}
