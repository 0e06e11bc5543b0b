// The profile of a run: found by its name in the user's home or among those that are shipped, read, and turned into what the
// run gets: hosts for its policy, variables, what of the agent's state is shown, and the one line that says so.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import { nearest } from "#policy/nearest.ts";
import type { Policy } from "#policy/policy.ts";
import { type Profile, parseProfile, profileName, useProfile } from "#policy/profile.ts";
import { type AgentView, bringState } from "#sandbox/agent-state.ts";
import type { PolicySource } from "../policy/source.ts";
import { shippedPresets } from "../presets.ts";
import { shippedFolder } from "../shipped.ts";
import { ownFolder, ownProfiles } from "./names.ts";

/** A profile's text, where it stands. */
export interface FoundProfile {
  readonly name: string;
  readonly file: string;
  readonly text: string;
  /** `sha256:` and 64 hex digits, of the text. */
  readonly digest: string;
  /** True for one of the user's own, which counts before a shipped one of the same name. */
  readonly own: boolean;
  readonly profile: Profile;
}

/** What a run does with its profile. */
export interface RunProfile {
  readonly name: string;
  readonly file: string;
  readonly digest: string;
  readonly policy: Policy;
  /** For the agent, before what its policy and `--env` say: `NAME=VALUE`, and names that the machine's ceiling leaves. */
  env(under: CompiledPolicy): readonly string[];
  /** The line that says what it did. */
  line(source: PolicySource): string;
  /** Copies what is to be copied into the agent's private home, and gives the rest for its view. */
  view(home: string, privateHome: string): AgentView;
}

/** Names of all profiles, the user's own and the shipped, in order. */
export function profileNames(home: string): readonly string[] {
  const shipped = readdirSync(shippedFolder("profiles"))
    .filter((file) => file.endsWith(".toml"))
    .map((file) => file.slice(0, -".toml".length));
  return [...new Set([...ownProfiles(home), ...shipped])].sort();
}

/** @throws Failure usage where there is none of that name, profile_invalid */
export function readProfile(name: string, home: string): FoundProfile {
  const candidates = [ownFolder(home), shippedFolder("profiles")].map((folder) => join(folder, `${name}.toml`));
  const file = profileName.test(name) ? candidates.find((path) => existsSync(path)) : undefined;
  if (file === undefined) {
    const names = profileNames(home);
    const meant = nearest(name, names);
    throw new Failure("usage", `there is no profile ${JSON.stringify(name)}`, {
      place: "--profile",
      remedy: meant === null ? `There are ${names.join(", ")}.` : `Did you mean ${meant}?`,
    });
  }
  const text = readText(file);
  const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
  const profile = parseProfile(text, { name, file, presets: shippedPresets });
  return { name, file, text, digest, own: file === candidates[0], profile };
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new Failure("profile_invalid", `the profile cannot be read: ${(cause as Error).message}`, {
      place: file,
      remedy: "Make the file readable, remove it, or run with --no-profile.",
      cause,
    });
  }
}

export interface RunQuestion {
  readonly home: string;
  /** The caller's variables. */
  readonly env: { readonly [name: string]: string | undefined };
  readonly allow: readonly string[];
}

/** The profile of that name for one run. @throws Failure usage, profile_invalid */
export function runProfile(name: string, { home, env, allow }: RunQuestion): RunProfile {
  const { file, digest, profile } = readProfile(name, home);
  const use = useProfile(profile, (variable) => (env[variable] ?? "") !== "", allow);
  return {
    name,
    file,
    digest,
    policy: use.policy,
    env: (under) => use.env.filter((entry) => entry.includes("=") || isLeft(entry, under)),
    line: ({ policy, sources }) =>
      profileLine(profile, {
        hosts: sources.includes(use.policy.name),
        given: use.given.filter((variable) => isLeft(variable, policy)),
        off: use.off.map(({ what }) => what),
        home: env.HOME ?? "",
      }),
    view: (path, privateHome) => ({
      ...bringState({ home: path, privateHome, state: profile.state }),
      files: use.files,
    }),
  };
}

/** A ceiling that lists variables lets no other of the caller's through; it is the first of two parts. */
function isLeft(variable: string, { parts }: CompiledPolicy): boolean {
  const [ceiling, held] = parts;
  const listed = held === undefined ? undefined : ceiling?.policy.document.execution?.env;
  return listed === undefined || listed.some((entry) => entry.split("=", 1)[0] === variable);
}

interface Said {
  /** Whether the policy took the profile's hosts. */
  readonly hosts: boolean;
  readonly given: readonly string[];
  readonly off: readonly string[];
  readonly home: string;
}

/** In the order of what matters; what is not there is not said. */
function profileLine({ name, state, sandbox }: Profile, { hosts, given, off, home }: Said): string {
  const there = state.filter(({ path }) => existsSync(join(home, path)));
  const folders = (as: readonly string[]) => [...new Set(there.filter((one) => as.includes(one.as)).map(rootOf))];
  const [settings, writable] = [folders(["copy", "read"]), folders(["write"])];
  const said = [
    hosts ? "hosts" : "no hosts",
    ...given,
    ...(settings.length === 0 ? [] : [`settings of ${settings.join(" ")}`]),
    ...writable.map((folder) => `${folder} writable`),
    ...(off.length === 0 ? [] : [`${listed(off)} off`]),
    ...(sandbox === null ? [] : ["its own sandbox off"]),
  ];
  return `profile ${name} (${said.join(", ")}) · --no-profile`;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** An agent's state is named by its folder: `~/.claude`, `~/.config/opencode`, `~/.local/share/opencode`. */
function rootOf({ path }: { readonly path: string }): string {
  const length = path.startsWith(".config/") ? 2 : path.startsWith(".local/share/") ? 3 : 1;
  return `~/${path.split("/").slice(0, length).join("/")}`;
}
