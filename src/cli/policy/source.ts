// Which policy holds for a run: the ceiling of the machine, intersected with what the flags or the files say.
//
//   ceiling ∩ (the token's policy ∩ its narrowings ∩ --policy, or without a token --policy, or the policy that was found)
//   To the last of these the profile and --allow are added.
//   Found is the project's own file where its text is trusted, else the user's default in the home, else nothing is allowed.
//   A policy that was named, or that says `extendable = false`, is added to only where it says `extendable = true`.

import { dirname, resolve } from "node:path";
import { Failure } from "#core/failure.ts";
import { type CompiledPolicy, compilePolicy } from "#policy/compile.ts";
import { extendPolicy, policyFromFlags } from "#policy/extend.ts";
import { isLoopbackEntry } from "#policy/host-pattern.ts";
import { narrowable } from "#policy/narrow.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { Policy } from "#policy/policy.ts";
import { unenforced } from "#policy/unenforced.ts";
import { printable } from "../output.ts";
import { shippedPresets } from "../presets.ts";
import { type TrustState, trustOf } from "../trust/store.ts";
import { changedLines } from "../trust/text-change.ts";
import { type PolicyText, readCeiling, readDefault, readNamed, readProject } from "./files.ts";

export interface PolicySource {
  readonly policy: CompiledPolicy;
  /** Where each part came from, in the order they were read: files, `profile NAME`, or `--allow`. */
  readonly sources: readonly string[];
  /** Files that the policy was read from or that it names: read-only inside the cell. */
  readonly files: readonly string[];
  /** Lines for the person who started the run, e.g. that a policy file was found but not used. */
  readonly notices: readonly string[];
  /** What would hold with another policy in the place of the token's. @throws Failure not_enforced_yet, policy_invalid */
  withGranted(granted: Policy): CompiledPolicy;
}

export interface PolicyFlags {
  readonly policy: string | undefined;
  readonly allow: readonly string[];
  /** The policy of the token that the run is under, and its narrowings: all of them hold; null without a token. */
  readonly token?: { readonly policy: Policy; readonly narrowings: readonly Policy[] } | null;
}

/** One of those that make up what holds. */
export interface Source {
  readonly kind: "ceiling" | "token" | "named" | "project" | "default" | "profile" | "allow";
  /** The file, `profile NAME`, or `--allow`. */
  readonly name: string;
  readonly policy: Policy;
}

/** What would hold, before it is asked whether this build can enforce it. */
export interface Gathered {
  readonly sources: readonly Source[];
  /** The ceiling if there is one, and what it is intersected with. */
  readonly parts: readonly Policy[];
  /** Which of the parts it is that the others only narrow. */
  readonly held: number;
  /** The project's own policy, if there is one and nobody named another: used only where it is `trusted`. */
  readonly project: { readonly file: string; readonly state: TrustState } | null;
  readonly notices: readonly string[];
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
  const { sources, parts, held, notices } = gatherPolicies(flags, home, workspace, profile);
  for (const { policy } of sources) refuseUnenforced(policy);
  for (const narrowing of flags.token?.narrowings ?? []) refuseUnenforced(narrowing);
  const added = sources.filter(({ kind }) => kind === "profile" || kind === "allow");
  const read = sources.filter(({ kind }) => kind !== "profile" && kind !== "allow");
  return {
    policy: compilePolicy(parts),
    sources: sources.map(({ name }) => name),
    files: read
      .filter(({ kind }) => kind !== "token")
      .flatMap(({ name, policy }) => [name, ...(policy.document.upstream?.ca ?? [])])
      .filter((file) => file !== "-"),
    notices,
    withGranted(granted) {
      refuseUnenforced(granted);
      const start = narrowable(granted);
      const whole = granted.document.extendable
        ? added.reduce((sum, { policy }) => extendPolicy(sum, policy), start)
        : start;
      return compilePolicy(parts.map((part, at) => (at === held ? whole : part)));
    },
  };
}

/** @throws Failure not_enforced_yet */
function refuseUnenforced(policy: Policy): void {
  const missing = unenforced(policy);
  if (missing !== null) throw missing;
}

