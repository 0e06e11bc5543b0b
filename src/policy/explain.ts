// What a decision came from, for a person: which rule decided in each policy that holds, which rule came nearest, and
// the change that would allow the action. Not for the hot path: it looks at every rule.

import type { Action } from "#core/action.ts";
import type { Decision, Deny } from "#core/decision.ts";
import { hostAndPort, isLiteralAddress } from "#lib/host-name.ts";
import { isAmbiguousPath, normalPath } from "#lib/http-path.ts";
import type { CompiledPolicy, PolicyPart } from "./compile.ts";
import { evaluate, evaluatePart } from "./evaluate.ts";
import { matchesHost } from "./host-pattern.ts";
import { matchesPath } from "./path-pattern.ts";
import { placeIn } from "./policy.ts";
import { habitOf } from "./port-table.ts";
import type { Rule } from "./rule.ts";

export interface Explanation {
  readonly action: Action;
  /** What holds: an allow only where every policy allows. */
  readonly decision: Decision;
  readonly policies: readonly PolicyExplanation[];
}

export interface PolicyExplanation {
  readonly policy: string;
  readonly decision: Decision;
  /** `file:line:column` of the rule that decided; null where none did. */
  readonly place: string | null;
  /** For a denial, the rule that comes nearest to allowing the action; null where none is near. */
  readonly nearest: { readonly rule: string; readonly place: string; readonly differs: string } | null;
  /** For a denial, what would allow the action; null where nothing would. */
  readonly change: string | null;
}

export function explain(policy: CompiledPolicy, action: Action): Explanation {
  return {
    action,
    decision: evaluate(policy, action),
    policies: policy.parts.map((part) => explainPart(part, action)),
  };
}

function explainPart(part: PolicyPart, action: Action): PolicyExplanation {
  const decision = evaluatePart(part, action);
  const decided =
    decision.rule === null
      ? null
      : (part.rules.find(({ allow }) => allow.rule === decision.rule)?.path ?? decision.rule);
  const place = decided === null ? null : placeIn(part.policy, decided);
  if (decision.verdict === "allow") return { policy: part.name, decision, place, nearest: null, change: null };
  const found = nearestRule(part, action);
  const near =
    found !== null && decision.rule !== null ? { ...found, differs: `${decision.rule} denies, and deny wins` } : found;
  return {
    policy: part.name,
    decision,
    place,
    nearest:
      near === null
        ? null
        : { rule: near.rule.allow.rule, place: placeIn(part.policy, near.rule.path), differs: near.differs },
    change: changeFor(part, action, decision, near?.rule ?? null, place),
  };
}

/** The rule that agrees with the action in most steps, in the order in which they are judged. */
function nearestRule(part: PolicyPart, action: Action): { rule: Rule; differs: string } | null {
  let best: { rule: Rule; differs: string } | null = null;
  let most = 0;
  for (const rule of part.rules) {
    const { steps, differs } = agreement(rule, action);
    if (steps > most) {
      most = steps;
      best = { rule, differs };
    }
  }
  return best;
}

