// What a session asked of each host: how often it was allowed, how often denied and why, how often its name was looked up.

import type { JsonValue } from "#core/event.ts";
import { member } from "#lib/json.ts";
import type { LoggedEvent } from "#session/events.ts";

/** An agent can name any number of hosts; what comes after so many is summed up as one. */
const maxHosts = 1000;
const otherHosts = "(others)";

export interface HostSummary {
  readonly host: string;
  allowed: number;
  denied: number;
  /** DNS queries, however they were decided. */
  lookups: number;
  /** Denials, not of DNS queries, by reason. */
  readonly reasons: Record<string, number>;
}

/** Sums up the action events of a session, most denied hosts first. */
export function summarizeHosts(events: Iterable<LoggedEvent>): HostSummary[] {
  const hosts = new Map<string, HostSummary>();
  for (const event of events) {
    if (event.type !== "action") continue;
    const summary = summaryOf(hosts, event.action);
    if (member(event.action, "kind") === "dns") summary.lookups += 1;
    else if (member(event.decision, "decision") === "allow") summary.allowed += 1;
    else {
      summary.denied += 1;
      const reason = String(member(event.decision, "deny_reason"));
      summary.reasons[reason] = (summary.reasons[reason] ?? 0) + 1;
    }
  }
  return [...hosts.values()].sort((a, b) => b.denied - a.denied || b.allowed - a.allowed || b.lookups - a.lookups);
}

function summaryOf(hosts: Map<string, HostSummary>, action: JsonValue | undefined): HostSummary {
  const host = String(member(action, "host"));
  const name = hosts.has(host) || hosts.size < maxHosts ? host : otherHosts;
  let summary = hosts.get(name);
  if (summary === undefined) {
    summary = { host: name, allowed: 0, denied: 0, lookups: 0, reasons: Object.create(null) as Record<string, number> };
    hosts.set(name, summary);
  }
  return summary;
}