/** @throws Failure policy_unreadable, policy_invalid, usage. */
export function gatherPolicies(
  flags: PolicyFlags,
  home: string,
  workspace: string,
  profile: Policy | null = null,
): Gathered {
  const ceiling = sourceOf("ceiling", readCeiling());
  const named = flags.policy === undefined ? null : sourceOf("named", readNamed(flags.policy));
  const granted = flags.token ?? null;
  const token = granted === null ? null : { kind: "token" as const, name: granted.policy.name, policy: granted.policy };
  const project = named === null && token === null ? findProject(home, workspace) : null;
  const own = project?.state === "trusted" ? sourceOf("project", project.text) : null;
  const base = token ?? named ?? own ?? sourceOf("default", readDefault(home));
  const notices = project?.notice == null ? [] : [project.notice];
  const beside = token === null ? null : named;
  const sources = [ceiling, base, beside].filter((source) => source !== null);
  const more: Source[] = [
    ...(profile === null ? [] : [{ kind: "profile" as const, name: profile.name, policy: profile }]),
    ...allowed(flags.allow, notices),
  ];
  const start = base?.policy ?? policyFromFlags([]);
  // Who names a policy means exactly that one; who merely has one means it as a start, unless it says otherwise.
  const extendable = start.document.extendable ?? (named === null && token === null);
  let held: Policy = { ...start, document: { ...start.document, extendable } };
  for (const source of more) {
    if (!extendable && source.kind === "allow") throw notExtendable(start.name);
    if (extendable) {
      held = extendPolicy(held, source.policy);
      sources.push(source);
    } else notices.push(`${source.name} adds nothing: ${start.name} does not say extendable = true`);
  }
  if (base === null && more.length === 0 && notices.length === 0)
    notices.push("no policy: nothing is allowed (--allow HOST, --policy FILE, or sallyport init)");
  return {
    sources,
    parts: [
      ...(ceiling === null ? [] : [ceiling.policy]),
      token === null ? held : narrowable(held),
      ...(granted?.narrowings ?? []),
      ...(beside === null ? [] : [{ ...beside.policy, beside: true as const }]),
    ],
    held: ceiling === null ? 0 : 1,
    project: project === null ? null : { file: project.text.file, state: project.state },
    notices,
  };
}

function allowed(hosts: readonly string[], notices: string[]): Source[] {
  if (hosts.length === 0) return [];
  for (const host of hosts.filter(isLoopbackEntry)) {
    const port = /:(\d+)$/.exec(host)?.[1] ?? "PORT";
    notices.push(
      `--allow ${host} opens nothing: loopback is the cell's own; for a service of this machine: --allow host.sallyport.internal:${port}`,
    );
  }
  return [{ kind: "allow", name: "--allow", policy: policyFromFlags(hosts, shippedPresets) }];
}

function sourceOf(kind: Source["kind"], text: PolicyText | null): Source | null {
  return text === null ? null : { kind, name: text.file, policy: readPolicyText(text) };
}

/** Files that a policy names are meant from where the policy stands. @throws Failure policy_invalid */
export function readPolicyText({ file, name, text }: PolicyText): Policy {
  const policy = parsePolicy(text, { name, presets: shippedPresets });
  const { upstream } = policy.document;
  if (upstream?.ca === undefined || file === "-") return policy;
  const ca = upstream.ca.map((path) => resolve(dirname(file), path));
  return { ...policy, document: { ...policy.document, upstream: { ...upstream, ca } } };
}

interface Project {
  readonly text: PolicyText;
  readonly state: TrustState;
  /** Null for one that is used. */
  readonly notice: string | null;
}

/** What a project brings along, and why it does not count where it does not. */
function findProject(home: string, workspace: string): Project | null {
  const text = readProject(workspace);
  if (text === null) return null;
  const { state, record } = trustOf(home, text);
  if (state === "trusted") return { text, state, notice: null };
  const why =
    state === "unknown" ? "is not trusted" : `changed since it was trusted (${glance(record?.text ?? "", text.text)})`;
  return { text, state, notice: `${text.name} ${why}, so it is not used; look at it and say so: sallyport trust` };
}

/** What changed, in a few words: the text may be an agent's. */
function glance(before: string, after: string): string {
  const changes = changedLines(before, after);
  const told = changes.map((change) => printable(change.length > 80 ? `${change.slice(0, 79)}…` : change));
  if (told.length === 0) return before === after ? "a file that it names" : "comments and spaces only";
  return told.length <= 3 ? told.join("; ") : `${told.slice(0, 2).join("; ")}; and ${told.length - 2} more`;
}

function notExtendable(file: string): Failure {
  return new Failure("usage", "--allow cannot add to this policy", {
    place: file,
    remedy: "Write the host into the policy, or put `extendable = true` into it.",
  });
}
