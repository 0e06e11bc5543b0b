// `run --summary FILE`: what one run did, for a job of CI: Markdown, or SARIF by the file's ending. The file is opened before
// anything of the agent runs and written when the run is over, however it ended, a run that never began included.

import type { Action } from "#core/action.ts";
import type { Decision, Deny } from "#core/decision.ts";
import { exitCodeOf, type FailureRecord } from "#core/failure.ts";
import type { DenyReason } from "#core/reason.ts";
import type { EndedSession } from "#session/metadata.ts";
import { failureRecord, printFailure } from "../output.ts";
import type { Report } from "../run/report.ts";
import { openSummaryFile, type SummaryFile } from "./file.ts";

/** An agent can ask for ever new hosts: what comes after so many is only counted. */
const most = 1000;

export interface HostCounts {
  allowed: number;
  denied: number;
  /** Allowed, and the upstream did not answer as it should. */
  failed: number;
}

/** One denial, however often it happened: the same thing asked of the same host, denied for the same reason. */
export interface DenialFacts {
  readonly action: Exclude<Action, { kind: "dns" }>;
  readonly deny: Deny;
  times: number;
}

/** What a page is made of. */
export interface SummaryFacts {
  readonly command: readonly string[];
  readonly hosts: ReadonlyMap<string, HostCounts>;
  readonly denials: readonly DenialFacts[];
  /** Denials that were not told apart any more. */
  readonly more: number;
  /** Where the policy came from; empty where it was never read. */
  readonly sources: readonly string[];
  /** The run's record; null when it never began, and then `failure` says why. */
  readonly record: EndedSession | null;
  readonly failure: FailureRecord | null;
  /** What the shell saw. */
  readonly exitCode: number;
}

export interface RunSummary {
  /** Where it is written, for the cell to find them read-only. */
  readonly files: readonly string[];
  /** The report, which hears of every decision. */
  watch(report: Report): Report;
  ended(record: EndedSession, sources: readonly string[]): void;
}

/** Runs, and writes the summary. Gives the run's exit code; 125 where that was 0 and the summary could not be written. */
export async function summarizeRun(
  files: readonly string[],
  command: readonly string[],
  json: boolean,
  run: (summary: RunSummary) => Promise<number>,
): Promise<number> {
  const targets = openAll(files);
  const seen = collect();
  let ended: { record: EndedSession; sources: readonly string[] } | null = null;
  const summary: RunSummary = {
    files: targets.map(({ path }) => path),
    watch: seen.watch,
    ended: (record, sources) => {
      ended = { record, sources };
    },
  };
  const write = async (exitCode: number, failure: FailureRecord | null): Promise<boolean> => {
    const { hosts, denials, more } = seen;
    const record: EndedSession | null = ended?.record ?? null;
    const facts: SummaryFacts = {
      command,
      hosts,
      denials: [...denials.values()],
      more: more(),
      sources: ended?.sources ?? [],
      record,
      failure: failure ?? record?.failure ?? null,
      exitCode,
    };
    let written = true;
    for (const target of targets) {
      try {
        const text =
          target.format === "sarif"
            ? (await import("./sarif.ts")).sarifText(facts)
            : (await import("./markdown.ts")).markdownText(facts);
        target.write(text);
      } catch (error) {
        printFailure(error, json);
        written = false;
      }
    }
    return written;
  };
  let code: number;
  try {
    code = await run(summary);
  } catch (error) {
    const failure = failureRecord(error);
    await write(exitCodeOf(failure.code), failure);
    throw error;
  }
  return (await write(code, null)) || code !== 0 ? code : 125;
}

/** @throws Failure for the first that cannot be one; none is left open then. */
function openAll(files: readonly string[]): SummaryFile[] {
  const opened: SummaryFile[] = [];
  try {
    for (const file of files) opened.push(openSummaryFile(file, process.cwd()));
    return opened;
  } catch (error) {
    for (const file of opened) file.close();
    throw error;
  }
}

/** What an upstream does is no denial. */
const upstreams: readonly DenyReason[] = ["upstream_unreachable", "upstream_untrusted"];
const others = "(others)";

function collect(): {
  readonly hosts: Map<string, HostCounts>;
  readonly denials: Map<string, DenialFacts>;
  more(): number;
  watch(report: Report): Report;
} {
  const hosts = new Map<string, HostCounts>();
  const denials = new Map<string, DenialFacts>();
  let more = 0;
  const countsOf = (host: string): HostCounts => {
    const name = hosts.has(host) || hosts.size < most ? host : others;
    const counts = hosts.get(name) ?? { allowed: 0, denied: 0, failed: 0 };
    hosts.set(name, counts);
    return counts;
  };
  const take = (action: Action, decision: Decision): void => {
    if (action.kind === "dns") return;
    const counts = countsOf(action.host);
    if (decision.verdict === "allow") {
      counts.allowed += 1;
      return;
    }
    if (upstreams.includes(decision.reason)) {
      counts.failed += 1;
      counts.allowed = Math.max(0, counts.allowed - 1);
    } else counts.denied += 1;
    const what = action.kind === "http" ? action.method : "CONNECT";
    const key = [action.host, action.port, what, decision.reason, decision.rule ?? ""].join(" ");
    const known = denials.get(key);
    if (known !== undefined) known.times += 1;
    else if (denials.size < most) denials.set(key, { action, deny: decision, times: 1 });
    else more += 1;
  };
  return {
    hosts,
    denials,
    more: () => more,
    watch: (report) => {
      const told = report.decision.bind(report);
      return Object.assign(report, {
        decision(action: Action, decision: Decision) {
          take(action, decision);
          told(action, decision);
        },
      });
    },
  };
}
