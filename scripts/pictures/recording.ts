// What a terminal showed while a person typed: bytes with their times, as an asciicast (version 2) and as frames.
// Source: https://docs.asciinema.org/manual/asciicast/v2/

import { spawn } from "@lydell/node-pty";
import xterm from "@xterm/headless";

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

/** Output at a time in seconds from the start, waits shortened to `longestWait`. */
export interface Chunk {
  readonly time: number;
  readonly text: string;
}

export interface Recording {
  readonly size: Size;
  readonly title: string;
  readonly chunks: readonly Chunk[];
}

/** One run of cells of a line that look alike. */
export interface Span {
  readonly text: string;
  /** Column of the first cell, from 0. */
  readonly column: number;
  /** One of the sixteen colours of a terminal, or null for the usual one. */
  readonly colour: number | null;
  readonly bold: boolean;
  readonly dim: boolean;
}

export interface Frame {
  /** Seconds from the start. */
  readonly time: number;
  readonly lines: readonly (readonly Span[])[];
  readonly cursor: { readonly column: number; readonly row: number };
}

const prompt = "$ ";
/** Seconds; a reader does not wait for a machine. */
const longestWait = 1.2;
const perLetter = 0.035;
const reading = 1.6;

/**
 * Types each line into a real shell on a real terminal, waits for its prompt, and gives what was seen. Letters are timed as
 * a person types them; everything else has the time that it took.
 * @throws Error when a command did not come back within a minute.
 */
export async function record(
  title: string,
  lines: readonly string[],
  o: { size: Size; cwd: string; env: { readonly [name: string]: string } },
): Promise<Recording> {
  const chunks: Chunk[] = [];
  let time = 0;
  const shell = spawn("bash", ["--norc", "--noprofile", "--noediting"], {
    name: "xterm-256color",
    cols: o.size.columns,
    rows: o.size.rows,
    cwd: o.cwd,
    env: { ...o.env, PS1: prompt, TERM: "xterm-256color", HISTFILE: "" },
  });
  let seen = "";
  let last = performance.now();
  let onText = () => {};
  shell.onData((text) => {
    const now = performance.now();
    time += Math.min((now - last) / 1000, longestWait);
    last = now;
    seen += text;
    chunks.push({ time, text });
    onText();
  });
  const prompted = (line: string) =>
    new Promise<void>((resolve, reject) => {
      const limit = setTimeout(() => reject(new Error(`no prompt came back after: ${line}`)), 60_000);
      onText = () => {
        if (!seen.endsWith(prompt)) return;
        clearTimeout(limit);
        onText = () => {};
        resolve();
      };
      onText();
    });
  await prompted("the start");
  for (const line of lines) {
    // The shell echoes a line at once; what the reader sees is the typing of it.
    const echoFrom = chunks.length;
    const typedFrom = time;
    seen = "";
    last = performance.now();
    shell.write(`${line}\r`);
    await prompted(line);
    time = retime(chunks, echoFrom, typedFrom, line) + reading;
    last = performance.now();
  }
  shell.kill();
  return { size: o.size, title, chunks };
}

/** Spreads the echo of a typed line over the time that typing takes, and moves what follows. Gives the last time. */
function retime(chunks: Chunk[], from: number, start: number, line: string): number {
  const tail = chunks.splice(from);
  let text = tail.map((chunk) => chunk.text).join("");
  const echo = text.startsWith(line) ? line : "";
  for (const [index, letter] of [...echo].entries())
    chunks.push({ time: start + (index + 1) * perLetter, text: letter });
  const shift = echo.length * perLetter + 0.3;
  let skip = echo.length;
  for (const chunk of tail) {
    text = chunk.text.slice(Math.min(skip, chunk.text.length));
    skip -= Math.min(skip, chunk.text.length);
    if (text !== "") chunks.push({ time: chunk.time + shift, text });
  }
  return chunks.at(-1)?.time ?? start;
}

/** As asciinema plays it. */
export function asciicast({ size, title, chunks }: Recording): string {
  const head = { version: 2, width: size.columns, height: size.rows, title, env: { TERM: "xterm-256color" } };
  const lines = chunks.map(({ time, text }) => JSON.stringify([Number(time.toFixed(3)), "o", text]));
  return `${[JSON.stringify(head), ...lines].join("\n")}\n`;
}

/** What stood on the screen after each change that a reader can see (twelve a second at most). */
export async function frames({ size, chunks }: Recording): Promise<readonly Frame[]> {
  const terminal = new xterm.Terminal({ cols: size.columns, rows: size.rows, allowProposedApi: true });
  const all: Frame[] = [];
  for (const [index, chunk] of chunks.entries()) {
    await new Promise<void>((resolve) => terminal.write(chunk.text, resolve));
    const next = chunks[index + 1];
    if (next !== undefined && next.time - (all.at(-1)?.time ?? -1) < 1 / 12 && next.time - chunk.time < 1 / 12)
      continue;
    const buffer = terminal.buffer.active;
    const lines = Array.from({ length: size.rows }, (_, row) => spansOf(buffer.getLine(buffer.baseY + row)));
    all.push({ time: chunk.time, lines, cursor: { column: buffer.cursorX, row: buffer.cursorY } });
  }
  terminal.dispose();
  return all;
}

type Line = ReturnType<xterm.Terminal["buffer"]["active"]["getLine"]>;

function spansOf(line: Line): readonly Span[] {
  const spans: Span[] = [];
  for (let column = 0; column < (line?.length ?? 0); column += 1) {
    const cell = line?.getCell(column);
    if (cell === undefined || cell.getWidth() === 0) continue;
    const colour = cell.isFgPalette() && cell.getFgColor() < 16 ? cell.getFgColor() : null;
    const look = { colour, bold: cell.isBold() !== 0, dim: cell.isDim() !== 0 };
    const before = spans.at(-1);
    const text = cell.getChars() === "" ? " " : cell.getChars();
    if (before?.colour === look.colour && before.bold === look.bold && before.dim === look.dim)
      spans[spans.length - 1] = { ...before, text: before.text + text };
    else spans.push({ text, column, ...look });
  }
  const end = spans.at(-1);
  if (end !== undefined) spans[spans.length - 1] = { ...end, text: end.text.trimEnd() };
  return spans.filter((span) => span.text.trim() !== "");
}
