// `sallyport policy explain [FILE] ACTION`: which rule decides, which comes nearest, and what would change it.

import type { Action } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import { Failure } from "#core/failure.ts";
import { normalHost } from "#lib/host-name.ts";
import { compilePolicy } from "#policy/compile.ts";
import { actionText, type Explanation, explain, type PolicyExplanation } from "#policy/explain.ts";
import { parsePort } from "#policy/host-pattern.ts";
import type { Policy } from "#policy/policy.ts";
import { habitOf } from "#policy/port-table.ts";
import { printable, printJson, printLine } from "../output.ts";
import { readNamed } from "./files.ts";
import { policyHere } from "./here.ts";
import { readPolicyText } from "./source.ts";

/** `words`: a file or none, and an action. @throws Failure usage, policy_unreadable, policy_invalid */
export async function explainAction(words: readonly string[], json: boolean): Promise<number> {
  const [first = ""] = words;
  const named = !/^[A-Z]+$/.test(first);
  const action = readAction(named ? words.slice(1) : words);
  const explanation = explain(compilePolicy(named ? [readPolicyText(readNamed(first))] : await here()), action);
  if (json) printJson(explanation);
  else tell(explanation);
  return explanation.decision.verdict === "allow" ? 0 : 1;
}

/** One policy's judgement is the answer; of several each is told below the answer of all. */
function tell({ action, decision, policies }: Explanation): void {
  const [first, ...more] = policies;
  if (first !== undefined && more.length === 0) {
    tellPolicy(`${verdict(decision)}: ${actionText(action)}`, first, "");
    return;
  }
  const why = decision.verdict === "deny" ? ` (${decision.reason})` : "";
  printLine(printable(`${verdict(decision)}: ${actionText(action)}${why}`));
  for (const one of policies) tellPolicy(`${one.policy}: ${verdict(one.decision)}`, one, "  ");
}

function tellPolicy(head: string, { decision, place, nearest, change }: PolicyExplanation, indent: string): void {
  const why = decision.verdict === "deny" ? ` (${decision.reason})` : "";
  const by = decision.rule === null ? "" : ` by ${decision.rule}`;
  printLine(indent + printable(`${head}${why}${by}${place === null ? "" : ` at ${place}`}`));
  const line = (name: string, text: string) => printLine(`${indent}  ${name.padEnd(8)} ${printable(text)}`);
  if (decision.verdict === "deny" && decision.detail !== null) line("because", decision.detail);
  if (decision.verdict === "allow") {
    const { tls, protocol, private: ranges } = decision.obligations;
    line("with", `tls ${tls}, protocol ${protocol}${ranges.length === 0 ? "" : `, private ${ranges.join(", ")}`}`);
  }
  if (nearest !== null) line("nearest", `${nearest.rule} at ${nearest.place}: ${nearest.differs}`);
  if (change !== null) line("change", change);
}

function verdict(decision: Decision): string {
  return decision.verdict === "allow" ? "allowed" : "denied";
}

/** What would hold for a run in this folder. */
async function here(): Promise<readonly Policy[]> {
  const { parts, notices } = await policyHere({ file: undefined, allow: [] });
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
