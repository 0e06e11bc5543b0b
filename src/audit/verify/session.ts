// Verifies one session's folder from its files alone: the chain of its log, its output against the log, session.json
// against both. Reads, never writes; reaches no network and none of the code that wrote the files. Memory does not grow
// with the log.
//
// What it can not find, by itself: a log written again from some event on, together with session.json, by someone who owns
// the home; and whole lines cut from the end of a log whose session never ended.

import { createHash, hash } from "node:crypto";
import { closeSync, constants, openSync, readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { JsonValue } from "#core/event.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { member } from "#lib/json.ts";
import { readLines } from "#lib/line-reader.ts";
import { type Chain, createChain, type EventRecord, maxLineBytes } from "./chain.ts";
import { type Finding, type Status, statusOf } from "./finding.ts";
import { type OutputCheck, openOutputCheck } from "./output.ts";

export interface Verification {
  readonly status: Status;
  readonly session: string;
  /** `events`: its log says that nothing else of the run was kept (`--no-session`), so nothing else is looked for. */
  readonly kept: "session" | "events";
  /** Whole events read. */
  readonly events: number;
  /** SHA-256 (hex) of the last of them. */
  readonly head: string;
  /** The effective policy's digest, as every event names it. */
  readonly policy: string | null;
  readonly findings: readonly Finding[];
}

const files = { session: "session.json", events: "events.jsonl", stdout: "stdout.log", stderr: "stderr.log" };

interface Found {
  readonly bytes: number;
  readonly sha256: string;
}

interface Counts {
  allowed: number;
  denied: number;
  requests: number;
  dns_allowed: number;
  dns_denied: number;
}

/** `folder` is `…/sessions/<id>`. Never throws for what it finds there. */
export function verifySession(folder: string): Verification {
  const session = basename(resolve(folder));
  const counts: Counts = { allowed: 0, denied: 0, requests: 0, dns_allowed: 0, dns_denied: 0 };
  let kept: Verification["kept"] = "session";
  let outputs: Outputs | null = null;
  const chain = createChain({
    place: files.events,
    session,
    onEvent(event, place) {
      if (event.type === "action") count(counts, event);
      if (event.type === "dns.summed") counts.dns_allowed += Number(member(event.detail, "count"));
      if (chain.events === 1 && member(event.detail, "kept") === "events") kept = "events";
      if (event.type !== "output") return;
      outputs ??= openOutputs(folder, chain);
      const output = kept === "session" ? outputs.get(event.stream as "stdout") : undefined;
      if (output === undefined) chain.note("member_wrong", place, "output of a stream that does not exist");
      else output.event(event, place);
    },
  });
  const events = readChain(join(folder, files.events), chain);
  chain.end();
  if (kept === "session") {
    const found: Record<string, Found> = { [files.events]: events };
    for (const [stream, output] of outputs ?? openOutputs(folder, chain))
      found[files[stream]] = output.end(chain.ended !== null);
    checkSession(folder, session, chain, found, counts);
  }
  const { findings, head, policy } = chain;
  return { status: statusOf(findings), session, kept, events: chain.events, head, policy, findings };
}

type Outputs = ReadonlyMap<"stdout" | "stderr", OutputCheck>;

function openOutputs(folder: string, chain: Chain): Outputs {
  const open = (stream: "stdout" | "stderr") => openOutputCheck(join(folder, files[stream]), files[stream], chain.note);
  return new Map([
    ["stdout", open("stdout")],
    ["stderr", open("stderr")],
  ]);
}

function readChain(file: string, chain: Chain): Found {
  const digest = createHash("sha256");
  let bytes = 0;
  let fd: number;
  try {
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    chain.note("file_unreadable", files.events, (error as Error).message);
    return { bytes, sha256: digest.digest("hex") };
  }
  try {
    const lines = readLines(fd, maxLineBytes, 0, (read) => {
      bytes += read.length;
      digest.update(read);
    });
    for (const line of lines) {
      if (line.whole) chain.line(line.bytes);
      else if (line.overlong) chain.overlong();
      else chain.incomplete(line.bytes.length);
    }
  } finally {
    closeSync(fd);
  }
  return { bytes, sha256: digest.digest("hex") };
}

function count(counts: Counts, event: EventRecord): void {
  const kind = member(event.action, "kind");
  const allowed = member(event.decision, "decision") === "allow";
  if (kind === "dns") counts[allowed ? "dns_allowed" : "dns_denied"] += 1;
  else counts[allowed ? "allowed" : "denied"] += 1;
  if (kind === "http") counts.requests += 1;
}

function checkSession(
  folder: string,
  session: string,
  chain: Chain,
  found: Record<string, Found>,
  counts: Counts,
): void {
  const wrong = (message: string) => chain.note("session_mismatch", files.session, message);
  let record: unknown;
  try {
    const fd = openSync(join(folder, files.session), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      record = JSON.parse(readFileSync(fd, "utf8"));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    chain.note("file_unreadable", files.session, (error as Error).message);
    return;
  }
  if (member(record, "id") !== session) wrong("it is the record of another session");
  const policy = member(member(record, "policy"), "digest");
  if (chain.policy !== null && policy !== chain.policy) wrong("its policy is not the one the events name");
  if (member(record, "state") === "running") {
    if (chain.ended !== null)
      chain.note("end_missing", files.session, "the log has ended, but session.json does not say so");
    return;
  }
  if (chain.ended === null && member(member(record, "log"), "broken") === null) {
    wrong("it says that the session ended, and the log does not");
  }
  for (const [name, { bytes, sha256 }] of Object.entries(found)) {
    const stated = member(member(record, "files"), name);
    if (member(stated, "bytes") !== bytes || member(stated, "sha256") !== sha256)
      wrong(`${name} is not the file it describes`);
  }
  const log = member(record, "log");
  if (member(log, "events") !== chain.events || member(log, "head") !== chain.head)
    wrong("the log's last event is not the one it names");
  for (const [name, value] of Object.entries(counts)) {
    if (member(member(record, "counts"), name) !== value) wrong(`${name} is not what the log counts: ${value}`);
  }
  if (chain.ended !== null) checkEnd(record, member(chain.ended, "detail"), wrong);
}

/** What session.json says must be what `session.ended` said, which the chain holds fast. */
function checkEnd(record: unknown, detail: unknown, wrong: (message: string) => void): void {
  for (const name of ["exit_code", "signal", "termination", "failure", "duration_ms"]) {
    if (canonicalOf(member(record, name)) !== canonicalOf(member(detail, name)))
      wrong(`${name} is not what session.ended says`);
  }
  if (hash("sha256", canonicalOf(startOf(record)), "hex") !== member(detail, "start_sha256")) {
    wrong("what it says of the run's start is not what session.ended vouches for");
  }
}

const endMembers = new Set([
  "version",
  "state",
  "ended",
  "duration_ms",
  "exit_code",
  "signal",
  "termination",
  "failure",
  "counts",
  "files",
  "log",
  // Derived from the events; whoever doubts it derives it again.
  "suggestion",
]);

function startOf(record: unknown): unknown {
  if (record === null || typeof record !== "object") return null;
  return Object.fromEntries(Object.entries(record).filter(([name]) => !endMembers.has(name)));
}

function canonicalOf(value: unknown): string {
  try {
    return canonicalJson(value as JsonValue);
  } catch {
    return "";
  }
}
