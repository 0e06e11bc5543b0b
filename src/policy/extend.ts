// What is added to a policy by another: by `--allow`, and by an agent's profile.

import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { checkFormat } from "./formats.ts";
import { presetRules } from "./parse.ts";
import { type NetworkRule, type Policy, type PolicyDocument, type PolicyPlace, placeIn } from "./policy.ts";
import { expandPresets, type Presets } from "./presets.ts";
import { schemaVersion } from "./schema.ts";

/**
 * The policy of `--allow` flags, each a host, `host:port` or a preset.
 * @throws Failure usage where one is none of these.
 */
export function policyFromFlags(allow: readonly string[], presets: Presets | null = null): Policy {
  const entries = allow.map((text) => {
    const checked = checkFormat("endpoint", text, "network.allow");
    if (!checked.ok) throw unusable(checked.problem, checked.remedy);
    return checked.value;
  });
  const written: PolicyDocument = {
    version: schemaVersion,
    extendable: true,
    network: { default: "deny", allow: entries },
  };
  const { document, problems } = expandPresets(written, new Map(), presets, presetRules);
  const [problem] = problems;
  if (problem !== undefined) throw unusable(problem.message, problem.remedy);
  return { name: "--allow", document, places: new Map() };
}

/**
 * A policy with what `more` adds to its lists and rules, each said once: for `--allow` and profiles beside a policy that was found.
 * Anything else of `more` must be held by intersection: compile both.
 */
export function extendPolicy(policy: Policy, more: Policy): Policy {
  const own = policy.document.network ?? {};
  const added = more.document.network ?? {};
  const places = new Map<string, PolicyPlace>(policy.places);
  const joined = <T>(
    key: string,
    mine: readonly T[],
    theirs: readonly T[],
    same: (one: T, other: T) => boolean,
  ): T[] => {
    const all = [...mine];
    for (const [index, entry] of theirs.entries()) {
      if (all.some((one) => same(one, entry))) continue;
      places.set(`network.${key}[${all.length}]`, placeIn(more, `network.${key}[${index}]`));
      all.push(entry);
    }
    return all;
  };
  const text = (one: string, other: string) => one === other;
  const allow = joined("allow", own.allow ?? [], added.allow ?? [], text);
  const deny = joined("deny", own.deny ?? [], added.deny ?? [], text);
  const rules = own.rule ?? [];
  const rule = joined("rule", rules, renamed(added.rule ?? [], rules), sameRule);
  return { ...policy, document: { ...policy.document, network: { ...own, allow, deny, rule } }, places };
}

/** The rules, with ids that none of `taken` has for something else. */
function renamed(rules: readonly NetworkRule[], taken: readonly NetworkRule[]): readonly NetworkRule[] {
  const ids = new Set([...taken, ...rules].map(({ id }) => id));
  return rules.map((rule) => {
    const other = rule.id === undefined ? undefined : taken.find(({ id }) => id === rule.id);
    if (other === undefined || sameRule(rule, other)) return rule;
    let number = 2;
    while (ids.has(`${rule.id}-${number}`)) number++;
    ids.add(`${rule.id}-${number}`);
    return { ...rule, id: `${rule.id}-${number}` };
  });
}

function sameRule(one: NetworkRule, other: NetworkRule): boolean {
  return canonicalJson(one as unknown as JsonValue) === canonicalJson(other as unknown as JsonValue);
}

function unusable(problem: string, remedy: string | null): Failure {
  return new Failure("usage", problem, { place: "--allow", ...(remedy === null ? {} : { remedy }) });
}
