import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { Failure } from "#core/failure.ts";
import { createEnding } from "../ending.ts";
import { createAttachments } from "./attachments.ts";
import { ask, NoAnswer, openConversation } from "./client.ts";
import { controlFile, openControlPlace } from "./place.ts";
import { longestLine, requestLine } from "./protocol.ts";
import { runVerbs } from "./run-verbs.ts";
import { type Control, openControl } from "./server.ts";
import { verb } from "./verb.ts";

interface Scene {
  readonly folder: string;
  readonly control: Control;
  /** What the cell, the ending and the log heard. */
  readonly heard: string[];
  readonly stdin: PassThrough;
  /** Prints as the agent would; false: nobody reads it on. */
  print(text: string | Buffer): boolean;
  /** Reading the agent may go on. */
  readonly wentOn: PromiseWithResolvers<void>;
}

/** A run with its own verbs, in front of a cell that is a list of what it heard. */
async function openScene(
  context: TestContext,
  options: { terminal?: boolean; patience?: number; folder?: string } = {},
) {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), "sallyport-control-"));
  const heard: string[] = [];
  const stdin = new PassThrough();
  const scene = { folder, heard, stdin, wentOn: Promise.withResolvers<void>() } as {
    -readonly [name in keyof Scene]: Scene[name];
  };
  const attachments = createAttachments({ output: () => true }, () => scene.wentOn.resolve());
  const ending = createEnding(5_000, ({ kind }, grace) => void heard.push(`ending ${kind} ${grace}`));
  scene.print = (what) => attachments.recorder.output("stdout", Buffer.from(what));
  scene.control = await openControl({
    folder,
    ...(options.patience === undefined ? {} : { patience: options.patience }),
    verbs: {
      ...runVerbs({
        cell: {
          stdin,
          signal: (name) => void heard.push(name),
          resize: (columns, rows) => void heard.push(`resize ${columns}x${rows}`),
        },
        ending,
        attachments,
        terminal: options.terminal ?? true,
        modes: () => "\u001b[?1049h",
        status: () => ({ session: "here" }),
        publish: (port) =>
          port === "taken"
            ? Promise.reject(new Failure("port_unavailable", "another program has it"))
            : Promise.resolve({ port }),
        onAct: (name, detail) => void heard.push(`act ${name} ${JSON.stringify(detail)}`),
      }),
      later: verb({}, () => new Promise((resolve) => setImmediate(resolve, { late: true }))),
      broken: verb({}, () => Promise.reject(new Error("no disk"))),
    },
  });
  context.after(() => {
    scene.control.end({ exit_code: 0, signal: null, termination: null });
    rmSync(folder, { recursive: true, force: true });
  });
  return scene as Scene;
}

async function dial(folder: string): Promise<Socket> {
  const place = openControlPlace(folder);
  const socket = createConnection({ path: place.path });
  await once(socket, "connect");
  place.close();
  return socket;
}

/** Says these lines, closes its side where asked to, and gives all that is answered. */
async function say(folder: string, lines: string): Promise<string[]> {
  const socket = await dial(folder);
  const all = text(socket);
  socket.write(lines);
  // The last line's answer is there when this one's is.
  socket.write(requestLine("status"));
  socket.once("data", () => setImmediate(() => socket.end()));
  return (await all).trim().split("\n");
}

test("the socket is its user's alone, and gone with its run", async (context) => {
  const { folder, control } = await openScene(context);
  assert.equal(statSync(join(folder, controlFile)).mode & 0o777, 0o600);
  control.end({ exit_code: 0, signal: null, termination: null });
  assert.equal(existsSync(join(folder, controlFile)), false);
  await assert.rejects(ask(folder, "status", {}, 1_000), (error) => error instanceof NoAnswer && error.why === "gone");
});

test("a home that is deeper than a socket's path may be long is reached all the same", async (context) => {
  const root = mkdtempSync(join(tmpdir(), "sallyport-control-"));
  context.after(() => rmSync(root, { recursive: true, force: true }));
  const folder = join(root, "deep".repeat(30), "deeper".repeat(20));
  mkdirSync(folder, { recursive: true });
  await openScene(context, { folder });
  assert.deepEqual(await ask(folder, "status", {}, 5_000), {
    kind: "reply",
    reply: { session: "here", attached: 0, terminal: true },
  });
});

