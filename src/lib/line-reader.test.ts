import assert from "node:assert/strict";
import { closeSync, openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { array, constantFrom, assert as holds, integer, property, string } from "fast-check";
import { temporaryFolder } from "#test/log/sample.ts";
import { readLines } from "./line-reader.ts";

const file = join(temporaryFolder(), "lines");

function lines(
  text: string,
  maxBytes = 100,
  position = 0,
): { lines: string[]; tail: string | null; overlong: boolean; read: string } {
  writeFileSync(file, text);
  const fd = openSync(file, "r");
  const found: { lines: string[]; tail: string | null; overlong: boolean; read: string } = {
    lines: [],
    tail: null,
    overlong: false,
    read: "",
  };
  try {
    for (const line of readLines(fd, maxBytes, position, (bytes) => (found.read += bytes.toString("latin1")))) {
      if (line.whole) found.lines.push(line.bytes.toString());
      else found.tail = line.bytes.toString();
      found.overlong ||= line.overlong;
    }
  } finally {
    closeSync(fd);
  }
  return found;
}

test("whole lines come one by one, and bytes after the last newline are told apart", () => {
  assert.deepEqual(lines("a\n\nb\nc"), { lines: ["a", "", "b"], tail: "c", overlong: false, read: "a\n\nb\nc" });
  assert.deepEqual(lines(""), { lines: [], tail: null, overlong: false, read: "" });
  assert.deepEqual(lines("abc\ndef\n", 100, 4), { lines: ["def"], tail: null, overlong: false, read: "def\n" });
});

test("a line over the bound ends the reading, with or without its newline", () => {
  assert.equal(lines(`${"x".repeat(100)}\n`).overlong, false);
  for (const text of [`a\n${"x".repeat(101)}`, `a\n${"x".repeat(101)}\nb\n`]) {
    const found = lines(text);
    assert.deepEqual(found.lines, ["a"]);
    assert.equal(found.tail, "x".repeat(100));
    assert.equal(found.overlong, true);
  }
});

test("lines across the reader's blocks are whole", () => {
  const text = Array.from({ length: 60_000 }, (_, n) => `${n}${"é".repeat(n % 40)}`);
  const found = lines(`${text.join("\n")}\n`, 1000);
  assert.deepEqual(found.lines, text);
});

test("any text is read as it is split at its newlines", () => {
  holds(
    property(
      array(string({ unit: constantFrom("a", "é"), maxLength: 30 }), { minLength: 1 }),
      integer({ min: 60, max: 300 }),
      (parts, max) => {
        const found = lines(parts.join("\n"), max);
        assert.deepEqual([...found.lines, found.tail ?? ""], parts);
      },
    ),
  );
});
