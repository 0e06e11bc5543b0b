// A spawned run's tie to the run that spawned it: a descriptor that the other holds open. When it ends, so do we; and what the
// other needs to know of us, our session and the requests used, is told there.

import { Socket } from "node:net";
import { Failure } from "#core/failure.ts";
import { lifelineDescriptor } from "#supervisor/child.ts";

export interface Lifeline {
  tell(word: { readonly session: string; readonly requests: number }): void;
  close(): void;
}

/** `onGone` is called once, when whoever spawned us is gone or wants our end. @throws Failure usage where nobody holds it */
export function openLifeline(onGone: () => void): Lifeline {
  let socket: Socket;
  try {
    socket = new Socket({ fd: lifelineDescriptor, allowHalfOpen: true });
  } catch (cause) {
    throw new Failure("usage", "this flag is sallyport's own", {
      place: "--spawned-by",
      remedy: "Leave it out.",
      cause,
    });
  }
  socket.on("error", onGone);
  socket.on("end", onGone);
  socket.resume();
  socket.unref();
  return {
    tell: (word) => void socket.write(`${JSON.stringify(word)}\n`),
    close: () => void socket.end(),
  };
}