const wrong: readonly (readonly [title: string, line: string, code: string])[] = [
  ["a verb that there is not", '{"v":1,"verb":"revive"}', "unknown_verb"],
  ["a verb of every object", '{"v":1,"verb":"constructor"}', "unknown_verb"],
  ["a member that there is not", '{"v":1,"verb":"status","all":true}', "bad_member"],
  ["a grace that is none", '{"v":1,"verb":"stop","grace":"5s"}', "bad_member"],
  ["a grace below zero", '{"v":1,"verb":"stop","grace":-1}', "bad_member"],
  ["a size of no rows", '{"v":1,"verb":"attach","columns":80,"rows":0}', "bad_member"],
  ["a size that is no number", '{"v":1,"verb":"attach","columns":80.5,"rows":2}', "bad_member"],
  ["keys before attaching", '{"v":1,"verb":"input","data":"aGk="}', "refused"],
  ["a size before attaching", '{"v":1,"verb":"resize","columns":8,"rows":8}', "refused"],
  ["a port that is none", '{"v":1,"verb":"publish","port":3000}', "bad_member"],
  ["a port that is taken", '{"v":1,"verb":"publish","port":"taken"}', "refused"],
  ["a verb that fails", '{"v":1,"verb":"broken"}', "refused"],
];
for (const [title, line, code] of wrong)
  test(`${title} is answered with ${code}, changes nothing, and the conversation goes on`, async (context) => {
    const { folder, heard } = await openScene(context);
    const [first = "", second = ""] = await say(folder, `${line}\n`);
    assert.equal((JSON.parse(first) as { error: { code: string } }).error.code, code);
    assert.ok("reply" in (JSON.parse(second) as object));
    assert.deepEqual(heard, []);
  });

