// A profile: what one agent needs besides its program. Hosts, variables, what of its state in the home it sees, how its own sandbox
// is switched off, and what it could do without. A data file in TOML (profiles/NAME.toml); this reads one, and nothing is skipped or
// guessed: every key that is not in the table below is a problem with its place and the key that was probably meant.
// Rules: what a profile allows is a policy like any other, and only ever added to one (cli/policy/source.ts); a path of the home never
// leaves it; a file of the cell stands in a folder of its own in /etc.

import { Failure } from "#core/failure.ts";
import { type Entry, type Node, type Place, type Problem, SyntaxProblem, type Table } from "./document.ts";
import { extendPolicy } from "./extend.ts";
import { readTree } from "./parse.ts";
import type { Policy } from "./policy.ts";
import type { Presets } from "./presets.ts";
import { readKeys } from "./read.ts";
import { type Key, type Keys, type Shape, schema, schemaVersion } from "./schema.ts";
import { readToml } from "./toml.ts";

/** The agent's programs are known by these names: what was typed, what that leads to, or the npm package it is in. */
export interface Profile {
  readonly name: string;
  /** What people call it. */
  readonly title: string;
  readonly program: readonly string[];
  readonly package: readonly string[];
  /** Variables of the caller that the agent is given where they are set. */
  readonly env: readonly string[];
  /** `NAME=VALUE`, always. */
  readonly set: readonly string[];
  readonly state: readonly StateEntry[];
  /** How its own sandbox is switched off; null where it has none. */
  readonly sandbox: Switch | null;
  readonly off: readonly SwitchedOff[];
  readonly provider: readonly Provider[];
  /** Its hosts and rules, without those of its providers. */
  readonly policy: Policy;
}

/** Something of the agent's in the user's home. */
export interface StateEntry {
  /** Relative to HOME. */
  readonly path: string;
  /**
   * `copy`: a file, as it is on the host, put into the agent's private home at every start. `read`: the host's own, read-only.
   * `write`: the host's own.
   */
  readonly as: "copy" | "read" | "write";
}

export interface Switch {
  readonly set: readonly string[];
  readonly file: readonly CellFile[];
}

/** A file that is in the cell alone. Several of one path are one text, in their order. */
export interface CellFile {
  readonly path: string;
  readonly text: string;
}

export interface SwitchedOff extends Switch {
  readonly what: string;
  /** `--allow` of one of these leaves it on. */
  readonly host: readonly string[];
}

/** One of several model providers: its hosts are allowed where one of its variables is set. */
export interface Provider {
  readonly name: string;
  readonly env: readonly string[];
  readonly policy: Policy;
}

export const profileName = /^[a-z0-9][a-z0-9_-]{0,31}$/;

const text: Shape = { type: "string", format: "text" };
const environment: Shape = { type: "list", of: { type: "string", format: "environment" } };
const texts: Shape = { type: "list", of: text };
const tables = (keys: Keys, required: readonly string[]): Shape => ({
  type: "list",
  of: { type: "table", keys, required },
});

const switchKeys: Keys = {
  set: { shape: environment, doc: "Variables, as `NAME=VALUE`." },
  file: {
    shape: tables(
      {
        path: { shape: { type: "string", format: "file" }, doc: "Its path in the cell, `/etc/FOLDER/…`." },
        text: { shape: text, doc: "What it says. Several entries of one path are one file." },
      },
      ["path", "text"],
    ),
    doc: "Files that are in the cell alone.",
  },
};

/** What a profile may say. */
export const profileKeys: Keys = {
  title: { shape: text, doc: "What people call the agent." },
  program: { shape: texts, doc: "Names of its program." },
  package: { shape: texts, doc: "npm packages that its program is in." },
  env: { shape: environment, doc: "Variables of yours that the agent is given where they are set: names only." },
  set: { shape: environment, doc: "Variables that it is always given, as `NAME=VALUE`." },
  network: {
    shape: { type: "table", keys: networkKeys() },
    doc: "The hosts it needs: `allow` and `rule` of a policy's `[network]`.",
  },
  state: {
    shape: tables(
      {
        path: { shape: { type: "string", format: "file" }, doc: "A path below HOME." },
        as: {
          shape: { type: "choice", of: ["copy", "read", "write"] },
          doc: "`copy`: yours, copied at every start, never back. `read`: yours, read-only. `write`: yours, writable.",
        },
      },
      ["path", "as"],
    ),
    doc: "What of your home the agent sees. Everything else of its state stands in its private home.",
  },
  sandbox: { shape: { type: "table", keys: switchKeys }, doc: "How its own sandbox is switched off." },
  off: {
    shape: tables(
      {
        what: { shape: text, doc: "What it is." },
        host: {
          shape: { type: "list", of: { type: "string", format: "host" } },
          doc: "`--allow` of one leaves it on.",
        },
        ...switchKeys,
      },
      ["what"],
    ),
    doc: "What it could do without, switched off: telemetry, updates.",
  },
  provider: {
    shape: tables(
      {
        name: { shape: text, doc: "Whose models." },
        env: { shape: environment, doc: "The variables that hold its key." },
        allow: { shape: texts, doc: "Its hosts, as in a policy's `allow`." },
      },
      ["name", "env", "allow"],
    ),
    doc: "Providers of models: allowed, and their variables given, where one of these is set.",
  },
};

