// `sallyport policy suggest SESSION`: the flags and the policy that would have been enough for a session, from its log:
// for one that was observed, and as well for one that was denied something.

import type { Action } from "#core/action.ts";
import type { JsonValue } from "#core/event.ts";
import { type DenyReason, denyReasons } from "#core/reason.ts";
import { member } from "#lib/json.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import type { SessionFolder } from "#session/folder.ts";
import { openHome } from "../home.ts";
import { printable, printJson, printLine } from "../output.ts";
import { findLog } from "../run/unkept-run.ts";
import { createSuggester, type Suggested, suggestedLines } from "./suggestion.ts";

export interface SuggestFlags {
  readonly paths?: boolean;
  readonly toml?: boolean;
  readonly json?: boolean;
}

export function suggestPolicy(text: string, flags: SuggestFlags): void {
  const folder = findLog(openHome(process.env), text);
  const suggested = suggestedOf(folder, flags.paths === true);
  if (flags.json) printJson({ session: folder.id, ...suggested });
  else if (flags.toml) printLine(suggested.policy.trimEnd());
  else {
    printLine(`session ${folder.id}`);
    for (const line of suggestedLines(suggested)) printLine(printable(line));
  }
}

function suggestedOf(folder: SessionFolder, paths: boolean): Suggested {
  const events = readEvents(folder);
  let suggester = createSuggester([], paths);
  let observed = false;
  for (const { event } of events) {
    if (event.type === "policy.loaded") {
      suggester = createSuggester(sourcesOf(event), paths);
      observed = member(event.detail, "observe") === true;
    }
    const action = event.type === "action" ? actionOf(event.action) : null;
    if (action === null) continue;
    const { decision } = event;
    const denied = member(decision, "decision") === "deny";
    const deny = denied ? decision : member(decision, "would_deny");
    const reason = member(deny, "deny_reason");
    const remedy = member(deny, "remedy");
    suggester.take(action, {
      reason: isReason(reason) ? reason : null,
      remedy: typeof remedy === "string" ? remedy : null,
      // As the run itself tells it (observe.ts).
      byRule: typeof member(deny, "rule") === "string" || (observed && denied && reason !== "private_address"),
    });
  }
  return suggester.result(folder.id);
}

function sourcesOf({ detail }: LoggedEvent): string[] {
  const sources = member(detail, "sources");
  return Array.isArray(sources) ? sources.filter((source) => typeof source === "string") : [];
}

/** A connection or request of the log; null for what is neither. */
function actionOf(value: JsonValue | undefined): Action | null {
  const [kind, host, port] = ["kind", "host", "port"].map((name) => member(value, name));
  if (typeof host !== "string" || typeof port !== "number") return null;
  if (kind === "connect") return { kind, host, port, protocol: "tcp" };
  const [method, path] = ["method", "path"].map((name) => member(value, name));
  if (kind !== "http" || typeof method !== "string" || typeof path !== "string") return null;
  // A path that was cut is no path: it has none that a rule can name.
  const whole = member(value, "path_length") === undefined ? path : "";
  return { kind, scheme: "https", host, port, method, path: whole, body: false, upgrade: null };
}

function isReason(value: unknown): value is DenyReason {
  return typeof value === "string" && Object.hasOwn(denyReasons, value);
}
