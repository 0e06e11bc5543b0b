// `sallyport policy show [FILE]`: what would hold for a run in this folder, and where each part of it comes from.

import { hostLoopback } from "#lib/host-name.ts";
import { type CompiledPolicy, compilePolicy } from "#policy/compile.ts";
import { placeIn } from "#policy/policy.ts";
import { unenforcedKeys } from "#policy/unenforced.ts";
import { printable, printJson, printLine, printTable } from "../output.ts";
import { policyHere } from "./here.ts";
import type { Gathered, Source } from "./source.ts";
import { keyLines, ruleRows, ruleViews } from "./view.ts";

const kinds: { readonly [kind in Source["kind"]]: string } = {
  ceiling: "the machine's ceiling: all else is intersected with it",
  token: "the policy of the token",
  named: "named with --policy",
  project: "this project's, trusted",
  default: "your default",
  profile: "the agent's profile",
  allow: "flags",
};

export interface ShowFlags {
  readonly allow: readonly string[];
  readonly profile?: string;
  readonly json?: boolean;
}

/** Gives the exit code: 1 where a run under it would not start. @throws Failure policy_unreadable, policy_invalid, usage */
export async function show(file: string | undefined, { allow, profile, json }: ShowFlags): Promise<number> {
  const gathered = await policyHere({ file, allow, profile });
  const compiled = compilePolicy(gathered.parts);
  const missing = gathered.sources.flatMap(({ policy }) =>
    unenforcedKeys(policy).map((path) => ({ key: path, place: placeIn(policy, path) })),
  );
  if (json === true) printJson(asJson(gathered, compiled, missing));
  else tell(gathered, compiled, missing);
  return missing.length === 0 ? 0 : 1;
}

interface Missing {
  readonly key: string;
  readonly place: string;
}

/** The rules of what holds, and what of them those that it is intersected with close. */
function rulesOf({ parts }: CompiledPolicy, { held }: Gathered): ReturnType<typeof ruleViews> {
  const part = parts[held];
  return part === undefined ? [] : ruleViews(part, parts.toSpliced(held, 1));
}

function asJson(gathered: Gathered, compiled: CompiledPolicy, missing: readonly Missing[]) {
  const { sources, project, notices, parts } = gathered;
  const { execution, upstream, dnsDeny, maxInspectBytes, digest } = compiled;
  return {
    digest,
    sources: sources.map(({ kind, name, policy }) => ({ kind, name, digest: compilePolicy([policy]).digest })),
    project,
    notices,
    policies: parts.map(({ name, document }) => ({ name, document })),
    rules: rulesOf(compiled, gathered),
    deny: parts.flatMap(({ name, document }) => (document.network?.deny ?? []).map((host) => ({ policy: name, host }))),
    effective: {
      execution,
      upstream: { resolve: Object.fromEntries(upstream.resolve), ca: upstream.caFiles },
      dns_deny: dnsDeny,
      max_inspect_bytes: maxInspectBytes,
    },
    not_enforced_yet: missing,
  };
}

function tell(gathered: Gathered, compiled: CompiledPolicy, missing: readonly Missing[]): void {
  const { sources, notices, parts } = gathered;
  for (const { kind, name } of sources) printLine(`${printable(name)}: ${kinds[kind]}`);
  for (const notice of notices) printLine(printable(notice));
  printLine("");
  const rows = ruleRows(rulesOf(compiled, gathered));
  if (rows.length === 0) printLine("Nothing is allowed.");
  else printTable(rows);
  const closed = parts.flatMap(({ document }) => document.network?.deny ?? []);
  if (closed.length > 0) printLine(`\nClosed whatever allows it: ${printable(closed.join(" "))}`);
  printLine("");
  for (const line of effectiveLines(compiled)) printLine(printable(line));
  for (const part of parts) {
    const lines = keyLines(part).filter((line) => !/^(network\.|execution\.|upstream\.|extendable)/.test(line));
    for (const line of lines) printLine(printable(`${line}  (${part.name})`));
  }
  if (missing.length > 0) printLine("");
  for (const { key, place } of missing)
    printLine(
      printable(`${place}: ${key} cannot be enforced by this build: a run under it does not start (not_enforced_yet)`),
    );
}

/** What is said about the run in all parts together; what is not said anywhere and changes nothing is left out. */
function effectiveLines({ execution, upstream, dnsDeny, digest }: CompiledPolicy): string[] {
  const cap = (name: string, value: number | null, unit: string) =>
    `${name.padEnd(20)} ${value === null ? "no limit" : `${value.toLocaleString("en-US")} ${unit}`}`;
  return [
    cap("runtime", execution.maxRuntimeSeconds, "s"),
    cap("output lines", execution.maxOutputLines, ""),
    cap("output bytes", execution.maxOutputBytes, "bytes"),
    cap("requests", execution.maxRequests, ""),
    cap("memory", execution.maxMemoryBytes, "bytes"),
    cap("processes", execution.maxProcesses, ""),
    `${"level".padEnd(20)} ${execution.level}`,
    ...(execution.user === null ? [] : [`${"user".padEnd(20)} ${execution.user}`]),
    ...(execution.env.length === 0 ? [] : [`${"variables".padEnd(20)} ${execution.env.join(" ")}`]),
    ...(execution.nestedSandbox === "allow" ? [`${"nested sandboxes".padEnd(20)} allowed`] : []),
    ...(execution.terminateOnPolicyViolation ? [`${"first violation".padEnd(20)} ends the run`] : []),
    ...(dnsDeny === "nxdomain" ? [`${"denied names".padEnd(20)} do not exist`] : []),
    ...[...upstream.resolve]
      .filter(([host]) => host !== hostLoopback)
      .map(
        ([host, targets]) =>
          `${"placed".padEnd(20)} ${host} at ${targets.map(({ address, port }) => `${address}${port === null ? "" : ` port ${port}`}`).join(", ")}`,
      ),
    ...upstream.caFiles.map((file) => `${"trusted authority".padEnd(20)} ${file}`),
    `${"digest".padEnd(20)} ${digest}`,
  ].map((line) => line.trimEnd());
}
