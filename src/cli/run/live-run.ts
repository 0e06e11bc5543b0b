// A run while it lives: who watches it, its control socket, and the screen that it draws on.

import type { EventLog } from "#audit/log/event-log.ts";
import type { RunningCell } from "#sandbox/process.ts";
import type { Recorder } from "#session/recorder.ts";
import { type Attachments, createAttachments } from "#supervisor/control/attachments.ts";
import type { RunResult } from "#supervisor/control/protocol.ts";
import type { Control } from "#supervisor/control/server.ts";
import type { TaskEnd } from "#supervisor/task.ts";
import type { RunPorts } from "./ports.ts";
import type { Run } from "./recorded-run.ts";

/** A run that is over sooner is reached by nobody, and pays for no socket. Milliseconds. */
const opensAfter = 30;

export interface LiveRun {
  /** Records the output, and shows it to whoever must see it. */
  readonly recorder: Pick<Recorder, "output">;
  /** To be called when the recorder has drained. */
  drained(): void;
  /** Given the way to let both captures go on. */
  onCaptures(goOn: () => void): void;
  running(cell: RunningCell): void;
  /**
   * Nobody reaches the run any more; whoever watched is told how it ended (null: it never ran). MUST be called before the
   * folder is closed.
   */
  end(end: TaskEnd | null): Promise<void>;
}

/** `publish`: shows a port of the cell to the host, as `run --publish` does. */
export function openLiveRun(
  run: Run,
  log: EventLog,
  recorder: Pick<Recorder, "output">,
  publish: RunPorts["add"],
): LiveRun {
  let goOn = () => {};
  let opening: Promise<Control | null> | null = null;
  let timer: NodeJS.Timeout | null = null;
  const attachments = createAttachments(recorder, () => goOn());
  const { screen, detached, report } = run;
  report.waiting("starting the cell");
  const open = (cell: RunningCell) => {
    opening = openRunControl(run, log, cell, attachments, publish).catch((error: Error) => {
      report.note(`ps, attach and stop cannot reach this run: ${error.message}`);
      return null;
    });
    return opening;
  };
  return {
    recorder: {
      output(stream, chunk) {
        report.interrupted();
        screen?.see(stream, chunk);
        return attachments.recorder.output(stream, chunk);
      },
    },
    drained: attachments.drained,
    onCaptures(captures) {
      goOn = captures;
    },
    running(cell) {
      if (run.ending.termination === null) report.waiting(null);
      screen?.running(cell);
      if (detached === null) timer = setTimeout(() => void open(cell), opensAfter);
      else void open(cell).then(() => detached.started(run.folder));
    },
    async end(end) {
      if (timer !== null) clearTimeout(timer);
      screen?.ended();
      (await opening)?.end(resultOf(end));
    },
  };
}

async function openRunControl(
  run: Run,
  log: EventLog,
  cell: RunningCell,
  attachments: Attachments,
  publish: RunPorts["add"],
): Promise<Control> {
  const { openControl } = await import("#supervisor/control/server.ts");
  const { runVerbs } = await import("#supervisor/control/run-verbs.ts");
  const begun = performance.now();
  const { ending, screen, terminal, folder, subject, command } = run;
  return openControl({
    folder: folder.path,
    verbs: runVerbs({
      cell,
      ending,
      attachments,
      publish,
      terminal,
      modes: () => screen?.modes.enter() ?? "",
      status: () => ({
        session: folder.id,
        pid: process.pid,
        agent_id: subject.agent_id,
        command,
        elapsed_ms: Math.round(performance.now() - begun),
        requests: log.counts.requests,
        allowed: log.counts.allowed,
        denied: log.counts.denied,
        ending: ending.termination?.kind ?? null,
      }),
      onAct: (verb, detail) => void log.append({ type: "control.received", detail: { verb, ...detail } }),
    }),
  });
}

function resultOf(end: TaskEnd | null): RunResult {
  if (end === null) return { exit_code: null, signal: null, termination: null };
  const { exitCode, signal, termination } = end;
  return { exit_code: exitCode, signal, termination };
}
