// What one host allows on one port, by what is spoken there.
//
// A port has a habit: 443 and 8443 speak TLS, 80 and 8080 speak HTTP (in the clear, or in TLS), others have none.
// protocol  any:  what the habit says; without one HTTP, HTTP in TLS, or a tunnel of any bytes
//           http: HTTP in the clear or in TLS; on a TLS port in TLS only
//           tls:  HTTP in TLS; with tls = "pass" any TLS, untouched
//           tcp:  bytes of any kind, untouched
// A rule that names a method or a path allows no tunnel: nothing could be read there.
//
// Private ranges are opened for a rule's hosts and ports, not for its requests: rules of the same host and port share them.

import { buildRequestTable, type RequestTable } from "./request-table.ts";
import { compareRules, type Rule } from "./rule.ts";

export type Habit = "tls" | "http" | "none";

export interface PortTable {
  /** HTTP in TLS, and in the clear. */
  readonly https: RequestTable | null;
  readonly http: RequestTable | null;
  /** The rule that decides for a ClientHello, a request line, and other bytes; null where none lets them pass. */
  readonly tlsConnect: Rule | null;
  readonly httpConnect: Rule | null;
  readonly tcpConnect: Rule | null;
  /** Of all rules, for DNS. */
  readonly best: Rule;
}

export function habitOf(port: number): Habit {
  if (port === 443 || port === 8443) return "tls";
  return port === 80 || port === 8080 ? "http" : "none";
}

export function buildPortTable(alone: readonly [Rule, ...Rule[]], habit: Habit): PortTable {
  const rules = sharingRanges(alone);
  const tls = rules.filter((rule) => rule.protocol !== "http" || rule.allow.obligations.tls === "terminate");
  const clear = rules.filter(({ protocol }) => protocol === "tcp" || (protocol !== "tls" && habit !== "tls"));
  const tunnels = rules.filter((rule) => isTunnel(rule, habit));
  const https = buildRequestTable(tls);
  return {
    https,
    http: clear.length === tls.length && tls.every((rule, at) => rule === clear[at]) ? https : buildRequestTable(clear),
    tlsConnect: best(tls),
    httpConnect: best(clear),
    tcpConnect: best(tunnels),
    best: best(rules) ?? alone[0],
  };
}

/** The rules, each with the private ranges of all; the very same ones where that changes nothing. */
function sharingRanges(rules: readonly Rule[]): readonly Rule[] {
  const ranges = [...new Set(rules.flatMap(({ allow }) => allow.obligations.private))].sort();
  return rules.map((rule) => {
    const { obligations } = rule.allow;
    if (obligations.private.length === ranges.length) return rule;
    return { ...rule, allow: { ...rule.allow, obligations: { ...obligations, private: ranges } } };
  });
}

function isTunnel({ protocol, methods, paths, allow }: Rule, habit: Habit): boolean {
  if (methods !== null || paths !== null) return false;
  return protocol === "tcp" || (protocol === "any" && habit === "none" && allow.obligations.tls === "terminate");
}

/** Reading what is inside beats passing it on: where rules disagree, `terminate` decides for the connection. */
function best(rules: readonly Rule[]): Rule | null {
  const passes = (rule: Rule) => (rule.allow.obligations.tls === "pass" ? 1 : 0);
  let found: Rule | null = null;
  for (const rule of rules) {
    if (found === null || (passes(rule) - passes(found) || compareRules(rule, found)) < 0) found = rule;
  }
  return found;
}
