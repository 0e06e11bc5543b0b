// `sallyport policy explain [FILE] ACTION`: which rule decides, which comes nearest, and what would change it.

import type { Action } from "#core/action.ts";
import { Failure } from "#core/failure.ts";
import { normalHost } from "#lib/host-name.ts";
import { compilePolicy } from "#policy/compile.ts";
import { actionText, explain } from "#policy/explain.ts";
import { parsePort } from "#policy/host-pattern.ts";
import type { Policy } from "#policy/policy.ts";
import { habitOf } from "#policy/port-table.ts";
import { homePath } from "./home.ts";
import { printable, printJson, printLine } from "./output.ts";
import { readNamed } from "./policy-files.ts";
import { gatherPolicies, readPolicyText } from "./policy-source.ts";

/** `words`: a file or none, and an action. @throws Failure usage, policy_unreadable, policy_invalid */
export function explainAction(words: readonly string[], json: boolean): number {
  const [first = ""] = words;
  const named = !/^[A-Z]+$/.test(first);
  const action = readAction(named ? words.slice(1) : words);
  const explanation = explain(compilePolicy(named ? [readPolicyText(readNamed(first))] : here()), action);
  const { decision, policies } = explanation;
  if (json) {
    printJson(explanation);
    return decision.verdict === "allow" ? 0 : 1;
  }
  for (const { place, nearest, change } of policies) {
    const by = decision.rule === null ? "" : ` by ${decision.rule}`;
    const why = decision.verdict === "deny" ? ` (${decision.reason})` : "";
    printLine(
      printable(
        `${decision.verdict === "allow" ? "allowed" : "denied"}: ${actionText(action)}${why}${by}${place === null ? "" : ` at ${place}`}`,
      ),
    );
    if (decision.verdict === "deny" && decision.detail !== null) printLine(`  because  ${printable(decision.detail)}`);
    if (decision.verdict === "allow") {
      const { tls, protocol, private: ranges } = decision.obligations;
      printLine(
        `  with     tls ${tls}, protocol ${protocol}${ranges.length === 0 ? "" : `, private ${ranges.join(", ")}`}`,
      );
    }
    if (nearest !== null)
      printLine(`  nearest  ${printable(`${nearest.rule} at ${nearest.place}: ${nearest.differs}`)}`);
    if (change !== null) printLine(`  change   ${printable(change)}`);
  }
  return decision.verdict === "allow" ? 0 : 1;
}

/** What would hold for a run in this folder. */
function here(): readonly Policy[] {
  const { parts, notices } = gatherPolicies({ policy: undefined, allow: [] }, homePath(process.env), process.cwd());
  for (const notice of notices) process.stderr.write(`sallyport: ${notice}\n`);
  return parts;
}

/** The path is taken as it was typed: a URL object would judge another one. */
function readAction(words: readonly string[]): Action {
  const unreadable = () =>
    new Failure("usage", `"${words.join(" ")}" is no action`, {
      remedy: "Write GET https://host/path, CONNECT host:port, or DNS host.",
    });
  const [verb = "", target = "", ...more] = words;
  if (verb === "DNS" && more.length <= 1) {
    const host = normalHost(target);
    if (host === null) throw unreadable();
    return { kind: "dns", host, type: more[0] ?? "A" };
  }
  const [, scheme, authority = "", path = ""] =
    verb === "CONNECT" ? ["", undefined, target] : (/^(https?):\/\/([^/?#]*)(.*)$/s.exec(target) ?? []);
  const [, hostText = "", portText] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(authority) ?? [];
  const host = normalHost(hostText);
  const port =
    portText === undefined ? (scheme === "https" ? 443 : scheme === "http" ? 80 : null) : parsePort(portText);
  if (host === null || port === null) throw unreadable();
  if (verb === "CONNECT") {
    const habit = habitOf(port);
    const protocol = more[0] ?? (habit === "none" ? "tcp" : habit);
    if (more.length > 1 || (protocol !== "tls" && protocol !== "http" && protocol !== "tcp")) throw unreadable();
    return { kind: "connect", host, port, protocol };
  }
  if ((scheme !== "http" && scheme !== "https") || more.length > 0 || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(verb))
    throw unreadable();
  return {
    kind: "http",
    scheme,
    host,
    port,
    method: verb,
    path: path.startsWith("/") ? path : `/${path}`,
    body: false,
    upgrade: null,
  };
}
