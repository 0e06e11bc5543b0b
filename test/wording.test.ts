// One voice for everything that goes wrong: `place: message (code)`, and the remedy on a line of its own. So a message begins small,
// has no full stop and does not say its place again; a remedy is a sentence, or ends with the command to type.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { failuresIn, type Said } from "./wording/failures.ts";

const root = dirname(import.meta.dirname);
const all = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
  .flatMap((name) => failuresIn(join(root, "src", name)));

function wrong(of: (said: Said) => string | null): string[] {
  return all.flatMap((said) => {
    const what = of(said);
    return what === null ? [] : [`${said.file.slice(root.length + 1)}:${said.line}: ${what}`];
  });
}

/** Names keep their capitals: SALLYPORT_HOME, WSL1, TOML, Node.js. */
const smallStart = /^(?:[^\p{Lu}]|\p{Lu}[\w.]*[\p{Lu}\d_.])/u;

test("there are failures to look at, and most are written out", () => {
  assert.ok(all.length > 100);
  assert.ok(all.filter(({ message }) => message !== null).length > 80);
});

test("a message begins small and has no full stop", () => {
  assert.deepEqual(
    wrong(({ message }) => (message === null || (smallStart.test(message) && !/[.!]$/.test(message)) ? null : message)),
    [],
  );
});

test("a message does not say its place again", () => {
  assert.deepEqual(
    wrong(({ message, place, parts }) => (place !== null && parts.includes(place) ? `${place} in: ${message}` : null)),
    [],
  );
});

test("a remedy is a sentence, or ends with what to type", () => {
  assert.deepEqual(
    wrong(({ remedy }) => {
      if (remedy === null) return null;
      const begins = /^(?:[^\p{Ll}]|sallyport )/u.test(remedy);
      return begins && (/[.?…]$/.test(remedy) || /: \S/.test(remedy)) ? null : remedy;
    }),
    [],
  );
});

test("each rule can fail", () => {
  const text = [
    'throw new Failure("usage", "Not small.", { place: file, remedy: "do it" });',
    "const refused = (place: string, message: string) => new Failure('usage', message, { place });",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    "refused(file, `${file} is wrong`);",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source text
    "function made(message: string): Failure { return new Failure('usage', message); } made(`Loud ${1}!`);",
  ].join("\n");
  const said = failuresIn("x.ts", text);
  assert.deepEqual(
    said.map(({ line, message, remedy }) => [line, message, remedy]),
    [
      [1, "Not small.", "do it"],
      [2, null, null],
      [4, null, null],
      [3, "… is wrong", null],
      [4, "Loud …!", null],
    ],
  );
  assert.deepEqual([said[3]?.place, said[3]?.parts], ["file", ["file"]]);
  assert.ok(!smallStart.test("Not small"));
  for (const good of ["not", "SALLYPORT_HOME is", "WSL1", "Node.js is", '"x" is', "--allow", "…", "3 of"])
    assert.ok(smallStart.test(good), good);
});
