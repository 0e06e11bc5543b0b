// `sallyport audit who JTI|TASK`: everything that was done under a grant, or by a task, and by whom it was handed down to.

import { Failure } from "#core/failure.ts";
import { innerApi } from "#lib/host-name.ts";
import { member } from "#lib/json.ts";
import { type LoggedEvent, readEvents } from "#session/events.ts";
import { openSession, type Session, sessionIds } from "#session/store.ts";
import { openHome } from "./home.ts";
import { printable, printJson, printLine } from "./output.ts";
import { briefAction } from "./sessions/tree.ts";

/** @throws Failure session_unknown */
export function auditWho(text: string, { json = false }: { readonly json?: boolean }): void {
  const { sessions } = openHome(process.env);
  const found = sessionsOf(sessions, text);
  if (found.length === 0) {
    throw new Failure("session_unknown", "nothing ran under this grant or task", {
      place: text,
      remedy: "Give a token's jti (sallyport auth list-tokens), a task's label, or a session's id.",
    });
  }
  for (const session of found) {
    const { record, folder } = session;
    if (!json) {
      const chain = record?.token?.chain.join(" → ") ?? record?.agent_id ?? "unknown";
      printLine(printable(`${folder.id}  ${chain}  ${record?.policy.id} v${record?.policy.version}`));
    }
    for (const event of decisions(session)) {
      if (json) printJson(event);
      else printLine(printable(`  ${event.time.slice(11, 23)}  ${verdict(event)}  ${briefAction(event)}`));
    }
  }
}

/** Oldest first: those of the grant, label or id, and all that they spawned. */
function sessionsOf(sessions: string, text: string): readonly Session[] {
  const all = sessionIds(sessions)
    .map((id) => openSession(sessions, id))
    .reverse();
  const wanted = new Set<string>();
  const found: Session[] = [];
  // Who is spawned begins later than its parent, so one pass in that order sees every descendant.
  for (const session of all.sort((one, other) =>
    (one.record?.started ?? "") < (other.record?.started ?? "") ? -1 : 1,
  )) {
    const { record, folder } = session;
    const token = record?.token;
    const own = folder.id === text || token?.jti === text || (token !== undefined && token.task === text);
    if (!own && !wanted.has(record?.parent ?? "")) continue;
    wanted.add(folder.id);
    found.push(session);
  }
  return found;
}

function* decisions({ folder }: Session): Generator<LoggedEvent> {
  for (const { event } of readEvents(folder)) {
    const isOwn = event.type === "action" && member(event.action, "host") !== innerApi;
    if (isOwn && member(event.action, "kind") !== "dns") yield event;
  }
}

function verdict({ decision }: LoggedEvent): string {
  const reason = member(decision, "deny_reason");
  return typeof reason === "string" ? `denied  (${reason})` : "allowed";
}
