// Allowed name lookups under `audit_all_actions = false`: summed up to one event a second. A lookup leaves nothing but the
// answer that the boundary makes up itself, so it may be told before its sum is written; what the name is then used
// for has an event of its own. Denials are never summed.

import type { EventLog } from "#audit/log/event-log.ts";
import type { DnsAction } from "#core/action.ts";
import type { Allow, Deny } from "#core/decision.ts";
import type { Effect } from "#core/gate.ts";

export interface NameSums {
  /** Counts one lookup, and tells its effect in a later turn; `failed` where the log has broken. */
  take(action: DnsAction, decision: Allow, failed: Deny, effect: Effect | undefined): void;
  /** Writes what is counted. MUST be called before the log is closed. */
  flush(): void;
}

/** Milliseconds from the first lookup of a sum to its event. */
const interval = 1000;
/** Different lookups of one event: an agent may make up any number of names. */
const mostNames = 128;

export function createNameSums(log: Pick<EventLog, "append" | "broken">): NameSums {
  let names = new Map<string, { readonly host: string; readonly type: string; count: number }>();
  let count = 0;
  let timer: NodeJS.Timeout | null = null;

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (count === 0) return;
    const detail = { count, names: [...names.values()] };
    names = new Map();
    count = 0;
    log.append({ type: "dns.summed", detail });
  }

  return {
    take({ host, type }, decision, failed, effect) {
      const key = `${type} ${host}`;
      let one = names.get(key);
      if (one === undefined) {
        if (names.size >= mostNames) flush();
        one = { host, type, count: 0 };
        names.set(key, one);
      }
      one.count += 1;
      count += 1;
      timer ??= setTimeout(flush, interval).unref();
      if (effect !== undefined) setImmediate(() => effect.decided(log.broken === null ? decision : failed));
    },
    flush,
  };
}
