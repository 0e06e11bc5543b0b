// Presets: `@npm` in `allow` stands for rules that are shipped with the program. `@npm` is the newest version of this
// build, `@npm/1` that one whatever comes later. What is compiled, and what the digest is of, is what they stand for.
//
// Their texts are handed in, and only asked for when one is named: reading files is not a judge's work.

import type { Place, Problem } from "./document.ts";
import { nearest } from "./nearest.ts";
import type { NetworkRule, PolicyDocument, PolicyPlace } from "./policy.ts";

/** The presets that are shipped. */
export interface Presets {
  list(): readonly Preset[];
  /** The policy text of one of them. */
  read(preset: Preset): string;
}

export interface Preset {
  /** Without the `@`. */
  readonly name: string;
  /** From 1 on. */
  readonly version: number;
}

const reference = /^@([a-z][a-z0-9-]{0,30})(?:\/([1-9][0-9]{0,3}))?$/;

/** The id of a preset's rule: `@npm/1`, `@github/1.fetch`. */
export const presetRuleId = /^@[a-z][a-z0-9-]{0,30}\/[1-9][0-9]{0,3}(?:\.[A-Za-z0-9_-]{1,40})?$/;

export function isPreset(entry: string): boolean {
  return entry.startsWith("@");
}

/** The preset's name as it should be written; null where it could be none. */
export function presetName(entry: string): string | null {
  const name = entry.toLowerCase();
  return reference.test(name) ? name : null;
}

interface Expanded {
  readonly document: PolicyDocument;
  readonly places: ReadonlyMap<string, PolicyPlace>;
  readonly problems: readonly Problem[];
}

/** `parse` reads a preset's text to its rules. */
export function expandPresets(
  document: PolicyDocument,
  places: ReadonlyMap<string, PolicyPlace>,
  presets: Presets | null,
  parse: (text: string, name: string) => readonly NetworkRule[],
): Expanded {
  const written = document.network?.allow ?? [];
  if (!written.some(isPreset)) return { document, places, problems: [] };
  const problems: Problem[] = [];
  const allow: string[] = [];
  const rule = [...(document.network?.rule ?? [])];
  const moved = new Map([...places].filter(([path]) => !path.startsWith("network.allow[")));
  const known = presets?.list() ?? [];
  const taken = new Set<string>();
  for (const [index, entry] of written.entries()) {
    const place = places.get(`network.allow[${index}]`);
    if (!isPreset(entry)) {
      if (place !== undefined) moved.set(`network.allow[${allow.length}]`, place);
      allow.push(entry);
      continue;
    }
    const found = findPreset(entry, known);
    if (!("preset" in found)) {
      problems.push({ ...found, at: typeof place === "object" ? place : start });
      continue;
    }
    const id = `@${found.preset.name}/${found.preset.version}`;
    if (taken.has(id)) continue;
    taken.add(id);
    for (const one of parse(presets?.read(found.preset) ?? "", id)) {
      if (place !== undefined) moved.set(`network.rule[${rule.length}]`, place);
      rule.push({ ...one, id: one.id === undefined ? id : `${id}.${one.id}` });
    }
  }
  return { document: { ...document, network: { ...document.network, allow, rule } }, places: moved, problems };
}

const start: Place = { line: 1, column: 1 };

function findPreset(entry: string, known: readonly Preset[]): { preset: Preset } | Omit<Problem, "at"> {
  const [, name = "", version] = reference.exec(entry) ?? [];
  const versions = known.filter((preset) => preset.name === name);
  const preset = versions
    .filter((one) => version === undefined || one.version === Number(version))
    .reduce<Preset | null>((newest, one) => (newest === null || one.version > newest.version ? one : newest), null);
  if (preset !== null) return { preset };
  if (versions.length > 0) {
    const there = versions.map((one) => `@${name}/${one.version}`).join(", ");
    return { message: `the preset "${entry}" is not in this build`, remedy: `Write "@${name}", or one of ${there}.` };
  }
  const names = [...new Set(known.map((one) => one.name))].sort();
  const meant = nearest(name, names);
  const all =
    names.length === 0 ? "Name its hosts one by one." : `There are ${names.map((one) => `@${one}`).join(", ")}.`;
  return {
    message: `there is no preset "${entry}"`,
    remedy: meant === null ? all : `Did you mean "@${meant}"?`,
  };
}
