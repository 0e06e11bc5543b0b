// `sallyport attach ID`: this terminal becomes the run's: its output here, and where the run has a terminal, the keys there. Detaching
// leaves the run as it is, and this terminal as it was before.

import { constants } from "node:os";
import type { Writable } from "node:stream";
import { type Command, InvalidArgumentError, Option } from "commander";
import { Failure } from "#core/failure.ts";
import { makeRaw } from "#sandbox/terminal.ts";
import { createTerminalModes } from "#sandbox/terminal-modes.ts";
import type { Session } from "#session/store.ts";
import { type Conversation, NoAnswer, openConversation } from "#supervisor/control/client.ts";
import { type Answer, largestData, type RunResult } from "#supervisor/control/protocol.ts";
import { openHome } from "./home.ts";
import { createDetachKeys, parseDetachKeys } from "./run/detach-keys.ts";
import { answersWithin, exitCodeOfRun, findRunning, unreachable, waitForEnd } from "./run/running.ts";
import { terminalSize } from "./run/terminal.ts";

type Keys = NonNullable<ReturnType<typeof parseDetachKeys>>;

interface AttachFlags {
  readonly detachKeys: { readonly text: string; readonly keys: Keys };
  readonly input: boolean;
  readonly quiet?: boolean;
}

/** Why watching is over. */
type Over =
  | { readonly kind: "detached" }
  | { readonly kind: "signal"; readonly signal: NodeJS.Signals }
  | Answer
  | null;

export function register(program: Command): void {
  program
    .command("attach")
    .description("watch a run, and type into its terminal")
    .argument("<session>", "an id, the beginning of one, or last")
    .addOption(
      new Option("--detach-keys <keys>", "what detaches: ctrl-p,ctrl-q or ctrl-] or ctrl-a,d")
        .argParser(detachKeys)
        .default(detachKeys("ctrl-p,ctrl-q"), "ctrl-p,ctrl-q"),
    )
    .option("--no-input", "only watch: nothing that is typed is passed on")
    .option("-q, --quiet", "do not say how to detach")
    .addHelpText(
      "after",
      "\nA run has a terminal when it was started with -t, or by a person at one. Without it there is only its output here, and\n" +
        "Ctrl-C ends the watching, not the run.\n" +
        "Exit code: the run's, when it ends meanwhile; 0 after detaching.\n",
    )
    .action(attach);
}

async function attach(text: string, flags: AttachFlags): Promise<void> {
  const home = openHome(process.env);
  const session = await findRunning(home, text);
  let conversation: Conversation;
  try {
    conversation = await openConversation(session.folder.path);
  } catch (error) {
    throw error instanceof NoAnswer ? unreachable(session, error.message, error) : error;
  }
  try {
    const over = await watch(session, conversation, flags);
    if (over === null) throw await lost(home.sessions, session);
    if (over.kind === "signal") process.exitCode = 128 + constants.signals[over.signal];
    else if (over.kind === "end") process.exitCode = end(session, over.end, flags);
    else if (over.kind === "detached") say(flags, `detached; ${session.folder.id} goes on`);
    else throw unreachable(session, over.kind === "error" ? over.error.message : "it answered something else");
  } finally {
    conversation.close();
  }
}

/** Why the conversation broke off: the run is gone, or it goes on without us. */
async function lost(sessions: string, session: Session): Promise<Failure> {
  const { id } = session.folder;
  if ((await waitForEnd(sessions, session, 500)).state !== "running")
    return new Failure("session_not_running", "its boundary is gone, and the run with it", {
      place: id,
      remedy: `See what it did: sallyport sessions show ${id}`,
    });
  return new Failure("session_unreachable", "it goes on without this terminal, which has taken nothing for too long", {
    place: id,
    remedy: `Watch again: sallyport attach ${id}; what was missed: sallyport logs ${id}`,
  });
}

