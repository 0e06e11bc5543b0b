// A session's log as it is read back, for showing and replaying. What is read is checked for shape, not for truth: that is
// what a verification is for.

import { closeSync, constants, openSync } from "node:fs";
import { join } from "node:path";
import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { readLines } from "#lib/line-reader.ts";
import { eventsFile, type SessionFolder } from "./folder.ts";

/** Bytes of a line; no writer makes longer ones. */
const maxLineBytes = 1_600_000;

export interface LoggedEvent {
  readonly seq: number;
  /** ISO 8601, UTC, ms. */
  readonly time: string;
  readonly type: string;
  readonly [name: string]: JsonValue;
}

export interface ReadEvent {
  readonly event: LoggedEvent;
  /** The line as it stands, without newline. */
  readonly text: string;
  /** Where the next line begins, bytes. */
  readonly next: number;
}

/**
 * The whole events of a session from byte `position` on; a last line without newline is not one yet.
 * @throws Failure session_damaged at a line that is not an event, or when there is no log
 */
export function* readEvents(folder: SessionFolder, position = 0): Generator<ReadEvent, void, void> {
  const place = join(folder.path, eventsFile);
  let fd: number;
  try {
    fd = openSync(place, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (cause) {
    throw damaged(`the log cannot be read: ${(cause as Error).message}`, place, cause);
  }
  try {
    let next = position;
    let lines = 0;
    for (const line of readLines(fd, maxLineBytes, position)) {
      lines += 1;
      if (line.overlong) throw damaged("a line is longer than any event", place);
      if (!line.whole) return;
      next += line.bytes.length + 1;
      const text = line.bytes.toString("utf8");
      yield { event: parseEvent(text, `${place}:${lines}`), text, next };
    }
  } finally {
    closeSync(fd);
  }
}

function parseEvent(text: string, place: string): LoggedEvent {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged("the line is not JSON", place, cause);
  }
  const event = value as Partial<LoggedEvent> | null;
  const isEvent =
    event !== null &&
    typeof event === "object" &&
    Number.isSafeInteger(event.seq) &&
    typeof event.type === "string" &&
    typeof event.time === "string" &&
    !Number.isNaN(Date.parse(event.time));
  if (!isEvent) throw damaged("the line is not an event", place);
  return event as LoggedEvent;
}

function damaged(message: string, place: string, cause?: unknown): Failure {
  return new Failure("session_damaged", message, {
    place,
    remedy: "See how far it holds: sallyport audit verify ID",
    cause,
  });
}
