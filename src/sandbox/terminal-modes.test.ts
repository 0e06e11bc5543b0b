import assert from "node:assert/strict";
import { test } from "node:test";
import { createTerminalModes } from "./terminal-modes.ts";

function seen(...texts: readonly string[]) {
  const modes = createTerminalModes();
  for (const text of texts) modes.see(Buffer.from(text, "latin1"));
  return modes;
}

const undone: readonly (readonly [title: string, printed: string, leave: string])[] = [
  ["text alone", "hello\r\n\u00e9", ""],
  ["a colour that is reset", "\u001b[31mred\u001b[0m", ""],
  ["a colour that stays", "\u001b[1;31mred", "\u001b[m"],
  ["the alternate screen and a hidden cursor", "\u001b[?1049h\u001b[?25l", "\u001b[?25h\u001b[?1049l"],
  ["the older alternate screen", "\u001b[?47h", "\u001b[?47l"],
  ["the mouse, in one sequence", "\u001b[?1000;1006h", "\u001b[?1000l\u001b[?1006l"],
  ["bracketed paste", "\u001b[?2004h", "\u001b[?2004l"],
  ["bracketed paste, undone", "\u001b[?2004h$ \u001b[?2004l", ""],
  ["wrapping switched off", "\u001b[?7l", "\u001b[?7h"],
  ["keypad and cursor keys", "\u001b[?1h\u001b=", "\u001b[?1l\u001b>"],
  ["kitty's keys, twice", "\u001b[>1u\u001b[>3u", "\u001b[<2u"],
  ["kitty's keys, given back", "\u001b[>1u\u001b[<u", ""],
  ["xterm's keys", "\u001b[>4;2m", "\u001b[>4m"],
  ["a scroll region", "\u001b[2;10r", "\u001b7\u001b[r\u001b8"],
  ["a cursor's shape", "\u001b[5 q", "\u001b[0 q"],
  ["line drawing", "\u001b(0lqk", "\u001b(B"],
  ["a reset of all", "\u001b[?1049h\u001b[?1000h\u001b=\u001bc", ""],
  ["modes inside a title, which are text", "\u001b]0;\u001b\\", ""],
  ["a title with what looks like a mode", "\u001b]0;[?1049h\u0007", ""],
  ["a device string", "\u001bP1$r[?1049h\u001b\\", ""],
  ["a mode that is nobody's", "\u001b[?9999h", ""],
  ["ANSI modes, which are others", "\u001b[4h\u001b[25h", ""],
  ["a sequence that never ends", `\u001b[${"1;".repeat(200)}h`, ""],
  ["what hangs in the middle", "\u001b[?1049h\u001b[?25", "\u0018\u001b[?1049l"],
];
for (const [title, printed, leave] of undone)
  test(`a terminal is put back after ${title}`, () => {
    assert.equal(seen(printed).leave(), leave);
    assert.equal(seen(...printed).leave(), leave, "byte by byte");
  });

test("another terminal is brought to where the program has it, the screen first", () => {
  const modes = seen("\u001b[?25l\u001b[?1049h\u001b[?1002h\u001b[>5u\u001b=");
  assert.equal(modes.enter(), "\u001b[?1049h\u001b[?25l\u001b[?1002h\u001b=\u001b[>5u");
  const other = seen(modes.enter());
  assert.equal(other.leave(), modes.leave());
});

test("a program is full-screen from the sequence that says so to the one that ends it", () => {
  assert.equal(seen("x").fullScreen, false);
  assert.equal(seen("\u001b[?10", "49h").fullScreen, true);
  assert.equal(seen("\u001b[?1049h\u001b[?1049l").fullScreen, false);
});

const lineStarts: readonly (readonly [printed: string, atStart: boolean])[] = [
  ["", true],
  ["text", false],
  ["text\n", true],
  ["text\r", true],
  ["text\r\n\u001b[0m", true],
  ["\u001b[1m$ \u001b[0m", false],
  ["a line\n\u001b[?1049hdrawn\u001b[?1049l", true],
  ["a line\n\u001b[?1049hdrawn", false],
  ["a prompt: \u001b[?1049hdrawn\n\u001b[?1049l", false],
];
for (const [printed, atStart] of lineStarts)
  test(`${JSON.stringify(printed)} leaves the cursor ${atStart ? "at" : "off"} the start of a line`, () =>
    assert.equal(seen(printed).atLineStart, atStart));

test("giving the terminal back is counted, also where it is taken again in the same breath", () => {
  const modes = seen("\u001b[?1049h\u001b[?1h");
  assert.equal(modes.givenBack, 0);
  modes.see(Buffer.from("\u001b[?1l\u001b[?1049l\u001b[?1049h"));
  assert.equal(modes.givenBack, 1);
  modes.see(Buffer.from("\u001b[?2004h\u001b[?2004l"));
  assert.equal(modes.givenBack, 1, "the screen is still its own");
});
