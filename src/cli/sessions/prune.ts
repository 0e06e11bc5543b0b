// `sallyport sessions prune`: makes room. Says what goes, asks unless told not to, and leaves a line in the home's log for
// each session that went: `log/pruned.jsonl`, with the SHA-256 of its log's end.

import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline/promises";
import { Failure } from "#core/failure.ts";
import { finishRemovals, type Prunable, planPrune, prunable, removeSession } from "#session/prune.ts";
import { openSession, sessionIds } from "#session/store.ts";
import { type Home, openHome } from "../home.ts";
import { failureRecord, printFailure, printJson, printLine, printTable } from "../output.ts";
import { sizeText, timeText } from "./view.ts";

export interface PruneFlags {
  /** seconds */
  readonly olderThan?: number;
  /** bytes */
  readonly maxSize?: number;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** Gives the exit code: 1 where something that was to go could not be removed. @throws Failure usage */
export async function pruneSessions(flags: PruneFlags): Promise<number> {
  if (flags.olderThan === undefined && flags.maxSize === undefined)
    throw new Failure("usage", "it is not said which sessions are to go", {
      remedy: "For example: sallyport sessions prune --older-than 30d --max-size 5GB",
    });
  const home = openHome(process.env);
  if (!flags.dryRun) finishRemovals(home.sessions);
  const now = Date.now();
  const all = sessionIds(home.sessions).map((id) => prunable(openSession(home.sessions, id)));
  const before = flags.olderThan === undefined ? null : now - flags.olderThan * 1000;
  const plan = planPrune(all, { before, maxBytes: flags.maxSize ?? null }, now);
  if (!flags.json && plan.length > 0) printPlan(plan);
  if (!flags.dryRun && plan.length > 0 && !flags.yes && !(await isAgreed(plan))) {
    printLine("nothing was removed");
    return 0;
  }
  const { removed, failed } = flags.dryRun ? { removed: plan, failed: [] } : removeAll(home, plan, flags.json === true);
  const freed = bytesOf(removed);
  if (flags.json) {
    printJson({
      dry_run: flags.dryRun === true,
      removed: removed.map(({ folder, state, bytes }) => ({ id: folder.id, state, bytes })),
      failed,
      freed_bytes: freed,
      kept: all.length - removed.length,
      kept_bytes: bytesOf(all) - freed,
    });
  } else {
    const what = `${removed.length} ${removed.length === 1 ? "session" : "sessions"}, ${sizeText(freed)}`;
    const left = `${all.length - removed.length} left, ${sizeText(bytesOf(all) - freed)}`;
    printLine(`${flags.dryRun ? "would remove" : "removed"} ${what}; ${left}`);
  }
  return failed.length === 0 ? 0 : 1;
}

function printPlan(plan: readonly Prunable[]): void {
  const rows = plan.map(({ folder, state, time, bytes }) => [
    folder.id,
    timeText(new Date(time).toISOString()),
    state,
    sizeText(bytes),
  ]);
  printTable([["ID", "ENDED", "STATE", "SIZE"], ...rows]);
}

async function isAgreed(plan: readonly Prunable[]): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new Failure("usage", `${plan.length} sessions would go, and nobody is there to agree`, {
      place: "sessions prune",
      remedy: "Say --yes, or --dry-run to look only.",
    });
  const asked = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const answer = await asked.question(`Remove these ${plan.length}, and their logs, for good? [y/N] `);
    return /^y(es)?$/i.test(answer.trim());
  } finally {
    asked.close();
  }
}

interface Failed {
  readonly id: string;
  readonly message: string;
}

function removeAll(home: Home, plan: readonly Prunable[], json: boolean): { removed: Prunable[]; failed: Failed[] } {
  const removed: Prunable[] = [];
  const failed: Failed[] = [];
  for (const one of plan) {
    const { id } = one.folder;
    const line = trace(home, one);
    try {
      if (removeSession(home.sessions, id, () => appendFileSync(join(home.log, "pruned.jsonl"), line, { mode: 0o600 })))
        removed.push(one);
    } catch (error) {
      failed.push({ id, message: failureRecord(error).message });
      if (!json) printFailure(error, false);
    }
  }
  return { removed, failed };
}

/** What is left of a session: who has a copy of its log can still show that it is the one. */
function trace(home: Home, { folder, state, bytes }: Prunable): string {
  const { record } = openSession(home.sessions, folder.id);
  const head = record?.state === "ended" ? record.log.head : null;
  const about = { agent_id: record?.agent_id ?? null, started: record?.started ?? null, state, bytes, head };
  return `${JSON.stringify({ time: new Date().toISOString(), session: folder.id, ...about })}\n`;
}

function bytesOf(sessions: readonly Prunable[]): number {
  return sessions.reduce((sum, { bytes }) => sum + bytes, 0);
}
