// The wiring of one cell: gate, boundary, what the cell sees and may take, the person's streams and signals.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { EventLog } from "#audit/log/event-log.ts";
import type { DenyReason } from "#core/reason.ts";
import { type DecisionListener, openGate } from "#enforce/gate.ts";
import { type Boundary, openBoundary } from "#proxy/boundary.ts";
import { openAuthority } from "#proxy/tls/authority.ts";
import { createResolver } from "#proxy/upstream/resolve.ts";
import { openUpstreamTrust } from "#proxy/upstream/trust.ts";
import type { CellSpec, PreparedCell, RunningCell } from "#sandbox/process.ts";
import { createOutputMeter } from "#session/output-meter.ts";
import type { Recorder } from "#session/recorder.ts";
import { runTask, type TaskEnd } from "#supervisor/task.ts";
import type { Run } from "./recorded-run.ts";

/** @throws Failure when the cell could not be made or the program not started. */
export async function runCell(
  cell: PreparedCell,
  run: Run,
  log: EventLog,
  recorder: Recorder,
  onCaptures: (drain: () => void) => void,
): Promise<TaskEnd> {
  const { source, caps, home, ending } = run;
  const authority = await openAuthority(home.keys);
  const gate = openGate({
    subject: run.subject,
    policy: source.policy,
    log,
    maxRequests: caps.requests,
    onDecision: decisionListener(run),
  });
  const boundary: Boundary = openBoundary({
    gate,
    authority,
    resolve: createResolver({ placed: source.policy.upstream.resolve }),
    upstream: openUpstreamTrust({ caFiles: source.policy.upstream.caFiles }),
    dnsDeny: source.policy.dnsDeny,
  });
  const signals = forwardSignals(run);
  try {
    return await runTask({
      cell,
      spec: cellSpec(run, cell, authority.certificatePem),
      boundary,
      ending,
      meter: createOutputMeter({ lines: caps.lines, bytes: caps.bytes }),
      recorder,
      onCaptures,
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      maxRuntime: caps.runtime,
      onReady: () => log.append({ type: "sandbox.ready", detail: { tier: "process", user: cell.user.uid } }),
      onRunning: signals.attach,
    });
  } finally {
    signals.close();
  }
}

/** Failures of an upstream are no doing of the agent's. */
const notViolations: readonly DenyReason[] = ["upstream_unreachable", "upstream_untrusted", "internal_error"];

function decisionListener({ report, ending, caps, source }: Run): DecisionListener {
  const { terminateOnPolicyViolation, level } = source.policy.execution;
  const strict = terminateOnPolicyViolation || level === "strict";
  return (action, decision, seq) => {
    report.decision(action, decision);
    if (decision.verdict === "allow") return;
    if (decision.reason === "requests_exhausted")
      ending.begin({ kind: "max_requests", threshold: caps.requests, observed: (caps.requests ?? 0) + 1, seq });
    else if (strict && action.kind !== "dns" && !notViolations.includes(decision.reason))
      ending.begin({ kind: "policy_violation", threshold: 0, observed: 1, seq });
  };
}

/** What the person's terminal or a service manager sends to us is meant for the agent. */
function forwardSignals({ ending }: Run): { attach(cell: RunningCell): void; close(): void } {
  let cell: RunningCell | null = null;
  const pass = (signal: NodeJS.Signals) => cell?.signal(signal);
  const end = () => ending.begin({ kind: "killed", threshold: null, observed: null });
  const passed = ["SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;
  const ended = ["SIGTERM", "SIGHUP"] as const;
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

function cellSpec(run: Run, cell: PreparedCell, authority: string): CellSpec {
  const { workspace, home, source } = run;
  const { execution } = source.policy;
  const folder = join(home.agents, run.subject.agent_id, "home");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    command: run.command,
    cwd: workspace,
    env: {},
    view: { workspace, home: { path: process.env.HOME ?? "/home/agent", folder }, readOnly: [], caBundle: null },
    limits: { memory: execution.maxMemoryBytes, processes: execution.maxProcesses },
    level: execution.level,
    nestedSandbox: execution.nestedSandbox === "allow",
  };
}
