import assert from "node:assert/strict";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import {
  type Answer,
  answerLine,
  largestData,
  longestLine,
  parseAnswer,
  parseData,
  parseRequest,
  readLines,
  requestLine,
} from "./protocol.ts";

const refused: readonly (readonly [string, string])[] = [
  ["", "malformed"],
  ["null", "malformed"],
  ["[]", "malformed"],
  ['"status"', "malformed"],
  ['{"v":1}', "malformed"],
  ['{"v":1,"verb":1}', "malformed"],
  ['{"v":1,"verb":""}', "malformed"],
  ['{"v":1,"verb":"Status"}', "malformed"],
  [`{"v":1,"verb":"${"a".repeat(40)}"}`, "malformed"],
  ['{"v":1,"verb":"status"} trailing', "malformed"],
  ['{"verb":"status"}', "version"],
  ['{"v":"1","verb":"status"}', "version"],
  ['{"v":2,"verb":"status"}', "version"],
];
for (const [line, code] of refused)
  test(`the request ${line.slice(0, 40)} is refused as ${code}`, () => {
    const parsed = parseRequest(line);
    assert.equal("code" in parsed && parsed.code, code);
  });

test("a request is its verb and its members", () => {
  const line = requestLine("attach", { columns: 80, rows: 24 });
  assert.deepEqual(parseRequest(line.trim()), { verb: "attach", members: { columns: 80, rows: 24 } });
});

const answers: readonly Answer[] = [
  { kind: "reply", reply: { session: "x", command: ["a", "b"], nothing: null } },
  { kind: "error", error: { code: "busy", message: "no" } },
  { kind: "output", stream: "stderr", data: Buffer.from([0, 10, 255]) },
  {
    kind: "end",
    end: { exit_code: null, signal: "SIGKILL", termination: { kind: "killed", threshold: null, observed: null } },
  },
];
for (const answer of answers)
  test(`an answer of kind ${answer.kind} comes back as it went`, () => {
    const line = answerLine(answer);
    assert.equal(line.indexOf("\n"), line.length - 1);
    assert.deepEqual(parseAnswer(line.trim()), answer);
  });

for (const line of [
  '{"v":2,"reply":{}}',
  '{"v":1}',
  '{"v":1,"reply":{},"error":{"code":"busy","message":""}}',
  '{"v":1,"reply":[]}',
  '{"v":1,"error":{"code":1,"message":""}}',
  '{"v":1,"output":"stdin","data":""}',
  '{"v":1,"output":"stdout","data":"a"}',
  '{"v":1,"output":"stdout"}',
  '{"v":1,"end":{"exit_code":-1,"signal":null,"termination":null}}',
  '{"v":1,"end":{"exit_code":0,"signal":7,"termination":null}}',
  '{"v":1,"end":{"exit_code":0,"signal":null,"termination":{}}}',
])
  test(`the answer ${line.slice(0, 50)} is none`, () => assert.equal(parseAnswer(line), null));

test("data is canonical base64 of a bounded length, and nothing else", () => {
  assert.deepEqual(parseData("aGk="), Buffer.from("hi"));
  assert.deepEqual(parseData(""), Buffer.alloc(0));
  for (const wrong of ["aGk", "aG k=", "aGk==", "aGl=\n", "a-_=", 7, null, ["aGk="]])
    assert.equal(parseData(wrong), null);
  assert.equal(parseData(Buffer.alloc(largestData).toString("base64"))?.length, largestData);
  assert.equal(parseData(Buffer.alloc(largestData + 3).toString("base64")), null);
  assert.ok(answerLine({ kind: "output", stream: "stdout", data: Buffer.alloc(largestData) }).length <= longestLine);
});

test("lines come whole, however they are cut, and one that is too long ends the hearing", () => {
  const heard: string[] = [];
  let over = 0;
  const socket = new PassThrough();
  readLines(
    socket as unknown as Socket,
    (line) => void heard.push(line),
    () => {
      over += 1;
    },
  );
  socket.emit("data", Buffer.from("a\nbc"));
  socket.emit("data", Buffer.from("d\n\ne"));
  assert.deepEqual(heard, ["a", "bcd", ""]);
  for (let sent = 0; sent <= longestLine; sent += 65_536) socket.emit("data", Buffer.alloc(65_536, 120));
  socket.emit("data", Buffer.from("\nlater\n"));
  assert.deepEqual(heard, ["a", "bcd", ""]);
  assert.equal(over, 1);
});
