import assert from "node:assert/strict";
import { test } from "node:test";
import { array, constantFrom, assert as holds, nat, option, property, string } from "fast-check";
import { createOutputMeter } from "./output-meter.ts";

interface Case {
  readonly title: string;
  readonly lines?: number;
  readonly bytes?: number;
  readonly chunks: readonly string[];
  readonly passes: string;
  readonly kind: "max_output_lines" | "max_output_bytes" | null;
}

const cases: readonly Case[] = [
  { title: "without a cap everything passes", chunks: ["a\n", "b"], passes: "a\nb", kind: null },
  { title: "exactly N lines pass", lines: 2, chunks: ["a\nb\n"], passes: "a\nb\n", kind: null },
  { title: "the line after N does not", lines: 2, chunks: ["a\nb\nc\n"], passes: "a\nb\n", kind: "max_output_lines" },
  {
    title: "the first byte after N lines does not, although its line has not ended",
    lines: 2,
    chunks: ["a\nb\n", "c"],
    passes: "a\nb\n",
    kind: "max_output_lines",
  },
  {
    title: "a line in many chunks is one",
    lines: 1,
    chunks: ["a", "b", "c\n", "d"],
    passes: "abc\n",
    kind: "max_output_lines",
  },
  { title: "empty lines are lines", lines: 3, chunks: ["\n\n\n\n"], passes: "\n\n\n", kind: "max_output_lines" },
  { title: "no line at all", lines: 0, chunks: ["a"], passes: "", kind: "max_output_lines" },
  { title: "exactly N bytes pass", bytes: 3, chunks: ["ab", "c"], passes: "abc", kind: null },
  { title: "the byte after N does not", bytes: 3, chunks: ["ab", "cd"], passes: "abc", kind: "max_output_bytes" },
  { title: "no byte at all", bytes: 0, chunks: ["a"], passes: "", kind: "max_output_bytes" },
  { title: "an empty chunk exceeds nothing", bytes: 0, lines: 0, chunks: [""], passes: "", kind: null },
  {
    title: "the cap that comes first cuts: lines",
    lines: 1,
    bytes: 3,
    chunks: ["a\nbcd"],
    passes: "a\n",
    kind: "max_output_lines",
  },
  {
    title: "the cap that comes first cuts: bytes",
    lines: 2,
    bytes: 3,
    chunks: ["a\nbcd\n"],
    passes: "a\nb",
    kind: "max_output_bytes",
  },
  {
    title: "after the cut nothing passes, however small",
    bytes: 1,
    chunks: ["ab", "c", ""],
    passes: "a",
    kind: "max_output_bytes",
  },
];

for (const { title, lines, bytes, chunks, passes, kind } of cases) {
  test(title, () => {
    const meter = createOutputMeter({ lines: lines ?? null, bytes: bytes ?? null });
    let passed = "";
    let exceeded = null;
    for (const chunk of chunks) {
      const taken = meter.take(Buffer.from(chunk));
      passed += chunk.slice(0, taken.pass);
      exceeded = taken.exceeded;
    }
    assert.equal(passed, passes);
    assert.equal(exceeded?.kind ?? null, kind);
    if (exceeded !== null) {
      assert.equal(exceeded.threshold, kind === "max_output_lines" ? lines : bytes);
      assert.equal(exceeded.observed, exceeded.threshold + 1);
    }
    assert.equal(meter.bytes, passed.length);
  });
}

test("however output is cut into chunks, the same bytes pass", () => {
  const chunks = array(string({ unit: constantFrom("a", "\n") }));
  holds(
    property(chunks, option(nat(20)), option(nat(40)), (parts, lines, bytes) => {
      const pass = (texts: readonly string[]): string => {
        const meter = createOutputMeter({ lines, bytes });
        return texts.map((text) => text.slice(0, meter.take(Buffer.from(text)).pass)).join("");
      };
      assert.equal(pass(parts), pass([parts.join("")]));
    }),
  );
});
