// The published ports of one run: those that its flags name, before its agent begins, and those that a person adds while it
// runs. What they take is loaded with the first.

import type { EventLog } from "#audit/log/event-log.ts";
import type { JsonValue } from "#core/event.ts";
import type { ResolveUpstream } from "#proxy/upstream/resolve.ts";
import type { CellProcess } from "#sandbox/inbound/cell-sockets.ts";
import type { RunPublisher } from "./publish.ts";

export interface RunPorts {
  /** Before the agent; each opened port is told. @throws Failure usage, port_unavailable */
  open(flags: readonly string[], tell: (line: string) => void): Promise<void>;
  /** At any time afterwards. @throws Failure usage, port_unavailable */
  add(text: string): Promise<{ readonly [name: string]: JsonValue }>;
  /** A cell does not come back to itself by way of the host's loopback: its requests would go round for ever. */
  around(resolve: ResolveUpstream): ResolveUpstream;
  /** The cell stands: from now on ports are in the log when they are opened; those that are open already are now. */
  ready(): void;
  running(cell: CellProcess): void;
  close(): void;
}

export function createRunPorts(log: EventLog): RunPorts {
  let loading: Promise<RunPublisher> | null = null;
  let publisher: RunPublisher | null = null;
  let cell: CellProcess | null = null;
  let isReady = false;
  let closed = false;
  const load = () => {
    loading ??= import("./publish.ts").then(({ createRunPublisher }) => {
      publisher = createRunPublisher(log);
      if (isReady) publisher.ready();
      if (cell !== null) publisher.attach(cell);
      if (closed) publisher.close();
      return publisher;
    });
    return loading;
  };
  return {
    async open(flags, tell) {
      for (const text of flags) tell((await (await load()).add(text)).told);
    },
    add: async (text) => (await load()).add(text),
    around: (resolve) => (host, port) => publisher?.refuse(host, port) ?? resolve(host, port),
    ready() {
      isReady = true;
      publisher?.ready();
    },
    running(running) {
      cell = running;
      publisher?.attach(running);
    },
    close() {
      closed = true;
      publisher?.close();
    },
  };
}
