// The judgement: an action under a compiled policy. Synchronous, without I/O, clock or chance; on the common path it
// allocates nothing and costs the same for ten rules and ten thousand.
//
// Deny wins. Then what any rule allows is allowed. Else the nearest miss is named: no rule names the host, or none the
// port, or none what is spoken, or none the method or path.

import type { Action, HttpAction } from "#core/action.ts";
import type { Allow, Decision, Deny } from "#core/decision.ts";
import type { DenyReason } from "#core/reason.ts";
import { type Cidr, contains, parseAddress, parseCidr } from "#lib/address.ts";
import { addressClass } from "#lib/address-class.ts";
import type { CompiledPolicy, PolicyPart } from "./compile.ts";
import { type HostView, portTables } from "./host-table.ts";
import { allowFlag, formRemedy, hostRemedy, protocolRemedy, requestRemedy } from "./remedy.ts";
import { findRequest, missOf } from "./request-table.ts";
import { isGuarded, type Rule } from "./rule.ts";

export function evaluate(policy: CompiledPolicy, action: Action): Decision {
  const { parts } = policy;
  const first = parts[0];
  if (first === undefined) return denied("domain_not_allowed", allowFlag(action), null);
  let decision = evaluatePart(first, action);
  for (let at = 1; at < parts.length && decision.verdict === "allow"; at++) {
    const part = parts[at] as PolicyPart;
    const next = evaluatePart(part, action);
    decision = next.verdict === "allow" ? policy.both(decision, next, part) : next;
  }
  return decision;
}

/**
 * Of the addresses, those that the rule behind `allow` lets the boundary connect to: public ones, and those in its
 * private ranges. A metadata, unspecified, multicast or broadcast address needs a range of exactly that one address.
 */
export function reachable(allow: Allow, addresses: readonly string[]): readonly string[] {
  const open = addresses.filter((address) => isOpen(allow, address));
  return open.length === addresses.length ? addresses : open;
}

function isOpen(allow: Allow, text: string): boolean {
  const address = parseAddress(text);
  if (address === null) return false;
  if (addressClass(address) === "public") return true;
  const guarded = isGuarded(text);
  return allow.obligations.private.some((range) => {
    const cidr: Cidr | null = parseCidr(range);
    return cidr !== null && contains(cidr, address) && (!guarded || cidr.prefix === 128);
  });
}

/** The judgement of one of the policies that hold together. */
export function evaluatePart(part: PolicyPart, action: Action): Decision {
  const view = part.hosts.view(action.host);
  if (view.denied !== null) return view.denied;
  if (action.kind === "dns") return evaluateName(part, view, action);
  if (view.deniedPorts !== null) {
    const closed = view.deniedPorts.get(action.port);
    if (closed !== undefined) return closed;
  }
  const rule = action.kind === "http" ? findHttp(view, action) : findConnect(view, action.port, action.protocol);
  if (rule === null) return nearestMiss(part, view, action);
  if (view.closed && !isOpen(rule.allow, action.host)) {
    return denied(
      "private_address",
      part.addable ? allowFlag(action) : null,
      `${rule.allow.rule} does not open this address`,
    );
  }
  return rule.allow;
}

function evaluateName(part: PolicyPart, view: HostView, action: Action): Decision {
  for (const { ports, everyPort } of view.tables) {
    if (everyPort !== null) return everyPort.none.best.allow;
    for (const [port, table] of ports)
      if (view.deniedPorts === null || !view.deniedPorts.has(port)) return table.best.allow;
  }
  return denied("domain_not_allowed", hostRemedy(part, action), null);
}

function findConnect(view: HostView, port: number, protocol: "tls" | "http" | "tcp"): Rule | null {
  for (const table of portTables(view, port)) {
    const rule = protocol === "tls" ? table.tlsConnect : protocol === "http" ? table.httpConnect : table.tcpConnect;
    if (rule !== null) return rule;
  }
  return null;
}

function findHttp(view: HostView, action: HttpAction): Rule | null {
  if (opensTunnel(action)) {
    const body = action.body && (action.method === "GET" || action.method === "HEAD");
    return body ? null : findConnect(view, action.port, "tcp");
  }
  for (const table of portTables(view, action.port)) {
    const requests = action.scheme === "https" ? table.https : table.http;
    if (requests === null) continue;
    const rule = findRequest(requests, action.method, action.path, action.body);
    if (rule !== null) return rule;
  }
  return null;
}

/** Behind any other upgrade than a WebSocket's stand bytes that nothing reads. */
function opensTunnel({ upgrade }: HttpAction): boolean {
  return upgrade !== null && upgrade !== "websocket";
}

function nearestMiss(part: PolicyPart, view: HostView, action: Exclude<Action, { kind: "dns" }>): Deny {
  if (view.tables.length === 0) return denied("domain_not_allowed", hostRemedy(part, action), null);
  const there = portTables(view, action.port);
  const near = there[0]?.best ?? null;
  if (near === null) return denied("port_not_allowed", hostRemedy(part, action, true), null);
  const nearby = `the nearest rule is ${near.allow.rule}`;
  const otherwise = () => denied("protocol_not_allowed", protocolRemedy(action), nearby);
  if (action.kind === "connect") return otherwise();
  const tables = there
    .map(({ https, http }) => (action.scheme === "https" ? https : http))
    .filter((table) => table !== null);
  if (tables.length === 0 || opensTunnel(action)) return otherwise();
  const misses = tables.map((table) => missOf(table, action.method, action.path, action.body));
  const miss =
    misses.find((one) => one === "malformed_request") ??
    misses.find((one) => one === "method_not_allowed") ??
    "path_not_allowed";
  if (miss !== "malformed_request") return denied(miss, requestRemedy(part, action, miss, near), nearby);
  const body = action.body && (action.method === "GET" || action.method === "HEAD");
  const detail = body ? "a body on GET or HEAD" : "servers could read this path in two ways";
  return denied(miss, formRemedy(action, near), detail);
}

function denied(reason: DenyReason, remedy: string | null, detail: string | null): Deny {
  return { verdict: "deny", reason, rule: null, remedy, detail };
}
