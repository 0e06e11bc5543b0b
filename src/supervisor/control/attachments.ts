// Who watches a run besides the terminal it was started on. Each chunk that is passed on and kept goes to them as well; the agent
// is read no faster than they take it (the server lets go of one who takes nothing).

import type { Recorder } from "#session/recorder.ts";
import type { Peer } from "./verb.ts";

export interface Attachments {
  /** Output that is recorded is also passed on. */
  readonly recorder: Pick<Recorder, "output">;
  /** To be called when the recorder has drained. */
  drained(): void;
  /** From now on this peer is told what the agent prints. */
  add(peer: Peer): void;
  readonly count: number;
}

/** `goOn`: reading the agent's output may go on after `output` gave false. */
export function createAttachments(recorder: Pick<Recorder, "output">, goOn: () => void): Attachments {
  const peers = new Set<Peer>();
  const behind = new Set<Peer>();
  let recorderFull = false;
  const mayGoOn = () => {
    if (!recorderFull && behind.size === 0) goOn();
  };
  const caughtUp = (peer: Peer) => {
    if (behind.delete(peer)) mayGoOn();
  };
  return {
    recorder: {
      output(stream, chunk) {
        if (!recorder.output(stream, chunk)) recorderFull = true;
        for (const peer of peers) if (!peer.output(stream, chunk)) behind.add(peer);
        return !recorderFull && behind.size === 0;
      },
    },
    drained() {
      recorderFull = false;
      mayGoOn();
    },
    add(peer) {
      if (peers.has(peer)) return;
      peers.add(peer);
      peer.onDrain(() => caughtUp(peer));
      peer.onClose(() => {
        peers.delete(peer);
        caughtUp(peer);
      });
    },
    get count() {
      return peers.size;
    },
  };
}
