// The control socket of one run: listens, reads requests, looks their verbs up, answers. Only the run's user can reach it:
// it is 0600 in a 0700 folder, and no cell sees the home of sallyport.
// Rules: whatever a peer says, the run goes on; at most `mostPeers` at once; who is connected and asks nothing is told nothing.

import { createServer, type Server, type Socket } from "node:net";
import { openControlPlace } from "./place.ts";
import {
  type Answer,
  answerLine,
  largestData,
  type ProtocolError,
  parseRequest,
  type RunResult,
  readLines,
} from "./protocol.ts";
import { isRefusal, type Outcome, type Peer, refusal, type Verbs } from "./verb.ts";

const mostPeers = 32;
/** An attached peer that takes nothing for so long is let go: the agent does not wait for it for ever. Milliseconds. */
const patience = 5_000;

export interface Control {
  /** Nobody new is heard, and the socket's file is gone; those connected are told the result, and let go. */
  end(result: RunResult): void;
}

export interface ControlOptions {
  /** The session's folder. */
  readonly folder: string;
  readonly verbs: Verbs;
  /** milliseconds; `patience` without it */
  readonly patience?: number;
}

/** @throws when no socket can be made there. */
export async function openControl(options: ControlOptions): Promise<Control> {
  const place = openControlPlace(options.folder);
  const peers = new Set<ServedPeer>();
  const server = createServer((socket) => {
    const peer = new ServedPeer(socket, options);
    if (peers.size >= mostPeers) {
      peer.answer({ kind: "error", error: { code: "busy", message: `${mostPeers} are connected already` } });
      peer.close();
      return;
    }
    peers.add(peer);
    peer.onClose(() => peers.delete(peer));
    peer.listen();
  });
  try {
    await listen(server, place.path);
    place.protect();
  } catch (error) {
    server.close();
    place.close();
    throw error;
  }
  // A connection that cannot be taken (no descriptor is left) is the peer's loss, not the run's.
  server.on("error", () => {});
  // The run ends when its agent does, whoever still listens.
  server.unref();
  return {
    end(result) {
      server.close();
      place.remove();
      place.close();
      for (const peer of peers) peer.end(result);
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

class ServedPeer implements Peer {
  readonly #socket: Socket;
  readonly #options: ControlOptions;
  readonly #heard: string[] = [];
  #busy = false;
  #stalled: NodeJS.Timeout | null = null;

  constructor(socket: Socket, options: ControlOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.on("error", () => socket.destroy());
    socket.on("drain", () => this.#goesOn());
    socket.on("close", () => this.#goesOn());
  }

  listen(): void {
    this.#socket.on("end", () => this.close());
    readLines(
      this.#socket,
      (line) => this.#hear(line),
      () => this.#hangUp(refusal("malformed", "the line is too long")),
    );
  }

  answer(answer: Answer): boolean {
    return this.#socket.writable && this.#socket.write(answerLine(answer));
  }

  output(stream: "stdout" | "stderr", bytes: Uint8Array): boolean {
    if (!this.#socket.writable) return true;
    let room = true;
    for (let at = 0; at < bytes.length; at += largestData) {
      const data = Buffer.from(bytes.buffer, bytes.byteOffset + at, Math.min(largestData, bytes.length - at));
      room = this.answer({ kind: "output", stream, data });
    }
    if (!room) this.#stalled ??= setTimeout(() => this.#socket.destroy(), this.#options.patience ?? patience).unref();
    return room;
  }

  end(result: RunResult): void {
    this.answer({ kind: "end", end: result });
    this.close();
  }

  close(): void {
    this.#socket.end();
    this.#socket.unref();
  }

  onClose(then: () => void): void {
    this.#socket.once("close", then);
  }

  onDrain(then: () => void): void {
    this.#socket.on("drain", then);
  }

  #goesOn(): void {
    if (this.#stalled !== null) clearTimeout(this.#stalled);
    this.#stalled = null;
  }

  #hear(line: string): void {
    this.#heard.push(line);
    if (!this.#busy) this.#goThrough();
  }

  /** In the order in which they came; while one has to wait, nothing more is read. */
  #goThrough(): void {
    for (let line = this.#heard.shift(); line !== undefined; line = this.#heard.shift()) {
      if (!this.#socket.writable) return;
      const outcome = this.#handle(line);
      if (!(outcome instanceof Promise)) {
        this.#tell(outcome);
        continue;
      }
      this.#busy = true;
      this.#socket.pause();
      void outcome.then((late) => {
        this.#tell(late);
        this.#busy = false;
        this.#socket.resume();
        this.#goThrough();
      });
      return;
    }
  }

  #handle(line: string): Outcome | ProtocolError | Promise<Outcome | ProtocolError> {
    const request = parseRequest(line);
    if ("code" in request) return request;
    const { verbs } = this.#options;
    const verb = Object.hasOwn(verbs, request.verb) ? verbs[request.verb] : undefined;
    if (verb === undefined) return refusal("unknown_verb", `there are: ${Object.keys(verbs).join(", ")}`);
    const failed = (error: unknown) => refusal("refused", error instanceof Error ? error.message : String(error));
    try {
      const outcome = verb.handle(request.members, this);
      return outcome instanceof Promise ? outcome.catch(failed) : outcome;
    } catch (error) {
      return failed(error);
    }
  }

  #tell(outcome: Outcome | ProtocolError): void {
    if (outcome === null) return;
    if (!isRefusal(outcome)) this.answer({ kind: "reply", reply: outcome });
    else if (outcome.code === "malformed" || outcome.code === "version") this.#hangUp(outcome);
    else this.answer({ kind: "error", error: outcome });
  }

  #hangUp(error: ProtocolError): void {
    this.#heard.length = 0;
    this.answer({ kind: "error", error });
    this.close();
  }
}
