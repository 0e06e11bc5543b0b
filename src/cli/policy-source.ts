// Which policy holds for a run: the ceiling of the machine, intersected with what the flags or the files say.
//
//   ceiling ∩ (--policy, or the policy that was found + the profile + --allow)
//   Found is the project's own file where its text is trusted, else the user's default in the home, else nothing is allowed.
//   A policy that was named, or that says `extendable = false`, is added to only where it says `extendable = true`.

import { Failure } from "#core/failure.ts";
import { type CompiledPolicy, compilePolicy } from "#policy/compile.ts";
import { extendPolicy, policyFromFlags } from "#policy/extend.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { Policy } from "#policy/policy.ts";
import { unenforced } from "#policy/unenforced.ts";
import { type PolicyText, readCeiling, readDefault, readNamed, readProject } from "./policy-files.ts";
import { shippedPresets } from "./presets.ts";

export interface PolicySource {
  readonly policy: CompiledPolicy;
  /** Where each part came from, in the order they were read: files, `profile NAME`, or `--allow`. */
  readonly sources: readonly string[];
  /** Files that the policy was read from: read-only inside the cell. */
  readonly files: readonly string[];
  /** Lines for the person who started the run, e.g. that a policy file was found but not used. */
  readonly notices: readonly string[];
}

export interface PolicyFlags {
  readonly policy: string | undefined;
  readonly allow: readonly string[];
}

/**
 * `profile` is what the agent's profile adds: its hosts and rules, under the name that `sources` is to show.
 * @throws Failure policy_unreadable, policy_invalid, not_enforced_yet, usage.
 */
export function findPolicy(
  flags: PolicyFlags,
  home: string,
  workspace: string,
  profile: Policy | null = null,
): PolicySource {
  const ceiling = readCeiling();
  const named = flags.policy === undefined ? null : readNamed(flags.policy);
  const found = named === null ? findText(home, workspace) : { text: named, notice: null };
  const base = found.text === null ? policyFromFlags([]) : read(found.text);
  const more = [
    ...(profile === null ? [] : [profile]),
    ...(flags.allow.length === 0 ? [] : [policyFromFlags(flags.allow, shippedPresets)]),
  ];
  const notices = found.notice === null ? [] : [found.notice];
  const sources = [ceiling, found.text].flatMap((text) => (text === null ? [] : [text.file]));
  // Who names a policy means exactly that one; who merely has one means it as a start, unless it says otherwise.
  const extendable = base.document.extendable ?? named === null;
  let held: Policy = { ...base, document: { ...base.document, extendable } };
  for (const one of more) {
    if (!extendable && one !== profile) throw notExtendable(base.name);
    if (extendable) {
      held = extendPolicy(held, one);
      sources.push(one === profile ? one.name : "--allow");
    } else notices.push(`${one.name} adds nothing: ${base.name} does not say extendable = true`);
  }
  if (sources.length === 0 && notices.length === 0)
    notices.push("no policy: nothing is allowed (--allow HOST, or --policy FILE)");
  return {
    policy: compilePolicy(ceiling === null ? [held] : [read(ceiling), held]),
    sources,
    files: [ceiling, found.text].flatMap((text) => (text === null ? [] : [text.file])),
    notices,
  };
}

/** What nobody named: the project's file once it is trusted, else the user's default. */
function findText(home: string, workspace: string): { text: PolicyText | null; notice: string | null } {
  const project = readProject(workspace);
  const notice = project === null ? null : `${project.file} is not used unless you name it: --policy ${project.file}`;
  return { text: readDefault(home), notice };
}

function read({ file, text }: PolicyText): Policy {
  const policy = parsePolicy(text, { name: file, presets: shippedPresets });
  const missing = unenforced(policy);
  if (missing !== null) throw missing;
  return policy;
}

function notExtendable(file: string): Failure {
  return new Failure("usage", "--allow cannot add to this policy", {
    place: file,
    remedy: "Write the host into the policy, or put `extendable = true` into it.",
  });
}
