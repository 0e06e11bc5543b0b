// A run under its record: the session folder, the event log and the recorder are opened before anything else happens,
// every stage leaves its event, and whatever goes wrong ends in `session.ended`.

import { join } from "node:path";
import { type EventLog, openEventLog } from "#audit/log/event-log.ts";
import type { JsonValue } from "#core/event.ts";
import type { FailureRecord } from "#core/failure.ts";
import type { Subject } from "#core/subject.ts";
import { exitCodeOf } from "#core/termination.ts";
import type { LendingGate } from "#enforce/gate.ts";
import type { PreparedCell } from "#sandbox/process.ts";
import { eventsFile, type SessionFolder } from "#session/folder.ts";
import type { EndedSession, SessionStart } from "#session/metadata.ts";
import { openRecorder } from "#session/recorder.ts";
import type { Ending } from "#supervisor/ending.ts";
import type { TaskEnd } from "#supervisor/task.ts";
import type { Home } from "../home.ts";
import { failureRecord, printFailure } from "../output.ts";
import type { PolicySource } from "../policy/source.ts";
import type { Suggested } from "../policy/suggestion.ts";
import type { RunProfile } from "../profile/source.ts";
import type { RunSummary } from "../summary/summary.ts";
import type { Attested } from "./attestation.ts";
import { runCell } from "./cell.ts";
import type { ClosedCell } from "./closed-cell.ts";
import type { DetachedStart } from "./detach.ts";
import type { HeldToken } from "./held-token.ts";
import type { Lifeline } from "./lifeline.ts";
import type { Observing } from "./observe.ts";
import { keepPolicy } from "./policy-copy.ts";
import type { Report } from "./report.ts";
import type { Screen } from "./screen.ts";
import { sessionBegin } from "./session-begin.ts";
import type { RunFlags } from "./start.ts";

/** Where flag and policy disagree, the tighter holds. Null is no cap. */
export interface Caps {
  /** seconds */
  readonly runtime: number | null;
  readonly lines: number | null;
  readonly bytes: number | null;
  readonly requests: number | null;
}

/** What one run works with once its policy is known. */
export interface Run {
  readonly command: readonly string[];
  readonly flags: RunFlags;
  readonly workspace: string;
  readonly home: Home;
  readonly source: PolicySource;
  /** The agent's profile; null where none is meant. */
  readonly profile: RunProfile | null;
  readonly caps: Caps;
  readonly subject: Subject;
  readonly folder: SessionFolder;
  readonly report: Report;
  readonly ending: Ending;
  /** With `--observe`. */
  readonly observing: Observing | null;
  /** The token that it is under; null for the machine's own user. */
  readonly held: HeldToken | null;
  /** What it was measured to be; null for an agent that was not measured. */
  readonly attested: Attested | null;
  /** True where the cell has a terminal of its own instead of pipes. */
  readonly terminal: boolean;
  /** Where that terminal's agent draws; null without one. */
  readonly screen: Screen | null;
  /** Who waits for the start of a run that nobody watches; null for a run in somebody's hands. */
  readonly detached: DetachedStart | null;
  /** With `--summary`. */
  readonly summary: RunSummary | null;
}

/**
 * Runs to the end and gives sallyport's exit code. `early`: the cell, where it is being closed already.
 * @throws Failure when there can be no record.
 */
