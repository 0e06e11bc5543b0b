// What a run can be told: how it is, to end, and to be watched. A new verb is a line in this table.

import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import type { RunningCell } from "#sandbox/process.ts";
import type { Ending } from "../ending.ts";
import type { Attachments } from "./attachments.ts";
import { count, data, optional, type Peer, type Reply, refusal, seconds, type Verbs, verb, words } from "./verb.ts";

/** Bytes that wait for an agent that does not read its input. */
const mostInput = 1_048_576;
const longestGrace = 86_400;

export interface RunVerbsOptions {
  readonly cell: Pick<RunningCell, "signal" | "resize" | "stdin">;
  readonly ending: Ending;
  readonly attachments: Attachments;
  /** The cell has a terminal, which can be typed into from here. */
  readonly terminal: boolean;
  /** What brings a terminal that shows nothing yet to where the agent's is; empty without one. */
  readonly modes: () => string;
  readonly status: () => Reply;
  /** Shows a port of the cell to the host. Rejects with a Failure for words that are none, or a port that cannot be had. */
  readonly publish: (port: string) => Promise<Reply>;
  /** Each thing that a person did to the run, for its log. */
  readonly onAct: (verb: string, detail: { readonly [name: string]: JsonValue }) => void;
}

export function runVerbs(options: RunVerbsOptions): Verbs {
  const { cell, ending, attachments, terminal } = options;
  const attached = new WeakSet<Peer>();
  const killed = { kind: "killed", threshold: null, observed: null } as const;
  const side = count(1, 65_535);
  const notAttached = refusal("refused", "attach first");
  return {
    status: verb({}, () => ({ ...options.status(), attached: attachments.count, terminal })),
    /** SIGTERM, then SIGKILL after its grace (seconds; absent: the run's own). The connection ends when the run has. */
    stop: verb({ grace: optional(seconds(longestGrace)) }, ({ grace }) => {
      options.onAct("stop", grace === null ? {} : { grace });
      ending.begin(killed, grace === null ? undefined : Math.round(grace * 1000));
      return { ending: true };
    }),
    kill: verb({}, () => {
      options.onAct("kill", {});
      ending.begin(killed, 0);
      return { ending: true };
    }),
    /** From its reply on, output is told as it comes. With a size, the agent's terminal takes it and draws itself anew. */
    attach: verb({ columns: optional(side), rows: optional(side) }, ({ columns, rows }, peer) => {
      if (!attached.has(peer)) options.onAct("attach", {});
      attached.add(peer);
      attachments.add(peer);
      if (terminal) {
        // It may have stopped itself, with nobody there to let it go on.
        cell.signal("SIGCONT");
        if (columns !== null && rows !== null) {
          // A program draws itself anew when its terminal's size changes, so it changes.
          cell.resize(columns, rows === 1 ? 2 : rows - 1);
          setTimeout(() => cell.resize(columns, rows), 20).unref();
        }
      }
      return { terminal, modes: options.modes() };
    }),
    publish: verb({ port: words(64) }, async ({ port }) => {
      try {
        const opened = await options.publish(port);
        options.onAct("publish", { port });
        return opened;
      } catch (error) {
        if (error instanceof Failure) return refusal("refused", error.message);
        throw error;
      }
    }),
    resize: verb({ columns: side, rows: side }, ({ columns, rows }, peer) => {
      if (!attached.has(peer)) return notAttached;
      cell.resize(columns, rows);
      return null;
    }),
    input: verb({ data: data() }, ({ data }, peer) => {
      if (!attached.has(peer)) return notAttached;
      if (!terminal) return refusal("refused", "this run has no terminal: its input cannot be typed");
      if (cell.stdin.writableLength > mostInput) return refusal("busy", "the agent does not read its input");
      cell.stdin.write(data);
      return null;
    }),
  };
}
