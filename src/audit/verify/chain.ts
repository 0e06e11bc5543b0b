// Reads a session's log line by line and finds what is not as its writer left it. Independent of the writer: it knows the
// format, not the code. Everything it reads is taken as hostile.

import { hash } from "node:crypto";
import { canonicalJson } from "#lib/canonical-json.ts";
import { member } from "#lib/json.ts";
import type { Finding, FindingCode } from "./finding.ts";

/** Bytes of a line; no writer makes longer ones. */
export const maxLineBytes = 1_600_000;
/** After so many findings, reading goes on but nothing more is said. */
const maxFindings = 50;

const zeros = "0".repeat(64);
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** The stages of a run, each at most once, in this order; the first opens the log and the last closes it. */
const stages = ["spawn.requested", "identity.verified", "policy.loaded", "sandbox.ready", "session.ended"];

export type EventRecord = { readonly [name: string]: unknown };

export interface ChainOptions {
  /** The file's name in findings. */
  readonly place: string;
  /** The session whose log it must be. */
  readonly session: string;
  /** Hears of every readable event, in order. */
  readonly onEvent: (event: EventRecord, place: string) => void;
}

export interface Chain {
  line(bytes: Buffer): void;
  /** Notes a last line without a newline. */
  incomplete(length: number): void;
  overlong(): void;
  note(code: FindingCode, place: string, message: string): void;
  /** MUST be called after the last line. */
  end(): void;
  /** Whole lines read. */
  readonly events: number;
  /** SHA-256 (hex) of the last of them. */
  readonly head: string;
  readonly findings: readonly Finding[];
  /** The last event, when it is `session.ended`. */
  readonly ended: EventRecord | null;
  /** The policy digest of the events, null before the first. */
  readonly policy: string | null;
}

export function createChain(options: ChainOptions): Chain {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const findings: Finding[] = [];
  let lines = 0;
  let head = zeros;
  let nextSeq = 1;
  let time = "";
  let subject: string | null = null;
  let person: string | null = null;
  let policy: string | null = null;
  let stage = -1;
  let ended: EventRecord | null = null;
  let wasTorn = false;

  function note(code: FindingCode, place: string, message: string): void {
    if (findings.length < maxFindings) findings.push({ code, place, message });
  }

  const here = (): string => `${options.place}:${lines}`;

  function parse(bytes: Buffer): EventRecord | null {
    let text: string;
    let value: unknown;
    try {
      text = decoder.decode(bytes);
      value = JSON.parse(text);
    } catch {
      note("line_unreadable", here(), "the line is not JSON in UTF-8");
      return null;
    }
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      note("line_unreadable", here(), "the line is not a JSON object");
      return null;
    }
    if (!isCanonical(value, text)) {
      note(
        "line_not_canonical",
        here(),
        "the line is not in canonical form, so it was not written by the log's writer",
      );
    }
    return value as EventRecord;
  }

  function checkPlace(event: EventRecord): void {
    const { seq, prev } = event;
    if (typeof seq !== "number" || !Number.isSafeInteger(seq)) note("member_wrong", here(), "seq is not an integer");
    else if (seq > nextSeq)
      note("events_missing", here(), `seq ${seq} where ${nextSeq} belongs: ${seq - nextSeq} missing`);
    else if (seq < nextSeq) note("events_repeated_or_reordered", here(), `seq ${seq} where ${nextSeq} belongs`);
    else if (prev !== head) {
      const message =
        lines === 1
          ? "the first line does not start a chain"
          : `the line before is not the one that was here: its SHA-256 is not prev`;
      note("link_broken", here(), message);
    }
    nextSeq = (typeof seq === "number" && Number.isSafeInteger(seq) ? seq : nextSeq) + 1;
  }

  function checkMembers(event: EventRecord): void {
    if (event.session !== options.session) note("member_wrong", here(), "the event belongs to another session");
    if (typeof event.time !== "string" || !timePattern.test(event.time))
      note("member_wrong", here(), "time is not a time");
    else {
      if (event.time < time) note("time_backwards", here(), `time ${event.time} after ${time}`);
      time = event.time;
    }
    // A policy that is updated while a run lives says so itself, and changes nothing else of who it is.
    const isUpdate = event.type === "policy.updated" && member(event.detail, "digest") === event.policy;
    const [who, self] = [JSON.stringify([event.policy, event.subject]), JSON.stringify(withoutVersion(event.subject))];
    if (subject !== null && who !== subject && !(isUpdate && self === person))
      note("member_wrong", here(), "subject or policy changed within the run");
    if (subject === null || isUpdate) subject = who;
    person ??= self;
    policy ??= typeof event.policy === "string" ? event.policy : null;
  }

  function checkStage(event: EventRecord): void {
    if (ended !== null) note("after_the_end", here(), "an event after session.ended");
    ended = event.type === "session.ended" ? event : null;
    const at = typeof event.type === "string" ? stages.indexOf(event.type) : -1;
    if (lines === 1 && at !== 0) note("beginning_wrong", here(), "the log does not begin with spawn.requested");
    if (at === -1) return;
    if (at <= stage) note("stage_wrong", here(), `${stages[at]} after ${stages[stage]}`);
    stage = Math.max(stage, at);
  }

  return {
    line(bytes) {
      lines += 1;
      const event = parse(bytes);
      if (event === null) nextSeq += 1;
      else {
        checkPlace(event);
        checkMembers(event);
        checkStage(event);
        options.onEvent(event, here());
      }
      head = hash("sha256", bytes, "hex");
    },
    incomplete(length) {
      wasTorn = true;
      note("line_incomplete", `${options.place}:${lines + 1}`, `the last line was cut after ${length} bytes`);
    },
    overlong() {
      wasTorn = true;
      note("line_overlong", `${options.place}:${lines + 1}`, `the line is longer than ${maxLineBytes} bytes`);
    },
    note,
    end() {
      if (lines === 0 && !wasTorn)
        note("log_empty", options.place, "the log is empty: nothing was written, or it was emptied");
      else if (ended === null && !wasTorn) note("end_missing", here(), "the log ends without session.ended");
    },
    get events() {
      return lines;
    },
    get head() {
      return head;
    },
    findings,
    get ended() {
      return ended;
    },
    get policy() {
      return policy;
    },
  };
}

function isCanonical(value: object, text: string): boolean {
  try {
    return canonicalJson(value as never) === text;
  } catch {
    return false;
  }
}

/** Who it is, whatever the version of the policy. */
function withoutVersion(subject: unknown): unknown {
  return typeof subject === "object" && subject !== null ? { ...subject, policy_version: null } : subject;
}
