// How the command line prints: results on stdout, everything about them on stderr, failures in one shape.

import type { Writable } from "node:stream";
import { styleText } from "node:util";
import { exitCodeOf, Failure, type FailureRecord } from "#core/failure.ts";

/** One machine-readable value on stdout, as one line of JSON. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printLine(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Bytes as they are; resolves when the stream has taken them. @throws Error of the system, e.g. EPIPE */
export function writeBytes(stream: Writable, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(error);
    stream.once("error", failed);
    stream.write(bytes, (error) => {
      if (error) return reject(error);
      stream.off("error", failed);
      resolve();
    });
  });
}

/** Left-aligned columns, two spaces apart; the heading is part of `rows`. Cells are printed with control characters escaped. */
export function printTable(rows: readonly (readonly string[])[]): void {
  const cells = rows.map((row) => row.map(printable));
  const columns = Math.max(0, ...cells.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => Math.max(0, ...cells.map((row) => (row[at] ?? "").length)));
  for (const row of cells) {
    printLine(
      row
        .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
        .join("  ")
        .trimEnd(),
    );
  }
}

/** Attacker-controlled text for a terminal: no control, bidirectional or line-separator character survives. */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are exactly what must not reach a terminal
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Prints a failure to stderr, as text or as one line of JSON, and gives the exit code that goes with it. */
export function printFailure(error: unknown, json: boolean): number {
  const record = failureRecord(error);
  if (json) process.stderr.write(`${JSON.stringify({ error: record })}\n`);
  else {
    const where = record.place === null ? "" : `${printable(record.place)}: `;
    const mark = styleText("red", "error", { stream: process.stderr });
    process.stderr.write(`sallyport: ${mark}: ${where}${printable(record.message)} (${record.code})\n`);
    if (record.remedy !== null) process.stderr.write(`  ${printable(record.remedy)}\n`);
  }
  return exitCodeOf(record.code);
}

/** Any error as a failure; one that nobody foresaw is `internal_error`. */
export function failureRecord(error: unknown): FailureRecord {
  if (error instanceof Failure) return error.record();
  const message = error instanceof Error ? error.message : String(error);
  if (isFullDisk(error))
    return { code: "home_unusable", message, place: error.path ?? null, remedy: "Free the disk that the home is on." };
  return {
    code: "internal_error",
    message,
    place: stackPlace(error),
    remedy: "This is a bug in sallyport: please report it.",
  };
}

/** Met where something other than the log is written, e.g. while a run begins. */
function isFullDisk(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function stackPlace(error: unknown): string | null {
  const line = error instanceof Error ? error.stack?.split("\n")[1] : undefined;
  return line === undefined ? null : line.trim();
}
