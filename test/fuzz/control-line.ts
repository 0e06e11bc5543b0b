// Any bytes on a run's control socket, cut anywhere: each line is a request that a strict reader takes, or an error; the verbs take
// only what their kinds name, and no size that is none reaches the cell.

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { PassThrough } from "node:stream";
import { createAttachments } from "#supervisor/control/attachments.ts";
import { longestLine, parseAnswer, parseRequest, readLines } from "#supervisor/control/protocol.ts";
import { runVerbs } from "#supervisor/control/run-verbs.ts";
import type { Peer } from "#supervisor/control/verb.ts";
import { createEnding } from "#supervisor/ending.ts";

export const name = "control-line";

export const seeds: readonly Buffer[] = [
  '{"v":1,"verb":"status"}\n',
  '{"v":1,"verb":"stop","grace":5}\n{"v":1,"verb":"kill"}\n',
  '{"v":1,"verb":"attach","columns":80,"rows":24}\n{"v":1,"verb":"resize","columns":1,"rows":65535}\n',
  '{"v":1,"verb":"input","data":"aGk="}\n',
  '{"v":1,"verb":"__proto__","__proto__":{"a":1}}\n',
  '{"v":1,"reply":{"terminal":true}}\n',
  '{"v":1,"output":"stdout","data":"aGk="}\n',
  '{"v":1,"end":{"exit_code":0,"signal":null,"termination":null}}\n',
  "x".repeat(longestLine + 1),
].map((line) => Buffer.from(line));

const peer: Peer = { output: () => true, end() {}, close() {}, onClose() {}, onDrain() {} };

export function run(bytes: Uint8Array): void {
  const input = Buffer.from(bytes);
  const sizes: number[] = [];
  const verbs = runVerbs({
    cell: {
      stdin: new PassThrough().resume(),
      signal() {},
      resize: (columns, rows) => void sizes.push(columns, rows),
    },
    ending: createEnding(0),
    attachments: createAttachments({ output: () => true }, () => {}),
    terminal: true,
    modes: () => "",
    publish: () => Promise.resolve({}),
    status: () => ({}),
    onAct() {},
  });
  const line = (text: string): void => {
    parseAnswer(text);
    const request = parseRequest(text);
    if ("code" in request) return;
    if (!Object.hasOwn(verbs, request.verb)) return;
    const outcome = verbs[request.verb]?.handle(request.members, peer);
    assert.ok(outcome === null || typeof outcome === "object");
  };
  // Cut where its first byte says.
  const socket = new EventEmitter();
  readLines(socket as Socket, line, () => {});
  const cut = Math.min(input.length, input[0] ?? 0);
  socket.emit("data", input.subarray(0, cut));
  socket.emit("data", input.subarray(cut));
  for (const size of sizes) assert.ok(Number.isInteger(size) && size >= 1 && size <= 65_535);
}
