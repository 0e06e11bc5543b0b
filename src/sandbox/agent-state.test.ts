import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { Failure } from "#core/failure.ts";
import { bringState } from "./agent-state.ts";

let base: string;
let home: string;
let privateHome: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "sallyport-state-"));
  home = join(base, "home");
  privateHome = join(base, "private");
  mkdirSync(join(home, ".agent", "commands"), { recursive: true });
  mkdirSync(privateHome);
  writeFileSync(join(home, ".agent", "settings.json"), "mine");
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

const bring = (as: "copy" | "read" | "write", path: string) => bringState({ home, privateHome, state: [{ path, as }] });

test("a file is copied as it is now, over whatever an earlier run left under its name", () => {
  const target = join(privateHome, ".agent", "settings.json");
  bring("copy", ".agent/settings.json");
  assert.equal(readFileSync(target, "utf8"), "mine");
  assert.equal(lstatSync(target).mode & 0o777, 0o600);
  writeFileSync(target, "an agent's");
  bring("copy", ".agent/settings.json");
  assert.equal(readFileSync(target, "utf8"), "mine");
  assert.equal(readFileSync(join(home, ".agent", "settings.json"), "utf8"), "mine");
});

test("what is shown is named with the host's own path, and what is not there is left out", () => {
  const commands = join(home, ".agent", "commands");
  assert.deepEqual(bring("read", ".agent/commands").show, [{ path: commands, source: commands, writable: false }]);
  assert.deepEqual(bring("write", ".agent/commands").show, [{ path: commands, source: commands, writable: true }]);
  assert.deepEqual(bring("read", ".agent/none").show, []);
  assert.deepEqual(bring("copy", ".agent/none.json").show, []);
  assert.deepEqual(readdirSync(privateHome), []);
});

const traps: readonly (readonly [what: string, make: (outside: string) => void])[] = [
  ["a link for the folder", (outside) => symlinkSync(outside, join(privateHome, ".agent"))],
  [
    "a link for the file",
    (outside) => {
      mkdirSync(join(privateHome, ".agent"));
      symlinkSync(join(outside, "settings.json"), join(privateHome, ".agent", "settings.json"));
    },
  ],
  ["a file for the folder", () => writeFileSync(join(privateHome, ".agent"), "x")],
  ["a folder for the file", () => mkdirSync(join(privateHome, ".agent", "settings.json", "x"), { recursive: true })],
  [
    "a closed folder",
    () => {
      mkdirSync(join(privateHome, ".agent"));
      chmodSync(join(privateHome, ".agent"), 0);
    },
  ],
];

for (const [what, make] of traps) {
  test(`an agent's trap leads no copy out of its home: ${what}`, () => {
    const outside = join(base, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "settings.json"), "the host's");
    make(outside);
    bring("copy", ".agent/settings.json");
    assert.equal(readFileSync(join(privateHome, ".agent", "settings.json"), "utf8"), "mine");
    assert.ok(lstatSync(join(privateHome, ".agent")).isDirectory());
    assert.equal(readFileSync(join(outside, "settings.json"), "utf8"), "the host's");
    assert.deepEqual(readdirSync(outside), ["settings.json"]);
  });
}

test("settings that are no file, or too large, stop the run and say where they are", () => {
  const refused = (error: unknown) =>
    error instanceof Failure && error.code === "sandbox_failed" && error.place?.startsWith(home) === true;
  assert.throws(() => bring("copy", ".agent/commands"), refused);
  writeFileSync(join(home, ".agent", "large.json"), Buffer.alloc(4 * 2 ** 20 + 1));
  assert.throws(() => bring("copy", ".agent/large.json"), refused);
  assert.ok(!existsSync(join(privateHome, ".agent", "large.json")));
});
