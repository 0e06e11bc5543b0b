// A policy's text to a policy. Rules: the version is there; every key is known; every value is in normal form; what
// contradicts itself is refused. The text may be an agent's (a project's own file): it is bounded and never half taken.

import { Failure } from "#core/failure.ts";
import { hostLoopback } from "#lib/host-name.ts";
import { type Place, type Problem, SyntaxProblem, type Table } from "./document.ts";
import { isOverBroad, parseHostPattern } from "./host-pattern.ts";
import type { NetworkRule, Policy, PolicyDocument } from "./policy.ts";
import { expandPresets, type Presets } from "./presets.ts";
import { readDocument } from "./read.ts";
import { schemaVersion } from "./schema.ts";
import { readToml } from "./toml.ts";
import { readJson, readYaml } from "./yaml.ts";

export interface PolicySource {
  /** As the user named it; the beginning of every place. */
  readonly name: string;
  /** By default what the name's extension says, else TOML. */
  readonly format?: "toml" | "yaml" | "json";
  /** What `@npm` and the like stand for; without them there are none. */
  readonly presets?: Presets;
  /** True for a policy's canonical JSON, in which presets were expanded: rules may bear their ids. */
  readonly expanded?: boolean;
}

/** Longer texts are refused unread. */
const longestText = 16 * 2 ** 20;

/** @throws Failure policy_invalid, its place `name:line:column` of the first problem. */
export function parsePolicy(text: string, source: PolicySource): Policy {
  const { policy, problems } = readPolicy(text, source);
  const [first, ...more] = problems;
  if (policy !== null && first === undefined) return policy;
  throw problemFailure(
    first ?? { message: "this is no policy", at: { line: 1, column: 1 }, remedy: null },
    source.name,
    more.length,
  );
}

export interface ReadPolicy {
  /** Null where there is a problem. */
  readonly policy: Policy | null;
  /** The same before its presets were expanded. */
  readonly written: Policy | null;
  readonly problems: readonly Problem[];
}

/** The same with every problem at once, in the order of the text. */
export function readPolicy(text: string, source: PolicySource): ReadPolicy {
  if (text.length > longestText) return refused("a policy has at most 16 MiB of text", { line: 1, column: 1 });
  let root: Table;
  const format = source.format ?? formatOf(source.name);
  try {
    root = format === "yaml" ? readYaml(text) : format === "json" ? readJson(text) : readToml(text);
  } catch (error) {
    if (error instanceof SyntaxProblem) return refused(error.message, error.at);
    throw error;
  }
  const problems: Problem[] = [];
  if (!root.entries.has("version") && !saysVersion(text) && !isOperatorForm(root)) {
    problems.push({
      message: versionProblem(text),
      at: { line: 1, column: 1 },
      remedy:
        format === "json" ? `Write "version": "${schemaVersion}".` : `Write "# ${schemaVersion}" as the first line.`,
    });
  }
  return readTree(root, source, problems);
}

/** The same of a text that was read already, or of a part of one; `problems` are those that it had so far. */
export function readTree(root: Table, source: PolicySource, problems: Problem[] = []): ReadPolicy {
  const { document, places, problems: wrong } = readDocument(root);
  problems.push(...wrong);
  // The schema's table is what read it; each required key and each value's type was checked there.
  const typed = { ...document, version: schemaVersion } as unknown as PolicyDocument;
  checkRules(typed.network?.rule ?? [], places, problems, source.expanded === true);
  const whole = problems.length > 0 ? null : expandPresets(typed, places, source.presets ?? null, presetRules);
  problems.push(...(whole?.problems ?? []));
  problems.sort((one, other) => one.at.line - other.at.line || one.at.column - other.at.column);
  if (whole === null || problems.length > 0) return { policy: null, written: null, problems };
  const written = { name: source.name, document: typed, places };
  return { policy: { name: source.name, document: whole.document, places: whole.places }, written, problems };
}

/** A preset is a policy of rules alone. @throws Failure policy_invalid for one that was shipped broken */
export function presetRules(text: string, name: string): readonly NetworkRule[] {
  return parsePolicy(text, { name, format: "toml" }).document.network?.rule ?? [];
}

