// What would let a denied action pass, as one sentence or a flag. Made for a denial only, and at a cost that does not grow with
// the policy: an agent can be denied as often as it likes. What it chose is repeated only in normal form, and clipped.

import type { Action, HttpAction } from "#core/action.ts";
import { hostAndPort, hostLoopback, normalHost } from "#lib/host-name.ts";
import { isAmbiguousPath, normalPath } from "#lib/http-path.ts";
import type { PolicyPart } from "./compile.ts";
import { matchesPath } from "./path-pattern.ts";
import { placeIn } from "./policy.ts";
import type { Rule } from "./rule.ts";

/** Longer paths are not repeated. */
const longestPath = 200;

/**
 * The host is to be allowed. `onePort` names this port alone: where a rule narrows the host's other port to methods or paths, a bare
 * name would open it whole. Null for a host that is not in normal form: a door's mistake, or bytes that are not to be repeated.
 */
export function hostRemedy(part: PolicyPart, action: Action, onePort = false): string | null {
  if (normalHost(action.host) !== action.host) return null;
  return part.addable
    ? allowFlag(action, onePort)
    : `Add "${endpointOf(action, onePort)}" to [network] allow in ${part.name}`;
}

export function allowFlag(action: Action, onePort = false): string {
  return `--allow ${endpointOf(action, onePort)}`;
}

/** As an entry of `allow` names it: a bare name is ports 80 and 443. */
function endpointOf(action: Action, onePort: boolean): string {
  if (action.host === hostLoopback) return hostAndPort(action.host, action.kind === "dns" ? "PORT" : action.port);
  const bare = action.kind === "dns" || (!onePort && (action.port === 80 || action.port === 443));
  if (!bare) return hostAndPort(action.host, action.port);
  return action.host.includes(":") ? `[${action.host}]` : action.host;
}

/** The method or the path is to be allowed: by the nearest rule where it differs in nothing else, or by one of its own. */
export function requestRemedy(
  part: PolicyPart,
  action: HttpAction,
  miss: "method_not_allowed" | "path_not_allowed",
  near: Rule,
): string | null {
  const path = normalPath(action.path);
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}$/.test(action.method) || path === null || path.length > longestPath)
    return null;
  const byMethod = near.methods === null || near.methods.includes(action.method);
  const byPath = near.paths === null || near.paths.some((pattern) => matchesPath(pattern, path));
  // A preset's rule is not the writer's to change.
  if (!near.allow.rule.startsWith("@")) {
    const rule = `of ${near.allow.rule} (${placeIn(part.policy, near.path)})`;
    if (miss === "method_not_allowed" && byPath && !byMethod) return `Add "${action.method}" to method ${rule}`;
    if (miss === "path_not_allowed" && byMethod && !byPath) return `Add "${path}" to path ${rule}`;
  }
  const where = part.name.startsWith("--") ? "a policy" : part.name;
  return `Write a [[network.rule]] with host = "${action.host}", port = ${action.port}, method = "${action.method}" and path = "${path}" into ${where}`;
}

/** What two readers could take differently is to be sent otherwise, or let pass in so many words. */
export function formRemedy(action: HttpAction, near: Rule): string {
  if (isAmbiguousPath(action.path) || !(action.body && (action.method === "GET" || action.method === "HEAD")))
    return "Send the path in its normal form: no dot segments, //, ;, \\ or escapes of them";
  const own = near.path.startsWith("network.rule") && !near.allow.rule.startsWith("@");
  return `Write body_on_get = true into ${own ? near.allow.rule : "a [[network.rule]] for this host"}`;
}

/** The name leads into a private network; whether that was meant only a person knows. */
export function privateRemedy({ host }: Action): string | null {
  if (normalHost(host) !== host) return null;
  return `If that network is meant, write a [[network.rule]] with host = "${host}" and private = ["CIDR"]`;
}

/** What is spoken there is no HTTP that could be judged. */
export function protocolRemedy({ host, port }: { readonly host: string; readonly port: number }): string {
  return `Write a [[network.rule]] with host = "${host}", port = ${port} and protocol = "tcp", which passes bytes of any kind unread`;
}