function agreement(rule: Rule, action: Action): { steps: number; differs: string } {
  const hosts = rule.hosts.map(({ text }) => text).join(", ");
  if (rule.hosts.length > 0 && !rule.hosts.some((pattern) => matchesHost(pattern, action.host))) {
    const shared = Math.max(...rule.hosts.map(({ suffix }) => sharedLabels(suffix, action.host)));
    return { steps: shared < 2 ? 0 : 1 + Math.min(shared, 98) / 100, differs: `its host is ${hosts}` };
  }
  if (action.kind === "dns") return { steps: 2, differs: "its ports are all denied" };
  if (rule.ports !== null && !rule.ports.includes(action.port))
    return { steps: 2, differs: `its port is ${rule.ports.join(", ")}` };
  const spoken = `its protocol is ${rule.protocol}${rule.protocol === "any" ? `, which on port ${action.port} is ${habits[habitOf(action.port)]}` : ""}`;
  if (action.kind === "connect")
    return {
      steps: 3,
      differs: rule.methods === null && rule.paths === null ? spoken : "it names a method or path, so only HTTP passes",
    };
  if (
    action.scheme === "http" &&
    (rule.protocol === "tls" || (habitOf(action.port) === "tls" && rule.protocol !== "tcp"))
  )
    return { steps: 3, differs: spoken };
  const path = normalPath(action.path);
  const byPath = rule.paths === null || (path !== null && rule.paths.some((pattern) => matchesPath(pattern, path)));
  const byMethod = rule.methods === null || rule.methods.includes(action.method);
  const method = `its method is ${rule.methods?.join(", ")}`;
  const where = `its path is ${rule.paths?.map((pattern) => `/${pattern.join("/")}`).join(", ")}`;
  if (!byMethod) return { steps: byPath ? 4.5 : 4, differs: byPath ? method : `${method} and ${where}` };
  if (!byPath) return { steps: 4.5, differs: path === null ? "servers could read this path in two ways" : where };
  return { steps: 5, differs: action.upgrade === null ? "no body passes on GET or HEAD" : "it allows no tunnel" };
}

const habits = { tls: "HTTP in TLS", http: "HTTP", none: "HTTP, HTTP in TLS, or a tunnel" };

function changeFor(
  part: PolicyPart,
  action: Action,
  deny: Deny,
  near: Rule | null,
  place: string | null,
): string | null {
  if (deny.rule !== null)
    return `take the host out of [network] deny${place === null ? "" : ` (${place})`}: deny wins whatever allows it`;
  const told = deny.remedy === null ? null : deny.remedy[0]?.toLowerCase() + deny.remedy.slice(1);
  // A preset's rule is not the writer's to change: the remedy is then a rule beside it.
  const isPreset = near?.allow.rule.startsWith("@") ?? false;
  const at = near === null ? "" : ` of ${near.allow.rule} (${placeIn(part.policy, near.path)})`;
  switch (deny.reason) {
    case "private_address":
      return `write a [[network.rule]] with host = "${action.host}" and private = ["${action.host}"]`;
    case "method_not_allowed":
      return action.kind === "http" && !isPreset ? `add "${action.method}" to method${at}` : told;
    case "path_not_allowed":
      return action.kind === "http" && !isPreset
        ? `add "${normalPath(action.path) ?? action.path}" to path${at}`
        : told;
    case "malformed_request":
      if (action.kind !== "http" || isAmbiguousPath(action.path))
        return "send the path in its normal form: no dot segments, //, ;, \\ or escapes of them";
      return `write body_on_get = true into ${near?.path.startsWith("network.rule") ? near.allow.rule : "a [[network.rule]] for this host"}`;
    case "protocol_not_allowed":
      return action.kind === "dns"
        ? null
        : `write a [[network.rule]] with host = "${action.host}", port = ${action.port} and protocol = "tcp", which passes bytes of any kind unread`;
    default:
      return told;
  }
}

/** Labels that two names share at their end. */
function sharedLabels(one: string, other: string): number {
  if (isLiteralAddress(one) || isLiteralAddress(other)) return 0;
  const [a, b] = [one.split(".").reverse(), other.split(".").reverse()];
  const differs = a.findIndex((label, index) => label !== b[index]);
  return differs < 0 ? a.length : differs;
}

/** An action as one line: `GET https://host/path`, `CONNECT host:port (tls)`, `DNS host`. */
export function actionText(action: Action): string {
  if (action.kind === "dns") return `DNS ${action.host}`;
  if (action.kind === "connect") return `CONNECT ${hostAndPort(action.host, action.port)} (${action.protocol})`;
  const usual = action.port === (action.scheme === "https" ? 443 : 80);
  const authority = usual ? hostAndPort(action.host, 0).slice(0, -2) : hostAndPort(action.host, action.port);
  return `${action.method} ${action.scheme}://${authority}${action.path}`;
}