/** A problem as what a command prints; `more` is how many others the text has. */
export function problemFailure(problem: Problem, name: string, more = 0): Failure {
  const others = more === 0 ? "" : ` (and ${more} more: sallyport policy check ${name})`;
  return new Failure("policy_invalid", problem.message + others, {
    place: `${name}:${problem.at.line}:${problem.at.column}`,
    ...(problem.remedy === null ? {} : { remedy: problem.remedy }),
  });
}

/** What a rule's keys must not say together. */
function checkRules(
  rules: readonly NetworkRule[],
  places: ReadonlyMap<string, Place>,
  problems: Problem[],
  expanded: boolean,
): void {
  const ids = new Set<string>();
  for (const [index, rule] of rules.entries()) {
    const path = `network.rule[${index}]`;
    const wrong = (key: string, message: string, remedy: string) =>
      problems.push({
        message: `${path}: ${message}`,
        at: places.get(`${path}.${key}`) ?? places.get(path) ?? { line: 1, column: 1 },
        remedy,
      });
    if (rule.id?.startsWith("@") && !expanded)
      wrong("id", `the id "${rule.id}" is that of a preset's rule`, "Give the rule another id.");
    if (rule.id !== undefined && ids.has(rule.id))
      wrong("id", `the id "${rule.id}" is taken`, "Give each rule an id of its own.");
    if (rule.id !== undefined) ids.add(rule.id);
    const sees =
      rule.method !== undefined ? "method" : rule.path !== undefined ? "path" : rule.body !== undefined ? "body" : null;
    if (sees !== null && rule.tls === "pass")
      wrong("tls", `TLS that passes untouched shows no ${sees}`, `Leave out tls = "pass" or ${sees}.`);
    if (sees !== null && rule.protocol === "tcp")
      wrong("protocol", `a tunnel shows no ${sees}`, `Leave out protocol = "tcp" or ${sees}.`);
    if (rule.tls === "pass" && rule.protocol === "http")
      wrong("tls", "TLS that passes untouched shows no HTTP", 'Write protocol = "tls".');
    const hosts = Array.isArray(rule.host) ? rule.host : [];
    if (hosts.includes(hostLoopback) && hosts.length > 1)
      wrong(
        "host",
        `"${hostLoopback}" stands beside other hosts, to which it would open this machine's loopback`,
        "Give it a rule of its own.",
      );
    if (hosts.includes(hostLoopback) && rule.port === undefined)
      wrong(
        "host",
        `"${hostLoopback}" is this machine's own loopback, and needs a port`,
        "Write port = 11434, with the port of the service that is meant.",
      );
    for (const text of hosts) {
      const host = parseHostPattern(text);
      if (host.ok && isOverBroad(host.value) && !rule.id?.startsWith("unsafe_")) {
        wrong(
          "host",
          `"${text}" is over-broad: it spans names of owners who have nothing to do with each other`,
          'Name the hosts, or give the rule an id that begins with "unsafe_".',
        );
      }
    }
  }
}

/** True where the first line is the comment that names the version. */
function saysVersion(text: string): boolean {
  return firstComment(text) === schemaVersion;
}

function versionProblem(text: string): string {
  const other = /^zero_trust\.[\w.]{1,40}$/.exec(firstComment(text))?.[0];
  return other === undefined ? "the version is not there" : `the version "${other}" is not one that this build reads`;
}

function firstComment(text: string): string {
  return /^\ufeff?#([^\r\n]*)/.exec(text)?.[1]?.trim() ?? "";
}

/** The form operators write in `/etc` is known by its sections, and bears no version. */
function isOperatorForm(root: Table): boolean {
  const names = [...root.entries.keys()];
  return (
    names.length > 0 && names.every((name) => ["security_context", "constraints", "violation_protocol"].includes(name))
  );
}

function formatOf(name: string): "toml" | "yaml" | "json" {
  if (/\.ya?ml$/i.test(name)) return "yaml";
  return /\.json$/i.test(name) ? "json" : "toml";
}

function refused(message: string, at: Place): ReadPolicy {
  return { policy: null, written: null, problems: [{ message, at, remedy: null }] };
}
