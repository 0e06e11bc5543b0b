// The wiring of one cell: gate, boundary, the person's streams and signals, and the end of them all.

import { rmdirSync } from "node:fs";
import type { EventLog } from "#audit/log/event-log.ts";
import type { DenyReason } from "#core/reason.ts";
import { type DecisionListener, type LendingGate, openGate } from "#enforce/gate.ts";
import { createNameSums } from "#enforce/name-sums.ts";
import { type Boundary, openBoundary } from "#proxy/boundary.ts";
import { createResolver } from "#proxy/upstream/resolve.ts";
import { openUpstreamTrust } from "#proxy/upstream/trust.ts";
import { createMemoryRelease } from "#sandbox/freed-memory.ts";
import type { PreparedCell, RunningCell } from "#sandbox/process.ts";
import { createOutputMeter } from "#session/output-meter.ts";
import type { Recorder } from "#session/recorder.ts";
import { runTask, type TaskEnd } from "#supervisor/task.ts";
import type { Alerts } from "../alerts.ts";
import { type ClosedCell, closeCell } from "./closed-cell.ts";
import { openInnerApi } from "./inner-api.ts";
import { putRightEarlier } from "./interrupted-runs.ts";
import { openLiveRun } from "./live-run.ts";
import { createRunPorts } from "./ports.ts";
import type { Run } from "./recorded-run.ts";
import { tellRestored } from "./restored.ts";
import { filesDetail, tellMissing } from "./shown-files.ts";
import { personsStreams } from "./terminal.ts";
import { followToken } from "./token-changes.ts";
import { unblocked } from "./unblocked.ts";

/**
 * `early`: the cell, where it is being closed already.
 * @throws Failure when the cell could not be made or the program not started.
 */
export async function runCell(
  cell: PreparedCell,
  run: Run,
  log: EventLog,
  recorder: Recorder,
  opened: { captures(drain: () => void): void; gate(gate: LendingGate): void },
  early: Promise<ClosedCell> | null,
): Promise<TaskEnd> {
  const { source, caps, ending } = run;
  if (early === null) await putRightEarlier(run, log);
  const { authority, files, spec, scratch } = await (early ?? closeCell(cell, run));
  tellMissing(run, files);
  const listener = decisionListener(run);
  const names = source.policy.execution.auditAllActions ? null : createNameSums(log);
  const gate = openGate({
    subject: run.subject,
    policy: source.policy,
    log,
    maxRequests: caps.requests,
    onDecision(action, decision, seq) {
      listener(action, decision, seq);
      inner.decided(action, decision, seq);
      if (decision.verdict === "deny" && action.kind !== "dns") alerts?.denied();
    },
    observation: run.observing?.observation ?? null,
    names,
    standing: run.held?.standing ?? null,
  });
  opened.gate(gate);
  const ports = createRunPorts(log);
  const resolve = createResolver({ placed: source.policy.upstream.resolve });
  const inner = openInnerApi(run, gate, log, cell.user);
  const alerts = await openRunAlerts(run);
  const boundary: Boundary = openBoundary({
    gate,
    authority,
    resolve: ports.around(resolve),
    upstream: openUpstreamTrust({ caFiles: source.policy.upstream.caFiles }),
    inner: () => inner.socket(),
    dnsDeny: source.policy.dnsDeny,
    releaseMemory: createMemoryRelease(),
  });
  const watching = run.held === null ? null : followToken(run, run.held, gate, log, boundary);
  const block = unblocked(process.stdout, process.stderr);
  const signals = forwardSignals(run);
  const live = openLiveRun(run, log, recorder, ports.add);
  let end: TaskEnd | null = null;
  try {
    await ports.open(run.flags.publish, run.report.before);
    end = await runTask({
      cell,
      spec,
      boundary,
      ending,
      meter: createOutputMeter({ lines: caps.lines, bytes: caps.bytes }),
      recorder: live.recorder,
      onCaptures: (drain) => {
        live.onCaptures(drain);
        opened.captures(live.drained);
      },
      ...personsStreams(run),
      maxRuntime: caps.runtime,
      onReady: () => {
        log.append({ type: "sandbox.ready", detail: { tier: "process", user: cell.user.uid, ...filesDetail(files) } });
        ports.ready();
      },
      onRunning: (running) => {
        signals.attach(running);
        live.running(running);
        ports.running({ pid: running.pid, user: cell.user });
      },
      onRestored: (restored) => tellRestored(run, log, restored),
    });
    return end;
  } finally {
    await live.end(end);
    watching?.close();
    await inner.close();
    ports.close();
    signals.close();
    names?.flush();
    block();
    removeIfEmpty(scratch);
    await alerts?.close(lastAlerts);
  }
}

/** Milliseconds that the end of a run waits for its last alerts; what is left then is the next run's. */
const lastAlerts = 2_000;

/** Null where no policy wants alerts: then nothing of them is loaded. */
async function openRunAlerts({ source, home, folder }: Run): Promise<Alerts | null> {
  if (source.policy.alertWebhooks.length === 0) return null;
  const { deliverOwed, openAlerts } = await import("../alerts.ts");
  void deliverOwed(home);
  return openAlerts(home, folder.id, source.policy);
}

/** Failures of an upstream are no doing of the agent's. */
const notViolations: readonly DenyReason[] = ["upstream_unreachable", "upstream_untrusted", "internal_error"];

function decisionListener({ report, ending, caps, source, observing }: Run): DecisionListener {
  const { terminateOnPolicyViolation, level } = source.policy.execution;
  const strict = terminateOnPolicyViolation || level === "strict";
  return (action, decision, seq) => {
    report.decision(action, decision);
    observing?.take(action, decision);
    if (decision.verdict === "allow") return;
    if (decision.reason === "requests_exhausted")
      ending.begin({ kind: "max_requests", threshold: caps.requests, observed: (caps.requests ?? 0) + 1, seq });
    else if (strict && action.kind !== "dns" && !notViolations.includes(decision.reason))
      ending.begin({ kind: "policy_violation", threshold: 0, observed: 1, seq });
  };
}

/** What the person's terminal or a service manager sends to us is meant for the agent. */
function forwardSignals({ ending, detached }: Run): { attach(cell: RunningCell): void; close(): void } {
  let cell: RunningCell | null = null;
  const pass = (signal: NodeJS.Signals) => cell?.signal(signal);
  const end = () => ending.begin({ kind: "killed", threshold: null, observed: null });
  const passed = ["SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
  // A detached run has no terminal that could go away: it stays when the person logs out.
  const ended = detached === null ? (["SIGTERM", "SIGHUP"] as const) : (["SIGTERM"] as const);
  for (const signal of passed) process.on(signal, pass);
  for (const signal of ended) process.on(signal, end);
  return {
    attach(running) {
      cell = running;
    },
    close() {
      for (const signal of passed) process.off(signal, pass);
      for (const signal of ended) process.off(signal, end);
    },
  };
}

/** What was moved away from the workspace stays there for the person to look at. */
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
  }
}
