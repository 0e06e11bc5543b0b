import assert from "node:assert/strict";
import { test } from "node:test";
import { createDetachKeys, parseDetachKeys } from "./detach-keys.ts";

function typed(spelled: string, ...chunks: readonly string[]) {
  const late: string[] = [];
  const keys = createDetachKeys(parseDetachKeys(spelled) ?? [], (bytes) => void late.push(bytes.toString("latin1")));
  let passed = "";
  let detached = false;
  for (const chunk of chunks) {
    const { pass, detach } = keys.take(Buffer.from(chunk, "latin1"));
    passed += pass.toString("latin1");
    detached ||= detach;
  }
  return { passed, detached, late, keys };
}

const cases: readonly (readonly [
  title: string,
  spelled: string,
  chunks: string[],
  passed: string,
  detached: boolean,
])[] = [
  ["both at once", "ctrl-p,ctrl-q", ["ls\r\u0010\u0011"], "ls\r", true],
  ["one after the other", "ctrl-p,ctrl-q", ["\u0010", "\u0011"], "", true],
  ["the first, then another key", "ctrl-p,ctrl-q", ["\u0010", "a"], "\u0010a", false],
  ["the first twice, then the second", "ctrl-p,ctrl-q", ["\u0010\u0010\u0011"], "\u0010", true],
  ["the second alone", "ctrl-p,ctrl-q", ["\u0011"], "\u0011", false],
  ["in kitty's spelling", "ctrl-p,ctrl-q", ["\u001b[112;5u", "\u001b[113;5u"], "", true],
  ["in xterm's spelling", "ctrl-p,ctrl-q", ["\u001b[27;5;112~\u001b[27;5;113~"], "", true],
  ["a single key", "ctrl-]", ["a\u001d"], "a", true],
  ["a prefix and a letter", "ctrl-a,d", ["\u0001d"], "", true],
  ["a letter alone is typed", "ctrl-a,d", ["d"], "d", false],
];
for (const [title, spelled, chunks, passed, detached] of cases)
  test(`${spelled}: ${title}`, () => {
    const result = typed(spelled, ...chunks);
    result.keys.close();
    assert.deepEqual([result.passed, result.detached], [passed, detached]);
  });

test("a key that waits for the next is passed on when none comes", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const { late, keys } = typed("ctrl-p,ctrl-q", "\u0010");
  assert.deepEqual(late, []);
  context.mock.timers.tick(500);
  assert.deepEqual(late, ["\u0010"]);
  assert.deepEqual(keys.take(Buffer.from("\u0011")), { pass: Buffer.from("\u0011"), detach: false });
  keys.close();
});

test("what spells no keys is refused", () => {
  for (const wrong of ["", "ctrl", "ctrl-P", "ctrl-pp", "ctrl-p,", "alt-x", "é", Array(9).fill("a").join(",")])
    assert.equal(parseDetachKeys(wrong), null, wrong);
});
