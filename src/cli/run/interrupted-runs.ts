// What earlier runs of this home left undone when sallyport was killed, put right before this one begins, told and logged.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { EventLog } from "#audit/log/event-log.ts";
import type { Home } from "../home.ts";
import { printable } from "../output.ts";
import type { Run } from "./recorded-run.ts";
import { restoredDetail } from "./restored.ts";

/** Where runs note what they would put right; see #sandbox/interrupted.ts. */
export function notesFolder(home: Home): string {
  return join(home.path, "running");
}

/** True where no note is there: nothing to put right, and no other run. */
export function nothingNoted(home: Home): boolean {
  const folder = notesFolder(home);
  return !existsSync(folder) || readdirSync(folder).length === 0;
}

/** Costs one look where no run was interrupted. MUST be called before the cell's workspace is looked at. */
export async function putRightEarlier({ home, report }: Run, log: EventLog): Promise<void> {
  if (!existsSync(notesFolder(home))) return;
  const { putRightInterrupted } = await import("#sandbox/interrupted.ts");
  for (const { run, workspace, restored, failure } of putRightInterrupted(notesFolder(home))) {
    const detail = { restored: restoredDetail(restored), session: run, workspace };
    log.append({ type: "workspace.restored", detail });
    const undone = restored.filter(({ action }) => action !== "config_carried_over").map(({ path }) => path);
    if (undone.length > 0)
      report.before(printable(`session ${run} was interrupted; undone in ${workspace}: ${undone.join(", ")}`));
    if (failure !== null)
      report.before(
        printable(`session ${run} was interrupted; ${failure.message}: ${failure.place}. ${failure.remedy}`),
      );
  }
}
