// The wiring of one cell: gate, boundary, what the cell sees and may take, the person's streams and signals.

import { mkdirSync, rmdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { EventLog } from "#audit/log/event-log.ts";
import type { DenyReason } from "#core/reason.ts";
import { type DecisionListener, type LendingGate, openGate } from "#enforce/gate.ts";
import { createNameSums } from "#enforce/name-sums.ts";
import { type Boundary, openBoundary } from "#proxy/boundary.ts";
import { openAuthority } from "#proxy/tls/authority.ts";
import { createResolver } from "#proxy/upstream/resolve.ts";
import { openUpstreamTrust } from "#proxy/upstream/trust.ts";
import type { Restored } from "#sandbox/additions.ts";
import { cellEnvironment } from "#sandbox/environment.ts";
import type { Files } from "#sandbox/files.ts";
import { createMemoryRelease } from "#sandbox/freed-memory.ts";
import type { Shim } from "#sandbox/inner-shim.ts";
import type { CellSpec, PreparedCell, RunningCell } from "#sandbox/process.ts";
import { buildTrust } from "#sandbox/trust.ts";
import { createOutputMeter } from "#session/output-meter.ts";
import type { Recorder } from "#session/recorder.ts";
import { runTask, type TaskEnd } from "#supervisor/task.ts";
import type { Alerts, AlertWay } from "../alerts.ts";
import { projectFiles } from "../policy/files.ts";
import { followAuthority } from "./authority.ts";
import { openInnerApi } from "./inner-api.ts";
import { notesFolder, putRightEarlier } from "./interrupted-runs.ts";
import { openLiveRun } from "./live-run.ts";
import { createRunPorts } from "./ports.ts";
import type { Run } from "./recorded-run.ts";
import { filesDetail, policyFiles } from "./shown-files.ts";
import { personsStreams } from "./terminal.ts";
import { unblocked } from "./unblocked.ts";

/** @throws Failure when the cell could not be made or the program not started. */
export async function runCell(
  cell: PreparedCell,
  run: Run,
  log: EventLog,
  recorder: Recorder,
  opened: { captures(drain: () => void): void; gate(gate: LendingGate): void },
): Promise<TaskEnd> {
  const { source, caps, home, ending } = run;
  const authority = await openAuthority(home.keys);
  await putRightEarlier(run, log);
  const files = await policyFiles(run, agentHome());
  const shim = run.held === null ? null : (await import("#sandbox/inner-shim.ts")).innerShim();
  const scratch = join(run.folder.path, "workspace");
  mkdirSync(scratch, { mode: 0o700 });
  const spec = cellSpec(run, cell, authority.certificatePem, scratch, files, shim);
  // The cell is closed while its gate and boundary are made; nothing of the agent starts before `run`.
  cell.prepare(spec);
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
  const trust = openUpstreamTrust({ caFiles: source.policy.upstream.caFiles });
  const alerts = await openRunAlerts(run, { resolve, trust });
  const boundary: Boundary = openBoundary({
    gate,
    authority,
    resolve: ports.around(resolve),
    upstream: trust,
    inner: () => inner.socket(),
    dnsDeny: source.policy.dnsDeny,
    releaseMemory: createMemoryRelease(),
  });
  const watching = run.held === null ? null : followAuthority(run, run.held, gate, log, boundary);
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
async function openRunAlerts({ source, home, folder, flags }: Run, way: AlertWay): Promise<Alerts | null> {
  const urls = source.policy.alertWebhooks;
  if (urls.length === 0 || !flags.session) return null;
  const { deliverOwed, openAlerts } = await import("../alerts.ts");
  void deliverOwed(home, way, folder.id);
  return openAlerts(home, folder.id, urls, way);
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

/** HOME in the cell: where it is on the host. */
function agentHome(): string {
  return process.env.HOME ?? "/home/agent";
}

function cellSpec(
  run: Run,
  cell: PreparedCell,
  authorityPem: string,
  scratch: string,
  files: Files | null,
  shim: Shim | null,
): CellSpec {
  const { workspace, home, source } = run;
  const { execution } = source.policy;
  const folder = join(home.agents, run.subject.agent_id, "home");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const homePath = agentHome();
  return {
    command: run.command,
    cwd: workspace,
    env: cellEnvironment({
      host: process.env,
      extra: extraEnvironment([...(run.profile?.env(source.policy) ?? []), ...execution.env, ...run.flags.env]),
      home: homePath,
      user: cell.user.name,
      trust: true,
      terminal: run.terminal,
      shim: shim !== null,
    }),
    view: {
      workspace,
      home: { path: homePath, folder },
      sallyportHome: home.path,
      scratch,
      readOnly: [
        ...source.files.map((file) => resolve(file)),
        ...projectFiles(workspace),
        ...(run.summary?.files ?? []),
      ],
      note: join(notesFolder(home), `${run.folder.id}.json`),
      files,
      trust: buildTrust(join(home.keys, "trust"), authorityPem),
      measured: run.attested?.files ?? null,
      shim,
      agent: run.profile?.view(homePath, folder) ?? null,
    },
    limits: { memory: execution.maxMemoryBytes, processes: execution.maxProcesses },
    level: execution.level,
    nestedSandbox: execution.nestedSandbox === "allow",
  };
}

/** `NAME=VALUE` as it stands, `NAME` with the value it has here; one that has none here is not there. */
function extraEnvironment(entries: readonly string[]): Record<string, string> {
  const extra: Record<string, string> = {};
  for (const entry of entries) {
    const at = entry.indexOf("=");
    const value = at === -1 ? process.env[entry] : entry.slice(at + 1);
    if (value !== undefined) extra[at === -1 ? entry : entry.slice(0, at)] = value;
  }
  return extra;
}

function tellRestored({ report }: Run, log: EventLog, restored: readonly Restored[]): void {
  if (restored.length === 0) return;
  const told = restored.map(({ path, action, keys }) => ({ path, action, keys: [...keys] }));
  log.append({ type: "workspace.restored", detail: { restored: told } });
  for (const { path, action, keys } of restored) {
    if (action === "config_carried_over") continue;
    const which = keys.length === 0 ? "" : ` (${keys.join(", ")})`;
    report.note(
      `${path}: ${action === "config_filtered" ? "settings not carried over" : "the agent's change undone"}${which}`,
    );
  }
}

/** What was moved away from the workspace stays there for the person to look at. */
function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
  }
}
