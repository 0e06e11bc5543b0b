// What a run says on the person's terminal: one quiet line per denied host and rule, and a summary at the end.
// Nothing here tears a full-screen program: while one may be drawing, lines are held until it has ended.

import type { Action } from "#core/action.ts";
import type { Decision, Deny } from "#core/decision.ts";
import { printable } from "./output.ts";

/** A run told to repeat itself with ever new hosts must not fill memory: later ones are only counted. */
const mostTold = 1000;

export interface Report {
  decision(action: Action, decision: Decision): void;
  /** A line of another kind, e.g. what was not carried over from the cell; held like the others. */
  note(line: string): void;
  /** A line from before the agent runs: nothing can be drawn over yet, so it is printed at once. */
  before(line: string): void;
  /** Prints what was held, then the summary. */
  end(summary: Summary): void;
  readonly allowed: number;
  readonly denied: number;
}

export interface Summary {
  readonly milliseconds: number;
  readonly session: string | null;
  /** Why sallyport ended the run; null when the agent ended by itself. */
  readonly termination: string | null;
}

/** `hold`: an agent's own screen may be up, so nothing is printed before it ends. `quiet`: nothing is printed at all. */
export function createReport(write: (text: string) => void, how: { quiet: boolean; hold: boolean }): Report {
  const told = new Set<string>();
  const held: string[] = [];
  let allowed = 0;
  let denied = 0;
  let untold = 0;
  const tell = (line: string) => {
    if (how.quiet) return;
    if (how.hold) held.push(line);
    else write(`sallyport: ${line}\n`);
  };
  return {
    decision(action, decision) {
      // A denied name is still answered, and its connection says why: one line for it is enough.
      if (action.kind === "dns") return;
      if (decision.verdict === "allow") {
        allowed += 1;
        return;
      }
      denied += 1;
      const key = `${action.host} ${decision.reason} ${decision.rule ?? ""}`;
      if (told.has(key)) return;
      if (told.size >= mostTold) {
        untold += 1;
        return;
      }
      told.add(key);
      tell(denialLine(action, decision));
    },
    note: tell,
    before(line) {
      if (!how.quiet) write(`sallyport: ${line}\n`);
    },
    end(summary) {
      if (how.quiet) return;
      for (const line of held) write(`sallyport: ${line}\n`);
      if (untold > 0) write(`sallyport: and ${untold} more denials of other hosts\n`);
      write(`sallyport: ${summaryLine(summary, allowed, denied)}\n`);
    },
    get allowed() {
      return allowed;
    },
    get denied() {
      return denied;
    },
  };
}

function denialLine(action: Exclude<Action, { kind: "dns" }>, deny: Deny): string {
  const what =
    action.kind === "http"
      ? `${action.method} ${action.host}${usualPort(action.port) ? "" : `:${action.port}`}${action.path}`
      : `CONNECT ${action.host}:${action.port}`;
  const allow = deny.remedy?.startsWith("--allow ") ? `allow with ${deny.remedy}` : deny.remedy;
  return printable(
    `denied ${clip(what)} (${deny.reason})${allow === null || allow === undefined ? "" : ` · ${allow}`}`,
  );
}

function summaryLine(summary: Summary, allowed: number, denied: number): string {
  const parts = [
    `${(summary.milliseconds / 1000).toFixed(1)} s`,
    `${allowed} ${allowed === 1 ? "request" : "requests"} allowed, ${denied} denied`,
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
