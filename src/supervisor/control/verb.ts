// A verb of the control socket: the members it takes, each parsed strictly, and what it does. A table of these is all that
// the server knows of what a run can be told.

import type { JsonValue } from "#core/event.ts";
import { type Members, type ProtocolError, parseData, type RunResult } from "./protocol.ts";

/** One connection, as a verb sees it. */
export interface Peer {
  /** Passes on what the agent printed. False: the peer is behind; `onDrain` of `attach` tells when it is not. */
  output(stream: "stdout" | "stderr", data: Uint8Array): boolean;
  end(result: RunResult): void;
  /** Ends the connection. */
  close(): void;
  /** Called once when the connection is over, whoever ended it. */
  onClose(then: () => void): void;
  onDrain(then: () => void): void;
}

export type Reply = { readonly [name: string]: JsonValue };
/** Null: this verb is not answered. */
export type Outcome = Reply | null;

export interface Verb {
  /** A `ProtocolError` is the answer in place of a reply. */
  handle(members: Members, peer: Peer): Outcome | ProtocolError | Promise<Outcome | ProtocolError>;
}

export type Verbs = { readonly [name: string]: Verb };

/** Undefined: not a value of this kind. */
export type Kind<T> = (value: unknown) => T | undefined;

type Values<K extends { readonly [name: string]: Kind<unknown> }> = {
  readonly [name in keyof K]: Exclude<ReturnType<K[name]>, undefined>;
};

/** A verb with exactly these members; one that is absent is told to its kind as `undefined`. */
export function verb<K extends { readonly [name: string]: Kind<unknown> }>(
  kinds: K,
  act: (values: Values<K>, peer: Peer) => Outcome | ProtocolError | Promise<Outcome | ProtocolError>,
): Verb {
  return {
    handle(members, peer) {
      const unknown = Object.keys(members).find((name) => !Object.hasOwn(kinds, name));
      if (unknown !== undefined) return refusal("bad_member", `no member ${JSON.stringify(unknown).slice(0, 80)}`);
      const values: { [name: string]: unknown } = {};
      for (const [name, kind] of Object.entries(kinds)) {
        const value = kind(Object.hasOwn(members, name) ? members[name] : undefined);
        if (value === undefined) return refusal("bad_member", `${name} is missing, or not what it should be`);
        values[name] = value;
      }
      return act(values as Values<K>, peer);
    },
  };
}

export function refusal(code: ProtocolError["code"], message: string): ProtocolError {
  return { code, message };
}

export function isRefusal(outcome: Outcome | ProtocolError): outcome is ProtocolError {
  return outcome !== null && typeof outcome.code === "string" && typeof outcome.message === "string";
}

/** A whole number from `least` to `most`. */
export function count(least: number, most: number): Kind<number> {
  return (value) =>
    typeof value === "number" && Number.isInteger(value) && value >= least && value <= most ? value : undefined;
}

export function seconds(most: number): Kind<number> {
  return (value) => (typeof value === "number" && value >= 0 && value <= most ? value : undefined);
}

export function data(): Kind<Buffer> {
  return (value) => parseData(value) ?? undefined;
}

/** A text of one to `most` printable ASCII characters. */
export function words(most: number): Kind<string> {
  return (value) => (typeof value === "string" && value.length <= most && /^[ -~]+$/.test(value) ? value : undefined);
}

/** Null where the member is absent. */
export function optional<T>(kind: Kind<T>): Kind<T | null> {
  return (value) => (value === undefined ? null : kind(value));
}