/** To the end of watching; the terminal is as before then. */
async function watch(session: Session, conversation: Conversation, flags: AttachFlags): Promise<Over> {
  const { stdin } = process;
  const sized = process.stdout.isTTY ? terminalSize() : {};
  conversation.send("attach", { ...sized });
  const first = await within(conversation.next(), session);
  if (first === null || first.kind !== "reply") return first;
  const terminal = first.reply.terminal === true;
  const keys = terminal && stdin.isTTY && flags.input;
  say(
    flags,
    `attached to ${session.folder.id} · ${keys ? `${flags.detachKeys.text} detaches` : "Ctrl-C ends watching"}; the run goes on`,
  );
  const modes = createTerminalModes();
  const own = terminal && process.stdout.isTTY;
  const show = async (stream: "stdout" | "stderr", data: Buffer) => {
    if (own) modes.see(data);
    await write(process[stream], data);
  };
  if (own && typeof first.reply.modes === "string") await show("stdout", Buffer.from(first.reply.modes));
  let left: Over = null;
  const leave = (how: Over) => {
    left ??= how;
    conversation.close();
  };
  const closeInput =
    flags.input && terminal ? passInput(conversation, flags, () => leave({ kind: "detached" })) : () => {};
  const resize = () => conversation.send("resize", { ...terminalSize() });
  if (own) process.on("SIGWINCH", resize);
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  const stop = (signal: NodeJS.Signals) => leave({ kind: "signal", signal });
  for (const signal of signals) process.on(signal, stop);
  try {
    for (;;) {
      const next = await conversation.next();
      if (left !== null) return left;
      // To what is typed there is no reply; where it is refused (the agent reads nothing), nothing can be done here.
      if (next?.kind === "error") continue;
      if (next?.kind !== "output") return next;
      await show(next.stream, next.data);
    }
  } finally {
    for (const signal of signals) process.off(signal, stop);
    process.off("SIGWINCH", resize);
    closeInput();
    if (own) process.stdout.write(modes.leave());
  }
}

/** Passes on what is typed; gives what puts the terminal back. */
function passInput(conversation: Conversation, { detachKeys }: AttachFlags, detach: () => void): () => void {
  const { stdin } = process;
  const send = (bytes: Buffer) => {
    for (let at = 0; at < bytes.length; at += largestData)
      conversation.send("input", { data: bytes.subarray(at, at + largestData).toString("base64") });
  };
  const keys = createDetachKeys(detachKeys.keys, send);
  const typed = (bytes: Buffer) => {
    const { pass, detach: asked } = stdin.isTTY ? keys.take(bytes) : { pass: bytes, detach: false };
    send(pass);
    if (asked) detach();
  };
  // Of a pipe the end is not the end of watching: the run goes on, and so does what it prints.
  stdin.on("data", typed);
  const back = rawInput();
  return () => {
    keys.close();
    stdin.off("data", typed);
    back();
    stdin.pause();
    stdin.unref();
  };
}

function rawInput(): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  makeRaw(stdin);
  return () => void stdin.setRawMode(false);
}

async function within<T>(answer: Promise<T>, session: Session): Promise<T> {
  const late = Promise.withResolvers<"late">();
  const timer = setTimeout(() => late.resolve("late"), answersWithin);
  const first = await Promise.race([answer, late.promise]);
  clearTimeout(timer);
  if (first === "late") throw unreachable(session, `it does not answer within ${answersWithin / 1000} s`);
  return first;
}

function end(session: Session, result: RunResult, flags: AttachFlags): number {
  const code = exitCodeOfRun(result);
  say(flags, `${session.folder.id} ended: ${result.termination?.kind ?? `exit ${code}`}`);
  return code;
}

/** To a person only: what is piped on holds the run's output and nothing else. */
function say({ quiet }: AttachFlags, line: string): void {
  if (!quiet && process.stderr.isTTY) process.stderr.write(`sallyport: ${line}\n`);
}

function write(stream: Writable, data: Buffer): Promise<void> {
  return new Promise((resolve) => {
    // What cannot be written any more is said by the stream's own error.
    stream.write(data, () => resolve());
  });
}

function detachKeys(text: string): AttachFlags["detachKeys"] {
  const keys = parseDetachKeys(text);
  if (keys === null) throw new InvalidArgumentError("They are spelled ctrl-p,ctrl-q or ctrl-] or ctrl-a,d.");
  return { text, keys };
}
