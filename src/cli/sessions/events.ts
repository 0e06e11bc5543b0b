// `sallyport sessions events`: a session's log, also while it grows.

import { setTimeout as sleep } from "node:timers/promises";
import type { Event } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { member } from "#lib/json.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import { openSession } from "#session/store.ts";
import { openHome } from "../home.ts";
import { printable, printLine } from "../output.ts";
import { findLog } from "../run/unkept-run.ts";
import { eventLine } from "./view.ts";

export interface EventFlags {
  readonly type?: string;
  readonly denied?: boolean;
  readonly follow?: boolean;
  readonly json?: boolean;
}

/** What `--type` may name: each type of event, once. */
export const eventTypes = Object.keys({
  action: true,
  output: true,
  "spawn.requested": true,
  "identity.verified": true,
  "policy.loaded": true,
  "sandbox.ready": true,
  "session.ended": true,
  "boundary.failed": true,
  "control.received": true,
  "workspace.restored": true,
  "authority.changed": true,
  "policy.updated": true,
  "agent.noted": true,
  "agent.spawned": true,
  "agent.returned": true,
  "publish.opened": true,
  "publish.connection": true,
  "dns.summed": true,
} satisfies Record<Event["type"], true>);

/** How often a followed log is looked at, milliseconds. */
const followInterval = 100;

/** `text`: an id, also of a run without a session, the beginning of one, or `last`. @throws Failure usage, session_unknown, session_damaged */
export async function printEvents(text: string, flags: EventFlags): Promise<void> {
  if (flags.type !== undefined) refuseUnknownType(flags.type);
  const home = openHome(process.env);
  const folder = findLog(home, text);
  let position = 0;
  let ended = false;
  for (;;) {
    const over = openSession(home.sessions, folder.id).state !== "running";
    for (const { event, text: line, next } of readEvents(folder, position)) {
      position = next;
      ended ||= event.type === "session.ended";
      if (!isWanted(event, flags)) continue;
      printLine(flags.json ? printable(line) : eventLine(event));
    }
    // Read once more after the state was seen to be over: nothing is added any more.
    if (!flags.follow || ended || over) return;
    await sleep(followInterval);
  }
}

function isWanted(event: LoggedEvent, { type, denied }: EventFlags): boolean {
  if (type !== undefined && event.type !== type) return false;
  return !denied || (event.type === "action" && member(event.decision, "decision") === "deny");
}

function refuseUnknownType(text: string): void {
  if (eventTypes.includes(text)) return;
  throw new Failure("usage", "no event is of this type", {
    place: text,
    remedy: `There are: ${eventTypes.join(", ")}.`,
  });
}
