import assert from "node:assert/strict";
import { test } from "node:test";
import { InnerRefusal } from "#supervisor/inner/server.ts";
import { readSpawnWish } from "./spawn-wish.ts";

const plain = { agent_id: "notifier", command: ["python3", "notify.py"] };

test("what is not said is nothing", () => {
  const wish = readSpawnWish(plain);
  assert.deepEqual(
    [wish.allow, wish.policy, Object.keys(wish.files), Object.keys(wish.env), wish.task, wish.max_requests, wish.spawn],
    [[], null, [], [], null, null, []],
  );
});

test("files come as bytes under their relative paths", () => {
  const { files } = readSpawnWish({ ...plain, files: { "a/b.txt": "aGk=", __proto__x: "" } });
  assert.equal(Buffer.from(files["a/b.txt"] ?? "").toString(), "hi");
});

const refused: readonly (readonly [title: string, more: object, said: string])[] = [
  ["an unknown member", { user: "root" }, "user is not known"],
  ["no agent", { agent_id: undefined }, "agent_id is no id"],
  ["an agent that is a path", { agent_id: "../local" }, "agent_id is no id"],
  ["no command", { command: [] }, "command is no command"],
  ["a command of one text", { command: "true" }, "command is no list of texts"],
  ["a NUL in a word", { command: ["a\0b"] }, "command is no list of texts"],
  ["too many words", { command: Array(257).fill("a") }, "command is no command"],
  ["words that are too long together", { command: ["a".repeat(60_000), "b".repeat(60_000)] }, "command is too long"],
  ["hosts beside a policy", { allow: ["a.com"], policy: {} }, "allow stands beside policy"],
  ["a path upwards", { files: { "a/../../b": "" } }, "files names no file below the folder"],
  ["an absolute path", { files: { "/etc/passwd": "" } }, "files names no file below the folder"],
  ["an empty name", { files: { "": "" } }, "files names no file below the folder"],
  ["a NUL in a name", { files: { "a\0": "" } }, "files names no file below the folder"],
  ["one name as file and folder", { files: { a: "", "a/b": "" } }, "files names one as a file and as a folder"],
  ["bytes that are no base64", { files: { a: "?" } }, "files is no base64"],
  [
    "too many files",
    { files: Object.fromEntries(Array.from({ length: 257 }, (_, at) => [at, ""])) },
    "files are too many",
  ],
  ["files that are too much", { files: { a: "A".repeat(24_000_000) } }, "files are too much"],
  ["a variable that is none", { env: { "A=B": "x" } }, "env holds what is no variable"],
  ["an environment that is too much", { env: { A: "x".repeat(60_000), B: "y".repeat(60_000) } }, "env is too much"],
  ["no requests at all", { max_requests: 0 }, "max_requests is no whole number"],
  ["half a second", { max_runtime_seconds: 0.5 }, "max_runtime_seconds is no whole number"],
  ["a task that is no name", { task: "a b" }, "task is no id"],
  ["spawn of no id", { spawn: ["*"] }, "spawn is no id"],
];

for (const [title, more, said] of refused) {
  test(`${title} is refused`, () => {
    assert.throws(
      () => readSpawnWish({ ...plain, ...more }),
      (error: unknown) => error instanceof InnerRefusal && error.status === 400 && error.message === said,
    );
  });
}
