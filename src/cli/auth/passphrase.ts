// The passphrase of the authority's keys: from a file that a flag or the environment names, else typed at the terminal, which
// shows nothing of it. It is asked at /dev/tty, because a command's own streams carry its token.

import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import type { AskPassphrase } from "#control/store/sealed-keys.ts";
import { Failure } from "#core/failure.ts";

export interface PassphraseFlags {
  readonly passphraseFile?: string;
}

/** Bytes; a passphrase file is one line. */
const longest = 1024;

/** Characters; what is shorter is guessed, whatever a guess costs. */
const shortest = 8;

/** Where the passphrase comes from, for a command with these flags. */
export function passphraseFrom({ passphraseFile }: PassphraseFlags): AskPassphrase {
  const file = passphraseFile ?? (process.env.SALLYPORT_PASSPHRASE_FILE || undefined);
  const flag = passphraseFile === undefined ? "SALLYPORT_PASSPHRASE_FILE" : "--passphrase-file";
  return async (use) => {
    const passphrase = file === undefined ? await typed(use) : inFile(file, flag);
    if (use === "seal" && [...passphrase].length < shortest) {
      throw new Failure("usage", `a passphrase of fewer than ${shortest} characters protects nothing`, {
        ...(file === undefined ? {} : { place: flag }),
        remedy: "Choose four or five random words, or let a password manager make one.",
      });
    }
    return passphrase;
  };
}

/** Whether a file is named, so that nobody needs to be asked. */
export function namesPassphrase({ passphraseFile }: PassphraseFlags): boolean {
  return passphraseFile !== undefined || (process.env.SALLYPORT_PASSPHRASE_FILE ?? "") !== "";
}

/** Its one line, without the end of it. @throws Failure usage */
function inFile(file: string, place: string): string {
  const wrong = (message: string, cause?: unknown) =>
    new Failure("usage", message, {
      place,
      remedy: "Name a file with the passphrase as its one line, or - for standard input.",
      cause,
    });
  let bytes: Buffer;
  try {
    bytes = readUpTo(file, longest + 1);
  } catch (cause) {
    throw wrong(`the passphrase cannot be read: ${(cause as Error).message}`, cause);
  }
  const line = bytes.toString("utf8").replace(/\r?\n$/, "");
  if (line === "") throw wrong(`${file} is empty`);
  if (bytes.length > longest) throw wrong(`${file} holds more than ${longest} bytes`);
  if (/[\r\n]/.test(line)) throw wrong(`${file} holds more than one line`);
  return line;
}

function readUpTo(file: string, most: number): Buffer {
  const fd = file === "-" ? 0 : openSync(file, "r");
  const bytes = Buffer.alloc(most);
  let length = 0;
  try {
    for (let got = 1; got > 0 && length < most; length += got) got = readSync(fd, bytes, length, most - length, null);
  } finally {
    if (fd !== 0) closeSync(fd);
  }
  return bytes.subarray(0, length);
}

/** @throws Failure passphrase_needed, usage */
async function typed(use: "open" | "seal"): Promise<string> {
  const fd = openTerminal();
  const terminal = new ReadStream(fd);
  const tell = (text: string) => writeSync(fd, text);
  try {
    // Before anything is asked, so that nothing of an answer is shown.
    terminal.setRawMode(true);
    const keys = keysOf(terminal);
    if (use === "open") return await line(tell, keys, "Passphrase of the authority's keys: ");
    const passphrase = await line(tell, keys, "New passphrase: ");
    if (passphrase === (await line(tell, keys, "The same again: "))) return passphrase;
  } finally {
    terminal.setRawMode(false);
    terminal.destroy();
  }
  throw gaveUp("the two were not the same");
}

/** @throws Failure passphrase_needed */
function openTerminal(): number {
  try {
    return openSync("/dev/tty", "r+");
  } catch (cause) {
    throw new Failure("passphrase_needed", "there is no terminal to ask for the passphrase on", {
      remedy: "Name a file that holds it: --passphrase-file FILE, or SALLYPORT_PASSPHRASE_FILE.",
      cause,
    });
  }
}

async function* keysOf(terminal: ReadStream): AsyncGenerator<string> {
  terminal.setEncoding("utf8");
  for await (const text of terminal as AsyncIterable<string>) yield* text;
}

/** One line, edited as a terminal itself would: ^C, ^D, backspace, ^U. @throws Failure usage where the person gives up */
async function line(tell: (text: string) => void, keys: AsyncGenerator<string>, question: string): Promise<string> {
  tell(question);
  let typed: readonly string[] = [];
  for (;;) {
    const { value: key, done } = await keys.next();
    if (done || key === "\r" || key === "\n" || key === "\u0003" || (key === "\u0004" && typed.length === 0)) {
      tell("\n");
      if (key === "\r" || key === "\n") return typed.join("");
      throw gaveUp("no passphrase was typed");
    }
    if (key === "\u007f" || key === "\b") typed = typed.slice(0, -1);
    else if (key === "\u0015") typed = [];
    else if (typed.length < longest) typed = [...typed, key];
  }
}

function gaveUp(message: string): Failure {
  return new Failure("usage", message, { remedy: "Begin again; nothing has changed." });
}
