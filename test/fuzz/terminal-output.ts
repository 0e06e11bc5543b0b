// Anything that a program may print, cut anywhere: what is told of its terminal does not depend on the cut, what undoes it leaves
// nothing to undo, and what sets it again sets just that.

import assert from "node:assert/strict";
import { createTerminalModes } from "#sandbox/terminal-modes.ts";

export const name = "terminal-output";

export const seeds: readonly Buffer[] = [
  "\u001b[?1049h\u001b[22;0;0t\u001b[?1h\u001b=\u001b[?25l\u001b[2J",
  "\u001b[?2004h\u001b[>1u\u001b[>4;2m\u001b]0;title\u0007text\u001b[?1000;1002;1006h",
  "\u001b[?1049l\u001b[?25h\u001b[?2004l\u001b[<u\u001b[!p\u001bc",
  "\u001bP+q544e\u001b\\\u001b_G\u001b\\\u001b[1;20r\u001b[4 q\u001b(0\u001b[38;5;1m",
  "plain text\r\nand more\n",
].map((text) => Buffer.from(text, "latin1"));

export function run(bytes: Uint8Array): void {
  const input = Buffer.from(bytes);
  const whole = createTerminalModes();
  whole.see(input);
  const cut = createTerminalModes();
  for (let at = 0; at < input.length; ) {
    const length = 1 + ((input[at] ?? 0) % 7);
    cut.see(input.subarray(at, at + length));
    at += length;
  }
  assert.equal(cut.leave(), whole.leave());
  assert.equal(cut.enter(), whole.enter());
  assert.equal(cut.atLineStart, whole.atLineStart);
  assert.equal(cut.givenBack, whole.givenBack);
  const undo = whole.leave();
  assert.ok(undo.length < 2_000);
  whole.see(Buffer.from(undo, "latin1"));
  assert.equal(whole.leave(), "", JSON.stringify(undo));
  assert.equal(whole.enter(), "");
}
