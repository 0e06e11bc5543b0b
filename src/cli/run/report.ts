// What a run says on the person's terminal: one quiet line per denied host and rule, and a summary at the end; with `json`,
// the same as one JSON object a line. Nothing here tears a program that draws: lines are held while one does, and are
// told when it has given the screen back.

import type { Action } from "#core/action.ts";
import type { Decision, Deny } from "#core/decision.ts";
import type { DenyReason } from "#core/reason.ts";
import { printable } from "../output.ts";
import type { Progress } from "../progress.ts";

/** A run told to repeat itself with ever new hosts must not fill memory: later ones are only counted. */
const mostTold = 1000;
/** How often a screen is looked at for whose end lines wait, milliseconds. */
const look = 200;

export interface Report {
  decision(action: Action, decision: Decision): void;
  /** A line of another kind, e.g. what was not carried over from the cell; held like the others. */
  note(line: string): void;
  /** A line from before the agent runs: nothing can be drawn over yet, so it is printed at once. */
  before(line: string): void;
  /** The same, also where nothing else is to be printed. */
  warn(line: string): void;
  /** What is being waited for, should it take longer than a second; null: it has come. */
  waiting(text: string | null): void;
  /** MUST be called before something else is printed where the lines go. */
  interrupted(): void;
  /** Prints what was held, then the summary. */
  end(summary: Summary): void;
  readonly allowed: number;
  readonly denied: number;
  /** Of the allowed, those whose upstream could not be reached or trusted. */
  readonly failed: number;
}

export interface Summary {
  readonly milliseconds: number;
  readonly session: string | null;
  /** Why sallyport ended the run; null when the agent ended by itself. */
  readonly termination: string | null;
}

export interface ReportOptions {
  /** Nothing is printed at all. */
  readonly quiet: boolean;
  /** One JSON object a line: `{"denied":…}`, `{"failed":…}`, `{"notice":…}`; no summary, because the record follows. */
  readonly json: boolean;
  /** True while the agent draws, so that a line would tear its screen. */
  readonly drawing: () => boolean;
  /** Shows what is waited for; absent where nobody looks. */
  readonly progress?: (text: string) => Progress;
}

/** The policy let the request go, and its upstream did not answer as it should: that is no denial. */
const failures: readonly DenyReason[] = ["upstream_unreachable", "upstream_untrusted"];

export function createReport(write: (text: string) => void, how: ReportOptions): Report {
  const told = new Set<string>();
  let held: string[] = [];
  let waiting: NodeJS.Timeout | null = null;
  let allowed = 0;
  let denied = 0;
  let failed = 0;
  let untold = 0;
  let progress: Progress | null = null;
  const put = (line: string) => {
    progress?.clear();
    write(how.json ? `${line}\n` : `sallyport: ${line}\n`);
  };
  const flush = () => {
    if (waiting !== null) clearInterval(waiting);
    waiting = null;
    for (const line of held) put(line);
    held = [];
  };
  const tell = (line: string) => {
    if (how.quiet) return;
    if (held.length === 0 && !how.drawing()) return put(line);
    held.push(line);
    waiting ??= setInterval(() => how.drawing() || flush(), look).unref();
  };
  const notice = (line: string) => (how.json ? JSON.stringify({ notice: line }) : printable(line));
  return {
    decision(action, decision) {
      // A denied name is still answered, and its connection says why: one line for it is enough.
      if (action.kind === "dns") return;
      if (decision.verdict === "allow") {
        allowed += 1;
        return;
      }
      if (failures.includes(decision.reason)) failed += 1;
      else denied += 1;
      const key = `${action.host} ${decision.reason} ${decision.rule ?? ""}`;
      if (told.has(key)) return;
      if (told.size >= mostTold) {
        untold += 1;
        return;
      }
      told.add(key);
      tell(how.json ? denialJson(action, decision) : denialLine(action, decision));
    },
    note: (line) => tell(notice(line)),
    before(line) {
      if (!how.quiet) put(notice(line));
    },
    waiting(text) {
      progress?.end();
      progress = text === null || how.quiet || how.json ? null : (how.progress?.(text) ?? null);
    },
    interrupted() {
      progress?.clear();
    },
    warn: (line) => put(notice(line)),
    end(summary) {
      progress?.end();
      progress = null;
      flush();
      if (how.quiet) return;
      if (untold > 0) put(notice(`and ${untold} more denials of other hosts`));
      if (!how.json) put(summaryLine(summary, allowed, denied, failed));
    },
    get allowed() {
      return allowed;
    },
    get denied() {
      return denied;
    },
    get failed() {
      return failed;
    },
  };
}

function denialLine(action: Exclude<Action, { kind: "dns" }>, deny: Deny): string {
  const what =
    action.kind === "http"
      ? `${action.method} ${action.host}${usualPort(action.port) ? "" : `:${action.port}`}${action.path}`
      : `CONNECT ${action.host}:${action.port}`;
  // What an upstream did wrong has a cause instead of a remedy.
  const told = failures.includes(deny.reason) ? (deny.remedy ?? deny.detail) : deny.remedy;
  const allow = told?.startsWith("--allow ") ? `allow with ${told}` : told;
  return printable(
    `${verdict(deny)} ${clip(what)} (${deny.reason})${allow === null || allow === undefined ? "" : ` · ${allow}`}`,
  );
}

function denialJson(action: Exclude<Action, { kind: "dns" }>, { verdict: _, reason, ...deny }: Deny): string {
  return JSON.stringify({
    [verdict({ reason })]: { action, decision: { decision: "deny", deny_reason: reason, ...deny } },
  });
}

function verdict({ reason }: Pick<Deny, "reason">): "denied" | "failed" {
  return failures.includes(reason) ? "failed" : "denied";
}

function summaryLine(summary: Summary, allowed: number, denied: number, failed: number): string {
  const went = Math.max(0, allowed - failed);
  const parts = [
    `${(summary.milliseconds / 1000).toFixed(1)} s`,
    `${went} ${went === 1 ? "request" : "requests"} allowed, ${denied} denied${failed === 0 ? "" : `, ${failed} failed`}`,
  ];
  if (summary.termination !== null) parts.push(`ended by ${summary.termination}`);
  if (summary.session !== null) parts.push(`session ${summary.session}`);
  return parts.join(" · ");
}

function usualPort(port: number): boolean {
  return port === 80 || port === 443;
}

/** A path may be 64 KiB long; a line on a terminal may not. */
function clip(text: string): string {
  return text.length <= 200 ? text : `${text.slice(0, 199)}…`;
}
