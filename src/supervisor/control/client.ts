// The other end of a control socket: one question and its answer, or a conversation (`attach`).

import { createConnection, type Socket } from "node:net";
import { openControlPlace } from "./place.ts";
import { type Answer, type Members, parseAnswer, readLines, requestLine } from "./protocol.ts";

/** The run's boundary is not there (killed, or the run has ended), does not answer, or speaks another language. */
export class NoAnswer extends Error {
  readonly why: "gone" | "silent" | "foreign";
  constructor(why: NoAnswer["why"], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "NoAnswer";
    this.why = why;
  }
}

export interface Conversation {
  send(verb: string, members?: Members): void;
  /** Answers in order; after the last one, or where the connection broke, null. */
  next(): Promise<Answer | null>;
  close(): void;
}

/** `folder`: of the session. @throws NoAnswer gone */
export async function openConversation(folder: string): Promise<Conversation> {
  const socket = await connect(folder);
  const answers: (Answer | null)[] = [];
  let waiting: ((answer: Answer | null) => void) | null = null;
  const take = (answer: Answer | null) => {
    if (waiting === null) {
      answers.push(answer);
      // Read no faster than the answers are taken: the run then knows that we are behind.
      if (answers.length > 16) socket.pause();
      return;
    }
    const tell = waiting;
    waiting = null;
    tell(answer);
  };
  let over = false;
  const end = () => {
    if (!over) take(null);
    over = true;
  };
  socket.on("error", () => socket.destroy());
  socket.on("end", end).on("close", end);
  readLines(
    socket,
    (line) => {
      const answer = parseAnswer(line);
      if (answer === null) socket.destroy();
      else take(answer);
    },
    () => socket.destroy(),
  );
  return {
    send(verb, members = {}) {
      if (socket.writable) socket.write(requestLine(verb, members));
    },
    next() {
      const ready = answers.shift();
      if (ready !== undefined) {
        if (answers.length <= 4) socket.resume();
        return Promise.resolve(ready);
      }
      return over ? Promise.resolve(null) : new Promise((resolve) => (waiting = resolve));
    },
    close: () => socket.destroy(),
  };
}

/** `milliseconds`: how long it may take in all. @throws NoAnswer */
export async function ask(folder: string, verb: string, members: Members, milliseconds: number): Promise<Answer> {
  const conversation = await openConversation(folder);
  const timer = Promise.withResolvers<"silent">();
  const clock = setTimeout(() => timer.resolve("silent"), milliseconds);
  try {
    conversation.send(verb, members);
    const answer = await Promise.race([conversation.next(), timer.promise]);
    if (answer === "silent") throw new NoAnswer("silent", `it does not answer within ${milliseconds / 1000} s`);
    if (answer === null) throw new NoAnswer("gone", "it ended before it answered");
    if (answer.kind === "error" && (answer.error.code === "version" || answer.error.code === "unknown_verb"))
      throw new NoAnswer("foreign", answer.error.message);
    return answer;
  } finally {
    clearTimeout(clock);
    conversation.close();
  }
}

async function connect(folder: string): Promise<Socket> {
  try {
    const place = openControlPlace(folder);
    try {
      const socket = createConnection({ path: place.path });
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.once("connect", () => {
          socket.off("error", reject);
          resolve();
        });
      });
      return socket;
    } finally {
      place.close();
    }
  } catch (error) {
    // No file, nobody listening, no folder any more, or not ours: in each case nobody answers there.
    throw new NoAnswer("gone", `nobody answers: ${(error as Error).message}`, error);
  }
}
