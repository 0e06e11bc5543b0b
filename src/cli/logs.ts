// `sallyport logs ID`: what the agent of a session has printed, in the order in which it did; with -f what it prints from now on.
// The bytes are raw, as they were printed; stdout goes to stdout and stderr to stderr.

import { closeSync, constants, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Command, InvalidArgumentError } from "commander";
import { Failure } from "#core/failure.ts";
import { parseDuration } from "#policy/units.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import { type OutputStream, outputFiles, type SessionFolder } from "#session/folder.ts";
import { findSession, openSession } from "#session/store.ts";
import { wholeNumber } from "./flag-values.ts";
import { openHome } from "./home.ts";
import { printJson, writeBytes } from "./output.ts";

/** How often a followed session is looked at, milliseconds. */
const followInterval = 100;
/** Bytes read at once. */
const block = 262_144;

interface LogFlags {
  readonly follow?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
  /** milliseconds since the epoch */
  readonly since?: number;
  readonly lines?: number;
  readonly json?: boolean;
}

/** Where a chunk stands. */
interface Piece {
  readonly stream: OutputStream;
  readonly offset: number;
  readonly length: number;
  readonly time: string;
}

export function register(program: Command): void {
  program
    .command("logs")
    .description("print what the agent of a session has printed")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("-f, --follow", "go on with what is printed, until the session ends")
    .option("--stdout", "only what went to stdout")
    .option("--stderr", "only what went to stderr")
    .option("--since <time>", "only what came since: 10m ago, or at 2026-11-21T12:00:00Z", since)
    .option("-n, --lines <n>", "only the last n lines", wholeNumber)
    .option("--json", "print each chunk as a line of JSON, its bytes in base64")
    .addHelpText(
      "after",
      "\nThe bytes are what the agent printed, control characters included; --json is safe to look at.\n",
    )
    .action(logs);
}

async function logs(text: string, flags: LogFlags): Promise<void> {
  const { sessions } = openHome(process.env);
  const folder = findSession(sessions, text);
  const reader = openReader(folder);
  try {
    let position = 0;
    const next = (): Piece[] => {
      const pieces: Piece[] = [];
      for (const { event, next } of readEvents(folder, position)) {
        position = next;
        const piece = pieceOf(event);
        if (piece !== null && isWanted(piece, flags)) pieces.push(piece);
      }
      return pieces;
    };
    let over = openSession(sessions, folder.id).state !== "running";
    const first = next();
    await print(reader, flags.lines === undefined ? first : lastLines(reader, first, flags.lines), flags);
    while (flags.follow && !over) {
      await sleep(followInterval);
      // Looked at before the events are read: nothing is added after it is over.
      over = openSession(sessions, folder.id).state !== "running";
      await print(reader, next(), flags);
    }
  } catch (error) {
    // Whoever read along has gone: nobody is left to print for.
    if ((error as NodeJS.ErrnoException).code !== "EPIPE") throw error;
  } finally {
    reader.close();
  }
}

async function print(reader: Reader, pieces: readonly Piece[], { json }: LogFlags): Promise<void> {
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += block) {
      const bytes = reader.read(piece, at, Math.min(block, piece.length - at));
      const { stream, offset, time } = piece;
      if (json)
        printJson({ stream, time, offset: offset + at, length: bytes.length, base64: bytes.toString("base64") });
      else await writeBytes(process[stream], bytes);
    }
  }
}

/** The end of these pieces that holds the last `count` lines of them together; a last line without newline is one. */
function lastLines(reader: Reader, pieces: readonly Piece[], count: number): Piece[] {
  const kept: Piece[] = [];
  let left = count;
  let unseen = true;
  for (let i = pieces.length - 1; i >= 0; i--) {
    const piece = pieces[i] as Piece;
    for (let end = piece.length; end > 0; end -= block) {
      const begin = Math.max(0, end - block);
      const bytes = reader.read(piece, begin, end - begin);
      for (let at = bytes.length - 1; at >= 0; at--) {
        const ends = bytes[at] === 10;
        // The newline that ends the very last line is part of it.
        if (ends && !unseen && --left === 0) {
          const from = begin + at + 1;
          kept.unshift({ ...piece, offset: piece.offset + from, length: piece.length - from });
          return kept;
        }
        unseen = false;
      }
    }
    kept.unshift(piece);
  }
  return kept;
}

function pieceOf(event: LoggedEvent): Piece | null {
  const { type, stream, offset, length, time } = event;
  if (type !== "output" || (stream !== "stdout" && stream !== "stderr")) return null;
  if (!isSize(offset) || !isSize(length)) return null;
  return { stream, offset, length, time };
}

function isSize(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isWanted({ stream, time }: Piece, flags: LogFlags): boolean {
  if (flags.since !== undefined && Date.parse(time) < flags.since) return false;
  return flags[stream] === true || flags.stdout === flags.stderr;
}

interface Reader {
  /** @throws Failure session_damaged where the file is shorter than its events say */
  read(piece: Piece, at: number, length: number): Buffer;
  close(): void;
}

function openReader(folder: SessionFolder): Reader {
  const fds = new Map<OutputStream, number>();
  const damaged = (stream: OutputStream, message: string, cause?: unknown) =>
    new Failure("session_damaged", message, {
      place: join(folder.path, outputFiles[stream]),
      remedy: `See what happened: sallyport audit verify ${folder.id}`,
      cause,
    });
  const open = (stream: OutputStream) => {
    try {
      return openSync(join(folder.path, outputFiles[stream]), constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (cause) {
      throw damaged(stream, (cause as Error).message, cause);
    }
  };
  return {
    read({ stream, offset }, at, length) {
      const fd = fds.get(stream) ?? open(stream);
      fds.set(stream, fd);
      const bytes = Buffer.allocUnsafe(length);
      if (readSync(fd, bytes, 0, length, offset + at) !== length)
        throw damaged(stream, `it ends before byte ${offset + at + length}, which an event names`);
      return bytes;
    },
    close() {
      for (const fd of fds.values()) closeSync(fd);
    },
  };
}

/** Milliseconds since the epoch: so long ago, or at that time. */
function since(text: string): number {
  const ago = parseDuration(text);
  if (ago !== null) return Date.now() - ago * 1000;
  const at = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(at))
    throw new InvalidArgumentError("It must be a time ago such as 10m, or one such as 2026-11-21T12:00:00Z.");
  return at;
}
