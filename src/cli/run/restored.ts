// What of an agent's additions to a workspace was not left as it was: told to the person, and written into the log.

import type { EventLog } from "#audit/log/event-log.ts";
import type { JsonValue } from "#core/event.ts";
import type { Restored } from "#sandbox/additions.ts";
import type { Run } from "./recorded-run.ts";

export function tellRestored({ report }: Run, log: EventLog, restored: readonly Restored[]): void {
  if (restored.length === 0) return;
  log.append({ type: "workspace.restored", detail: { restored: restoredDetail(restored) } });
  for (const { path, action, keys } of restored) {
    if (action === "config_carried_over") continue;
    const which = keys.length === 0 ? "" : ` (${keys.join(", ")})`;
    report.note(
      `${path}: ${action === "config_filtered" ? "settings not carried over" : "the agent's change undone"}${which}`,
    );
  }
}

/** As the log has it. */
export function restoredDetail(restored: readonly Restored[]): JsonValue {
  return restored.map(({ path, action, keys }) => ({ path, action, keys: [...keys] }));
}