function networkKeys(): Keys {
  const keys = schema.network?.shape.type === "table" ? schema.network.shape.keys : {};
  return Object.fromEntries(["allow", "rule"].map((name) => [name, keys[name] as Key]));
}

export interface ProfileSource {
  /** As it stands in `profiles/NAME.toml`. */
  readonly name: string;
  /** The file, the beginning of every place. */
  readonly file: string;
  readonly presets: Presets;
}

/** @throws Failure profile_invalid, its place `file:line:column` of the first problem. */
export function parseProfile(toml: string, source: ProfileSource): Profile {
  const { profile, problems } = readProfile(toml, source);
  if (profile !== null) return profile;
  const [first, ...more] = [...problems].sort(
    (one, other) => one.at.line - other.at.line || one.at.column - other.at.column,
  );
  const { message, at, remedy } = first ?? { message: "this is no profile", at: start, remedy: null };
  throw new Failure("profile_invalid", message + (more.length === 0 ? "" : ` (and ${more.length} more)`), {
    place: `${source.file}:${at.line}:${at.column}`,
    ...(remedy === null ? {} : { remedy }),
  });
}

/** Longer texts are refused unread. */
const longestText = 2 ** 20;
const start: Place = { line: 1, column: 1 };

/** The document as the table above describes it. */
interface Written {
  readonly title: string;
  readonly program?: readonly string[];
  readonly package?: readonly string[];
  readonly env?: readonly string[];
  readonly set?: readonly string[];
  readonly state?: readonly StateEntry[];
  readonly sandbox?: Partial<Switch>;
  readonly off?: readonly (Partial<SwitchedOff> & { readonly what: string })[];
  readonly provider?: readonly { readonly name: string; readonly env: readonly string[] }[];
}