for (const [title, line] of [
  ["no JSON", "status\n"],
  ["another version", '{"v":2,"verb":"kill"}\n'],
  ["an endless line", "x".repeat(longestLine + 1)],
] as const)
  test(`whoever speaks ${title} is told so, and let go`, async (context) => {
    const { folder, heard } = await openScene(context);
    const socket = await dial(folder);
    socket.write(line);
    const [only = "", ...more] = (await text(socket)).trim().split("\n");
    assert.match(only, /"error":\{"code":"(malformed|version)"/);
    assert.deepEqual([more, heard], [[], []]);
  });

test("answers come in the order of their questions, also where one has to wait", async (context) => {
  const { folder } = await openScene(context);
  const lines = await say(folder, requestLine("later") + requestLine("status") + requestLine("later"));
  assert.deepEqual(
    lines.map((line) => Object.keys((JSON.parse(line) as { reply: object }).reply)[0]),
    ["late", "session", "late", "session"],
  );
});

test("stop and kill end the run with their grace, and are told when it has ended", async (context) => {
  const { folder, heard, control } = await openScene(context);
  const conversation = await openConversation(folder);
  conversation.send("stop", { grace: 1.5 });
  assert.deepEqual(await conversation.next(), { kind: "reply", reply: { ending: true } });
  conversation.send("kill");
  assert.deepEqual(await conversation.next(), { kind: "reply", reply: { ending: true } });
  const end = {
    exit_code: 137,
    signal: null,
    termination: { kind: "killed", threshold: null, observed: null },
  } as const;
  control.end(end);
  assert.deepEqual(await conversation.next(), { kind: "end", end });
  assert.equal(await conversation.next(), null);
  assert.deepEqual(heard, ['act stop {"grace":1.5}', "ending killed 1500", "act kill {}"]);
});

test("who attaches hears what is printed from then on, types, and sets the size", async (context) => {
  const { folder, heard, stdin, print } = await openScene(context);
  print("before");
  const conversation = await openConversation(folder);
  conversation.send("attach", { columns: 100, rows: 30 });
  assert.deepEqual(await conversation.next(), { kind: "reply", reply: { terminal: true, modes: "\u001b[?1049h" } });
  print("after");
  assert.deepEqual(await conversation.next(), { kind: "output", stream: "stdout", data: Buffer.from("after") });
  conversation.send("input", { data: Buffer.from("keys").toString("base64") });
  conversation.send("resize", { columns: 90, rows: 20 });
  const [typed] = await once(stdin, "data");
  assert.equal(String(typed), "keys");
  conversation.send("status");
  const status = await conversation.next();
  assert.equal(status?.kind === "reply" && status.reply.attached, 1);
  conversation.close();
  // A smaller size and then the right one, so that what draws draws itself anew.
  assert.deepEqual(heard.slice(0, 4), ["act attach {}", "SIGCONT", "resize 100x29", "resize 90x20"]);
});

test("a run without a terminal takes no keys", async (context) => {
  const { folder } = await openScene(context, { terminal: false });
  const conversation = await openConversation(folder);
  conversation.send("attach");
  assert.deepEqual(await conversation.next(), { kind: "reply", reply: { terminal: false, modes: "\u001b[?1049h" } });
  conversation.send("input", { data: "aGk=" });
  const refused = await conversation.next();
  assert.equal(refused?.kind === "error" && refused.error.code, "refused");
  conversation.close();
});

test("the agent waits for who is attached, but not for ever for one that takes nothing", async (context) => {
  const scene = await openScene(context, { patience: 50 });
  const socket = await dial(scene.folder);
  socket.write(requestLine("attach"));
  await once(socket, "data");
  socket.pause();
  const block = Buffer.alloc(65_536, 120);
  let printed = 1;
  for (; scene.print(block); printed++) assert.ok(printed < 1_000, "it is never held back");
  const closed = once(socket, "close");
  // Nothing of it is read: its connection is cut, and reading the agent goes on.
  await scene.wentOn.promise;
  assert.equal(scene.print(block), true);
  socket.resume();
  await closed;
});

test("a socket that nobody listens on, and a file in its place, are runs that are gone", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-control-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const gone = (error: unknown) => error instanceof NoAnswer && error.why === "gone";
  await assert.rejects(openConversation(folder), gone);
  writeFileSync(join(folder, controlFile), "");
  await assert.rejects(openConversation(folder), gone);
  await assert.rejects(openConversation(join(folder, "none")), gone);
});

test("one that listens and says nothing is silent, and one that speaks something else is none", async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-control-"));
  const spoken: string[] = [];
  const server = createServer((socket) => {
    socket.on("data", () => {
      const line = spoken.shift();
      if (line !== undefined) socket.write(line);
    });
    socket.on("error", () => {});
  });
  await new Promise<void>((resolve) => void server.listen(join(folder, controlFile), resolve));
  context.after(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const why = (expected: string) => (error: unknown) => error instanceof NoAnswer && error.why === expected;
  await assert.rejects(ask(folder, "status", {}, 50), why("silent"));
  spoken.push("HTTP/1.1 400\r\n");
  await assert.rejects(ask(folder, "status", {}, 5_000), why("gone"));
  spoken.push('{"v":1,"error":{"code":"version","message":"this run speaks version 2"}}\n');
  await assert.rejects(ask(folder, "status", {}, 5_000), why("foreign"));
});

test("no more than 32 are heard at once, and a place is free again when one goes", async (context) => {
  const { folder } = await openScene(context);
  const sockets: Socket[] = [];
  for (let i = 0; i < 32; i++) sockets.push(await dial(folder));
  sockets[0]?.write(requestLine("status"));
  await once(sockets[0] as Socket, "data");
  assert.match(await text(await dial(folder)), /"busy"/);
  const closed = sockets.map((socket) => once(socket, "close"));
  for (const socket of sockets) socket.destroy();
  await Promise.all(closed);
  const until = Date.now() + 5_000;
  for (;;) {
    const answer = await ask(folder, "status", {}, 1_000);
    if (answer.kind === "reply") break;
    assert.ok(Date.now() < until, "no place came free");
  }
});
