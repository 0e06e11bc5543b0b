// Writing to a person's terminal must not stop the boundary: one that was stopped (Ctrl-S, a frozen ssh, tmux in copy mode)
// would otherwise stop the one event loop within write(2), and with it every request, cap and signal of the run. Node
// opens terminals for itself, without blocking, and then makes them block; this takes the second step back.

import { WriteStream } from "node:tty";

interface Handle {
  setBlocking?(blocking: boolean): number;
}

/** Gives what makes them block again: what has still to be shown when the run is over may take its time. */
export function unblocked(...streams: readonly NodeJS.WriteStream[]): () => void {
  const handles = streams.flatMap((stream) => {
    const { _handle: handle } = stream as unknown as { _handle?: Handle };
    return stream instanceof WriteStream && handle?.setBlocking !== undefined ? [handle] : [];
  });
  for (const handle of handles) handle.setBlocking?.(false);
  return () => {
    for (const handle of handles) handle.setBlocking?.(true);
  };
}