function readProfile(toml: string, source: ProfileSource): { profile: Profile | null; problems: readonly Problem[] } {
  if (toml.length > longestText)
    return { profile: null, problems: [{ message: "a profile has at most 1 MiB of text", at: start, remedy: null }] };
  let root: Table;
  try {
    root = readToml(toml);
  } catch (error) {
    if (!(error instanceof SyntaxProblem)) throw error;
    return { profile: null, problems: [{ message: error.message, at: error.at, remedy: null }] };
  }
  const { document, places, problems } = readKeys(root, profileKeys, "a profile", ["title"]);
  const written = document as unknown as Written;
  if (problems.length > 0) return { profile: null, problems };
  const wrong: Wrong = (path, message, remedy) =>
    void problems.push({ message, at: places.get(path) ?? root.at, remedy });
  checkPaths(written, wrong);
  checkVariables(written, wrong);
  if (problems.length > 0) return { profile: null, problems };

  const policyOf = (network: Node | undefined, name: string): Policy | null => {
    const said = readTree(policyTable(root, network), { name: source.file, presets: source.presets });
    problems.push(...said.problems);
    return said.policy === null ? null : { ...said.policy, name };
  };
  const policy = policyOf(root.entries.get("network")?.node, `profile ${source.name}`);
  const nodes = root.entries.get("provider")?.node;
  const provider = (written.provider ?? []).map(({ name, env }, index) => {
    const node = nodes?.kind === "list" ? nodes.items[index] : undefined;
    const allow = node?.kind === "table" ? node.entries.get("allow") : undefined;
    const table = allow && { kind: "table" as const, at: allow.at, entries: new Map([["allow", allow]]) };
    return { name, env, policy: policyOf(table, `profile ${source.name}`) };
  });
  if (policy === null || problems.length > 0) return { profile: null, problems };
  const profile: Profile = {
    name: source.name,
    title: written.title,
    program: written.program ?? [],
    package: written.package ?? [],
    env: written.env ?? [],
    set: written.set ?? [],
    state: (written.state ?? []).map(({ path, as }) => ({ path: path.replace(/^~\//, ""), as })),
    sandbox: written.sandbox === undefined ? null : switchOf(written.sandbox),
    off: (written.off ?? []).map((one) => ({ what: one.what, host: one.host ?? [], ...switchOf(one) })),
    provider: provider.filter((one): one is Provider => one.policy !== null),
    policy,
  };
  return { profile, problems };
}

/** A policy of nothing but this `[network]`. */
function policyTable(root: Table, network: Node | undefined): Table {
  const entries = new Map<string, Entry>([
    ["version", { at: root.at, node: { kind: "scalar", at: root.at, value: schemaVersion } }],
  ]);
  if (network !== undefined) entries.set("network", { at: network.at, node: network });
  return { kind: "table", at: root.at, entries };
}

function switchOf({ set, file }: Partial<Switch>): Switch {
  return { set: set ?? [], file: file ?? [] };
}

type Wrong = (path: string, message: string, remedy: string) => void;

function checkPaths(written: Written, wrong: Wrong): void {
  const whole = (path: string) => path.split("/").every((part) => part !== "" && part !== "." && part !== "..");
  for (const [index, { path }] of (written.state ?? []).entries()) {
    if (!whole(path.replace(/^~\//, "")))
      wrong(`state[${index}].path`, `"${path}" is no path below HOME`, 'Write for example ".claude/settings.json".');
  }
  const files = (under: string, list: readonly CellFile[] = []) => {
    for (const [index, { path }] of list.entries())
      if (!/^\/etc\/[a-z0-9-]+\//.test(path) || !whole(path.slice(1)) || taken.test(path))
        wrong(
          `${under}.file[${index}].path`,
          `"${path}" is no file of a folder of its own in /etc`,
          "Write /etc/NAME/FILE.",
        );
  };
  files("sandbox", written.sandbox?.file);
  for (const [index, { file }] of (written.off ?? []).entries()) files(`off[${index}]`, file);
}

/** Folders of /etc that every cell has. */
const taken = /^\/etc\/(ssl|ssh|pki|alternatives|ca-certificates|fonts|java|perl|profile|sallyport|security|xml)[./-]/;

function checkVariables(written: Written, wrong: Wrong): void {
  const each = (path: string, list: readonly string[] = [], valued: boolean) => {
    for (const [index, entry] of list.entries())
      if (entry.includes("=") !== valued)
        wrong(
          `${path}[${index}]`,
          valued ? `${path}: "${entry}" has no value` : `${path}: "${entry.split("=", 1)[0]}" has a value`,
          valued ? `Write "${entry}=VALUE", or name it in env.` : "Write it in set.",
        );
  };
  each("env", written.env, false);
  each("set", written.set, true);
  each("sandbox.set", written.sandbox?.set, true);
  for (const [index, { set }] of (written.off ?? []).entries()) each(`off[${index}].set`, set, true);
  for (const [index, { env }] of (written.provider ?? []).entries()) each(`provider[${index}].env`, env, false);
}

/** What a run under a profile gets, as far as that follows from the caller's variables and flags. */
export interface ProfileUse {
  /** The hosts and rules of the agent and of the providers whose variables are set. */
  readonly policy: Policy;
  /** `NAME=VALUE` and `NAME`, in this order: what comes later holds. */
  readonly env: readonly string[];
  /** Names of `env` that are set and were not written as a value: the agent has them. */
  readonly given: readonly string[];
  readonly files: readonly CellFile[];
  readonly off: readonly SwitchedOff[];
}

/** `isSet`: whether the caller has a variable; `allow`: the values of `--allow`. */
export function useProfile(profile: Profile, isSet: (name: string) => boolean, allow: readonly string[]): ProfileUse {
  const named = new Set(allow.map((entry) => entry.toLowerCase().replace(/:\d+$/, "")));
  const off = profile.off.filter(({ host }) => !host.some((one) => named.has(one)));
  const providers = profile.provider.filter(({ env }) => env.some(isSet));
  const switches: readonly Switch[] = [...(profile.sandbox === null ? [] : [profile.sandbox]), ...off];
  const names = [...new Set([...profile.env, ...profile.provider.flatMap(({ env }) => env)])];
  const files = new Map<string, string>();
  for (const { path, text } of switches.flatMap(({ file }) => file)) files.set(path, (files.get(path) ?? "") + text);
  return {
    policy: providers.reduce((whole, one) => extendPolicy(whole, one.policy), profile.policy),
    env: [...profile.set, ...switches.flatMap(({ set }) => set), ...names],
    given: names.filter(isSet),
    files: [...files].map(([path, text]) => ({ path, text })),
    off,
  };
}
