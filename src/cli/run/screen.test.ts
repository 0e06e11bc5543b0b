import assert from "node:assert/strict";
import { test } from "node:test";
import { createScreen } from "./screen.ts";

const lines = { takesLines: () => true };
const keys = { takesLines: () => false };

const drawings: readonly (readonly [title: string, cell: typeof lines | null, printed: string, drawing: boolean])[] = [
  ["before the agent runs nothing draws", null, "", false],
  ["a program that reads lines does not draw", lines, "text\r\n", false],
  ["one that reads keys does", keys, "text\r\n", true],
  ["one on the alternate screen does", lines, "\u001b[?1049h", true],
  ["one that has left it does not", lines, "\u001b[?1049h\u001b[?1049l", false],
];
for (const [title, cell, printed, drawing] of drawings)
  test(title, () => {
    const screen = createScreen();
    if (cell !== null) screen.running(cell);
    screen.see("stdout", Buffer.from(printed));
    assert.equal(screen.drawing(), drawing);
    screen.ended();
    assert.equal(screen.drawing(), false);
  });

test("a line of ours begins where a line begins, in raw mode too, and two of them leave no gap", () => {
  const screen = createScreen();
  assert.equal(screen.fit("notice\n"), "notice\n");
  screen.running(lines);
  screen.see("stdout", Buffer.from("question? "));
  assert.equal(screen.fit("one\n"), "\r\none\r\n");
  assert.equal(screen.fit("two\n"), "two\r\n");
  screen.see("stdout", Buffer.from("whole\r\n"));
  assert.equal(screen.fit("three\n"), "three\r\n");
  screen.see("stdout", Buffer.from("rest"));
  screen.ended();
  assert.equal(screen.fit("summary\n"), "\nsummary\n");
});
