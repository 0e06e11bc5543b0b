import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "#core/failure.ts";
import { parsePublish } from "./publish.ts";

const both = ["127.0.0.1", "::1"];
for (const [text, addresses, port, cellPort] of [
  ["3000", both, 3000, 3000],
  ["8080:3000", both, 8080, 3000],
  ["0:3000", both, 0, 3000],
  ["localhost:3000", both, 3000, 3000],
  ["127.0.0.1:3000", ["127.0.0.1"], 3000, 3000],
  ["127.0.0.1:8080:3000", ["127.0.0.1"], 8080, 3000],
  ["0.0.0.0:3000", ["0.0.0.0"], 3000, 3000],
  ["[::1]:3000", ["::1"], 3000, 3000],
  ["[::]:8080:3000", ["::"], 8080, 3000],
  ["[FD00::0:1]:1:2", ["fd00::1"], 1, 2],
] as const)
  test(`--publish ${text} listens on ${addresses.join(" and ")} port ${port}, for ${cellPort} in the cell`, () => {
    assert.deepEqual(parsePublish(text), { addresses, port, cellPort });
  });

for (const text of [
  "",
  "x",
  "3000:",
  ":3000",
  "0",
  "65536",
  "3000:65536",
  "*:3000",
  "a.example:3000",
  "::1:3000",
  "[::1]",
  "1:2:3:4",
  "-1",
  " 3000",
  "3000 ",
  "127.1:3000",
  "0x7f.1:80",
  "[127.0.0.1]x:80",
])
  test(`--publish ${JSON.stringify(text)} is a wrong use, with a remedy`, () => {
    assert.throws(
      () => parsePublish(text),
      (error) => error instanceof Failure && error.code === "usage" && error.remedy !== null,
    );
  });
