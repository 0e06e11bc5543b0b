// `sallyport sessions list`: the sessions of this home, newest first.

import { openSession, type Session, sessionIds } from "#session/store.ts";
import { openHome } from "../home.ts";
import { printJson, printTable } from "../output.ts";
import { listColumns, listRow, sessionJson } from "./view.ts";

export interface ListFlags {
  readonly agent?: string;
  readonly limit?: number;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** What a screen holds; `--all` and `-n` show more. */
export const shownByDefault = 50;

export function listSessions(flags: ListFlags): void {
  const { sessions } = openHome(process.env);
  const found: Session[] = [];
  const limit = flags.limit ?? (flags.all || flags.json ? Number.POSITIVE_INFINITY : shownByDefault);
  const ids = sessionIds(sessions);
  let looked = 0;
  for (const id of ids) {
    if (found.length >= limit) break;
    looked += 1;
    const session = openSession(sessions, id);
    if (flags.agent === undefined || session.record?.agent_id === flags.agent) found.push(session);
  }
  if (flags.json) {
    printJson(found.map(sessionJson));
    return;
  }
  printTable([listColumns, ...found.map((session) => listRow(session, Date.now()))]);
  const more = ids.length - looked;
  if (more > 0 && flags.limit === undefined)
    process.stderr.write(`and ${more} older: --all shows them, -n N as many\n`);
}
