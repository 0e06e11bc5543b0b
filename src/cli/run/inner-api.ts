// What an agent may ask sallyport from inside its cell (http://sallyport.internal/v1/…), and what it is told. Opened when it is
// first asked. Everything here is about the asker's own run: nothing of others, of the host or of the token itself is told.

import type { EventLog } from "#audit/log/event-log.ts";
import type { Action } from "#core/action.ts";
import type { Decision, Deny } from "#core/decision.ts";
import type { JsonValue } from "#core/event.ts";
import { denyReasons } from "#core/reason.ts";
import type { LendingGate } from "#enforce/gate.ts";
import { utcText } from "#lib/utc.ts";
import type { ControlPlace } from "#supervisor/control/place.ts";
import {
  type InnerAnswer,
  InnerRefusal,
  type InnerRequest,
  type InnerRoute,
  type InnerServer,
} from "#supervisor/inner/server.ts";
import type { Run } from "./recorded-run.ts";
import type { FileOwner, Spawning } from "./spawned-run.ts";

export interface InnerApi {
  /** The socket that answers; made at the first call. */
  socket(): Promise<string>;
  /** To be told of every decision of the run. */
  decided(action: Action, decision: Decision, seq: number): void;
  /** Ends what was spawned, and resolves when nothing of it is left. */
  close(): Promise<void>;
}

interface Denied {
  readonly seq: number;
  readonly action: Action;
  readonly decision: Deny;
}

/** Denials that can be asked about. */
const keptDenials = 64;
const longestNote = 4096; // UTF-16 units
const mostNotes = 1000;

/** `owner`: whose the files of spawned agents are, when root started the run. */
export function openInnerApi(run: Run, gate: LendingGate, log: EventLog, owner: FileOwner): InnerApi {
  const begun = performance.now();
  const denials: Denied[] = [];
  let opening: Promise<{ place: ControlPlace; server: InnerServer; children: Spawning }> | null = null;
  const open = async () => {
    const { openInnerServer } = await import("#supervisor/inner/server.ts");
    const { openSpawning } = await import("./spawned-run.ts");
    const children = openSpawning({ run, gate, log, owner, secondsLeft: () => secondsLeft(run, begun) });
    const { openControlPlace } = await import("#supervisor/control/place.ts");
    const place = openControlPlace(run.folder.path, "api.sock");
    const server = await openInnerServer(place.path, [
      { method: "GET", path: "/v1/whoami", doc: "who this run is", answer: () => whoami(run, gate) },
      { method: "GET", path: "/v1/budget", doc: "what is left to it", answer: () => budget(run, gate, begun) },
      { method: "GET", path: "/v1/explain", doc: "why something was denied", answer: (ask) => explain(ask, denials) },
      { method: "POST", path: "/v1/notes", doc: "a line for the session's record", answer: noting(log) },
      { method: "POST", path: "/v1/spawn", doc: "an agent with a part of what this one has", answer: children.spawn },
    ] satisfies readonly InnerRoute[]);
    place.protect();
    return { place, server, children };
  };
  return {
    async socket() {
      opening ??= open();
      return (await opening).place.path;
    },
    decided(action, decision, seq) {
      if (decision.verdict === "allow") return;
      denials.push({ seq, action, decision });
      if (denials.length > keptDenials) denials.shift();
    },
    async close() {
      if (opening === null) return;
      const { place, server, children } = await opening;
      await children.close();
      server.close();
      place.remove();
      place.close();
    },
  };
}

/** The gate knows the policy that holds now. */
function whoami({ held }: Run, { subject }: LendingGate): InnerAnswer {
  const { agent_id, owner, policy_id, policy_version, policy_digest, session, token } = subject;
  return {
    agent_id,
    owner,
    policy_id,
    policy_version,
    policy_digest,
    session,
    token_id: token?.jti ?? null,
    task: token?.task ?? null,
    chain: token?.chain ?? [],
    parent: held?.parent ?? null,
    expires: held === null ? null : utcText(held.expires),
    may_spawn: held?.spawnable ?? [],
  };
}

/** Infinity where there is no limit. */
function secondsLeft({ caps, held }: Run, begun: number): number {
  const runtime = caps.runtime === null ? Number.POSITIVE_INFINITY : caps.runtime - (performance.now() - begun) / 1000;
  const token = held === null ? Number.POSITIVE_INFINITY : held.expires - Date.now() / 1000;
  return Math.max(0, Math.min(runtime, token));
}

function budget(run: Run, gate: LendingGate, begun: number): InnerAnswer {
  const { caps } = run;
  const finite = (value: number) => (Number.isFinite(value) ? Math.floor(value) : null);
  return {
    requests: { limit: caps.requests, used: gate.requestsUsed, left: finite(gate.requestsLeft) },
    seconds: {
      limit: caps.runtime,
      used: Math.floor((performance.now() - begun) / 1000),
      left: finite(secondsLeft(run, begun)),
    },
    output_lines: { limit: caps.lines },
    output_bytes: { limit: caps.bytes },
    resets: null,
  };
}

function explain({ query }: InnerRequest, denials: readonly Denied[]): InnerAnswer {
  const asked = query.get("seq");
  const found = asked === null ? denials : denials.filter(({ seq }) => String(seq) === asked);
  if (asked !== null && found.length === 0) {
    throw new InnerRefusal(
      404,
      "session_unknown",
      "no denial with that seq is remembered",
      `Leave out seq for the last ${keptDenials}.`,
    );
  }
  return { denials: found.map(explained) };
}

function explained({ seq, action, decision }: Denied): { readonly [key: string]: JsonValue } {
  const { reason, rule, remedy, detail } = decision;
  return { seq, action: { ...action }, deny_reason: reason, meaning: denyReasons[reason], rule, remedy, detail };
}

/** What the agent wants to have in the record is the agent's word, and marked as that. */
function noting(log: EventLog): InnerRoute["answer"] {
  let notes = 0;
  return ({ body }) => {
    const { text } = body;
    if (typeof text !== "string" || text === "" || text.length > longestNote)
      throw new InnerRefusal(
        400,
        "usage",
        "a note is a text",
        `Send {"text": "…"} of at most ${longestNote} characters.`,
      );
    notes += 1;
    if (notes > mostNotes)
      throw new InnerRefusal(429, "usage", `a run has at most ${mostNotes} notes`, "Write to standard output instead.");
    return { seq: log.append({ type: "agent.noted", detail: { text } }) };
  };
}