export async function recordRun(cell: PreparedCell, run: Run, early: Promise<ClosedCell> | null): Promise<number> {
  const { source, folder, report, ending } = run;
  const json = run.flags.json === true;
  const begun = performance.now();
  const onBroken = (error: Error) => {
    printFailure(error, json);
    ending.begin({ kind: "boundary_lost", threshold: null, observed: null });
  };
  const log = openEventLog({
    file: join(folder.path, eventsFile),
    subject: run.subject,
    durability: source.policy.execution.durability,
    now: Date.now,
    onBroken,
  });
  let drain = () => {};
  const onDrain = () => drain();
  const record = { folder, start: sessionStart(run), log, now: Date.now };
  const recorder = run.flags.session
    ? openRecorder({ ...record, onDrain, onBroken })
    : (await import("#session/unkept.ts")).openUnkept(record);
  const lifeline = run.flags.spawnedBy === undefined ? null : await openLifeline(ending);
  lifeline?.tell({ session: folder.id, requests: null });
  let requestsUsed = () => 0;
  tellBefore(run);
  let end: TaskEnd;
  let failure: FailureRecord | null = null;
  try {
    announce(run, log);
    const opened = {
      captures: (captures: () => void) => {
        drain = captures;
      },
      gate: (gate: LendingGate) => {
        requestsUsed = () => gate.requestsUsed;
      },
    };
    end = await runCell(cell, run, log, recorder, opened, early);
  } catch (error) {
    failure = failureRecord(error);
    end = { exitCode: printFailure(error, json), signal: null, termination: ending.termination, outOfMemory: false };
  }
  const { exitCode, signal, termination, outOfMemory } = end;
  if (outOfMemory) report.note(`ended: more memory than ${source.policy.execution.maxMemoryBytes} bytes was held`);
  const suggested = run.observing?.result(folder.id);
  const suggestion = suggested === undefined ? {} : { suggestion: suggestionOf(suggested) };
  const ended = await recorder.end({ exit_code: exitCode, signal, termination, failure, ...suggestion });
  run.summary?.ended(ended, source.sources);
  report.end({
    milliseconds: performance.now() - begun,
    session: run.flags.session ? folder.id : `${folder.id} (not kept)`,
    termination: termination?.kind ?? null,
  });
  if (suggested !== undefined && !json && !run.flags.quiet) await tellObserved(suggested, folder.id);
  if (json) process.stderr.write(`${JSON.stringify(ended)}\n`);
  lifeline?.tell({ session: folder.id, requests: requestsUsed() });
  lifeline?.close();
  return termination === null ? (exitCode ?? 125) : exitCodeOf(termination.kind);
}

/** What the person is to know before the agent begins. */
function tellBefore(run: Run): void {
  const { profile, source, report, observing } = run;
  if (profile !== null) report.before(profile.line(source));
  for (const notice of source.notices) report.before(notice);
  for (const warning of observing?.banner ?? []) report.warn(warning);
  for (const name of missingVariables(run))
    report.before(`--env ${name}: it is not set here, so the agent does not have it`);
}

async function openLifeline(ending: Ending): Promise<Lifeline> {
  const { openLifeline: open } = await import("./lifeline.ts");
  return open(() => ending.begin({ kind: "killed", threshold: null, observed: null }, 0));
}

function sessionStart({ held, subject, command, workspace, caps, source, observing }: Run): SessionStart {
  const { maxMemoryBytes, maxProcesses } = source.policy.execution;
  return {
    ...sessionBegin(subject, { command, workspace }),
    ...(held?.parent ? { parent: held.parent } : {}),
    limits: {
      max_runtime_seconds: caps.runtime,
      max_output_lines: caps.lines,
      max_output_bytes: caps.bytes,
      max_requests: caps.requests,
      max_memory: maxMemoryBytes,
      max_processes: maxProcesses,
    },
    ...(observing === null ? {} : { observe: true }),
  };
}

/** The stages before the cell: what was asked, who asks, and what holds. */
function announce(
  { command, flags, workspace, subject, source, profile, home, observing, attested }: Run,
  log: EventLog,
): void {
  // What is not kept is said in the log itself, so that it cannot be taken for what was lost.
  const without = flags.session ? {} : { kept: "events" };
  log.append({ type: "spawn.requested", detail: { command, cwd: workspace, tier: "process", ...without } });
  log.append({
    type: "identity.verified",
    detail: { agent_id: subject.agent_id, owner: subject.owner, ...attestationOf(attested) },
  });
  const copy = keepPolicy(home, source.policy);
  const { digest } = source.policy;
  const how = observing === null ? {} : { observe: true };
  const under = profile === null ? {} : { profile: { name: profile.name, file: profile.file, digest: profile.digest } };
  log.append({ type: "policy.loaded", detail: { digest, sources: source.sources, copy, ...under, ...how } });
}

function suggestionOf({ base, allow, rules, policy }: Suggested): NonNullable<EndedSession["suggestion"]> {
  return { base, allow, rules: rules.map((rule) => ({ ...rule })), policy };
}

async function tellObserved(suggested: Suggested, id: string): Promise<void> {
  process.stderr.write((await import("./observe.ts")).observedText(suggested, id));
}

/** What the log says of it: that nobody measured the agent, or as what, and who vouches for that. */
function attestationOf(attested: Attested | null): { readonly [key: string]: JsonValue } {
  if (attested === null) return { attested: false };
  const { digest, signer } = attested;
  return { attested: true, measurement: digest, issuer: signer?.issuer ?? null, key_id: signer?.keyId ?? null };
}

/** Variables that `--env` names and that have no value to let through: a forgotten key would fail deep inside the agent. */
function missingVariables({ flags }: Run): readonly string[] {
  return flags.env.filter((entry) => !entry.includes("=") && process.env[entry] === undefined);
}
