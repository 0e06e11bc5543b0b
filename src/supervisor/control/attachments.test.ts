import assert from "node:assert/strict";
import { test } from "node:test";
import { createAttachments } from "./attachments.ts";
import type { Peer } from "./verb.ts";

function fakePeer() {
  const told: string[] = [];
  const hooks = { drain: () => {}, close: () => {} };
  const state = { room: true };
  const peer: Peer = {
    output(stream, data) {
      told.push(`${stream} ${Buffer.from(data)}`);
      return state.room;
    },
    end() {},
    close() {},
    onClose: (then) => {
      hooks.close = then;
    },
    onDrain: (then) => {
      hooks.drain = then;
    },
  };
  return { peer, told, state, hooks };
}

function open() {
  const state = { kept: true, wentOn: 0 };
  const attachments = createAttachments({ output: () => state.kept }, () => {
    state.wentOn += 1;
  });
  const print = (text: string) => attachments.recorder.output("stdout", Buffer.from(text));
  return { state, attachments, print };
}

test("who is there hears what is recorded, once, and from then on", () => {
  const { attachments, print } = open();
  const { peer, told } = fakePeer();
  print("before");
  attachments.add(peer);
  attachments.add(peer);
  print("after");
  assert.deepEqual(told, ["stdout after"]);
  assert.equal(attachments.count, 1);
});

test("the agent waits until both the recorder and whoever watches have room", () => {
  const { state, attachments, print } = open();
  const { peer, state: of, hooks } = fakePeer();
  attachments.add(peer);
  state.kept = false;
  of.room = false;
  assert.equal(print("x"), false);
  hooks.drain();
  assert.equal(state.wentOn, 0, "the recorder is still full");
  attachments.drained();
  assert.equal(state.wentOn, 1);
  [state.kept, of.room] = [true, true];
  assert.equal(print("y"), true);
});

test("who goes while behind holds nobody up", () => {
  const { state, attachments, print } = open();
  const { peer, state: of, hooks } = fakePeer();
  attachments.add(peer);
  of.room = false;
  assert.equal(print("x"), false);
  hooks.close();
  assert.deepEqual([state.wentOn, attachments.count], [1, 0]);
  assert.equal(print("y"), true);
});
