// The folder the agent works in: which folders are refused, what inside it stays read-only because the host would run
// it later, and what is put right at the end.
// Rules: nothing is created in the workspace before the run and nothing walks it. What must not be made there and was not there
// at the start is taken away at the end and told. Paths are followed component by component afterwards, never through
// a symbolic link that the agent may have made.

import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Failure } from "#core/failure.ts";
import { isWithin } from "#lib/file-path.ts";
import { parseGitConfig } from "./git-config.ts";
import { isBelow } from "./git-index.ts";
import { codeOf, reaching, standsAt, takeAway } from "./put-right.ts";

const refusedExactly = [
  "/",
  "/home",
  "/root",
  "/tmp",
  "/var",
  "/var/tmp",
  "/usr",
  "/usr/local",
  "/opt",
  "/srv",
  "/mnt",
  "/media",
  "/run",
  "/run/user",
];
const refusedBelow = [
  "/etc",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/boot",
  "/dev",
  "/proc",
  "/sys",
  "/usr/bin",
  "/usr/sbin",
  "/usr/lib",
  "/usr/lib64",
  "/usr/include",
  "/usr/share",
];

/**
 * What runs on the host later without being asked for, or decides what may run. Files and folders, relative to the workspace.
 * What only tells an agent something (rules, prompts, commands in Markdown) is not here, nor what runs when it is called by
 * name (scripts of a package, targets of a build).
 */
export const protectedEntries = [
  // A shell that enters the folder.
  ".envrc",
  "mise.toml",
  ".mise.toml",
  // Editors that open it: tasks, file watchers, interpreters, containers to start.
  ".vscode",
  ".idea",
  ".zed",
  ".devcontainer",
  ".devcontainer.json",
  ".exrc",
  ".nvimrc",
  ".nvim.lua",
  // Coding agents that are started in it: hooks, servers that they start, permissions they are given.
  ".mcp.json",
  ".claude/settings.json",
  ".claude/settings.local.json",
  ".claude/hooks",
  ".cursor/mcp.json",
  ".cursor/hooks.json",
  ".codex",
  ".gemini/settings.json",
  ".aider.conf.yml",
  "opencode.json",
  "opencode.jsonc",
  // Machines that build what is pushed, with keys of their own.
  ".github/workflows",
  ".github/actions",
  ".gitlab-ci.yml",
  ".circleci",
  ".gitea/workflows",
  ".forgejo/workflows",
  ".buildkite",
  ".travis.yml",
  "azure-pipelines.yml",
  "bitbucket-pipelines.yml",
  "Jenkinsfile",
] as const;
const protectedInGit = ["hooks", "config.worktree", "commondir"] as const;

/** The workspace's real path. Throws Failure workspace_refused. */
export function checkWorkspace(folder: string, kept: { home: string; sallyportHome: string }): string {
  const refuse = (why: string) =>
    new Failure("workspace_refused", `this cannot be a workspace: ${why}`, {
      place: folder,
      remedy: "Work in a project's own folder: cd there first.",
    });
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw refuse("it is not a folder");
  const path = realpathSync(folder);
  const [home, sallyportHome] = [realPath(kept.home), realPath(kept.sallyportHome)];
  if (isWithin(home, path)) throw refuse(path === home ? "it is the home folder" : "it contains the home folder");
  if (isWithin(sallyportHome, path)) throw refuse("it contains sallyport's own home");
  if (isWithin(path, sallyportHome)) throw refuse("it lies in sallyport's own home");
  const reason = systemReason(path, home);
  if (reason !== null) throw refuse(reason);
  return path;
}

/** Why no agent may write in a folder of the machine's own, or among the caller's keys; null where it may. */
export function systemReason(path: string, home: string): string | null {
  if (refusedExactly.includes(path) || refusedBelow.some((at) => isWithin(path, at))) return "it belongs to the system";
  const name = [".ssh", ".aws", ".gnupg", ".kube", ".docker", ".config"].find((at) => isWithin(path, join(home, at)));
  return name === undefined ? null : `it lies in ~/${name}`;
}

/** A home that is not there, or that may not be looked into, is known by its name alone; opening it says what is wrong. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** What stood at a path that is watched; the agent's own additions are known by it at the end. */
export interface Guarded {
  /** The folder that all paths lie in: the workspace, or another folder that the agent may write. */
  readonly workspace: string;
  /** True for another folder: its paths are told in full. */
  readonly outside: boolean;
  /** Present: a mount lies over them, with those in `around` as mounts of their own so that they cannot be renamed. */
  readonly readOnly: readonly string[];
  readonly around: readonly string[];
  readonly absent: readonly string[];
  /** Symbolic links, which no mount can cover. */
  readonly links: ReadonlyMap<string, string>;
  /** Configuration files of git to be replaced by private copies. */
  readonly gitConfigs: readonly string[];
  /** Folders of git whose `config` and hooks the agent may make, because there are none yet. */
  readonly newGit: string | null;
  /** The git folder of this work tree, where its index is; null where there was none. */
  readonly git: string | null;
  /** The folder in it, or beside it, that holds the folders of submodules. */
  readonly modules: string | null;
}

/** Looks at a fixed number of paths, and at what `.gitmodules` names. `also`: files of the workspace to keep, such as the policy. */
export function guardWorkspace(workspace: string, also: readonly string[], outside = false): Guarded {
  const guards = createGuards(workspace);
  for (const name of protectedEntries) guards.keep(join(workspace, name));
  for (const path of also) if (isWithin(path, workspace) && path !== workspace) guards.keep(path);
  const git = join(workspace, ".git");
  const facts = lstatSync(git, { throwIfNoEntry: false });
  if (facts?.isDirectory()) {
    guards.repository(git);
  } else if (facts !== undefined) guards.keep(git); // a worktree's or a link: it stays what it is
  if (facts !== undefined)
    for (const path of submodulePaths(workspace)) guards.submodule(join(workspace, path, ".git"));
  return {
    ...guards.all,
    outside,
    newGit: facts === undefined ? git : null,
    git: facts?.isDirectory() ? git : null,
    modules: facts?.isDirectory() ? join(git, "modules") : null,
  };
}

/** The folder that a repository's worktrees share (`git worktree`), of which this work tree's own is `own`. */
export function guardShared(shared: string, own: string): Guarded {
  const guards = createGuards(shared);
  guards.repository(shared);
  return { ...guards.all, outside: true, newGit: null, git: null, modules: join(own, "modules") };
}

interface Guards {
  readonly all: Pick<Guarded, "workspace" | "readOnly" | "around" | "absent" | "links" | "gitConfigs">;
  /** A file or folder that stays what it is, or stays away. */
  keep(path: string): void;
  /** A folder of git's, with those of its submodules and worktrees. */
  repository(folder: string): void;
  /** What stands for a submodule's folder of git: a file that names one, or such a folder itself. */
  submodule(path: string): void;
}

function createGuards(top: string): Guards {
  const readOnly: string[] = [];
  const around = new Set<string>();
  const absent: string[] = [];
  const links = new Map<string, string>();
  const gitConfigs: string[] = [];
  const surround = (path: string) => {
    for (const part of components(top, path)) around.add(part);
  };
  const keep = (path: string) => {
    for (const part of components(top, path)) {
      const facts = lstatSync(part, { throwIfNoEntry: false });
      if (facts === undefined) return void absent.push(path);
      if (facts.isSymbolicLink()) return void links.set(part, readlinkSync(part));
      if (part === path) readOnly.push(path);
      else if (facts.isDirectory()) around.add(part);
      else return; // a file where a folder would have to be
    }
  };
  const keepGit = (folder: string) => {
    surround(folder);
    for (const name of protectedInGit) keep(join(folder, name));
    const config = join(folder, "config");
    if (!lstatSync(config, { throwIfNoEntry: false })?.isFile()) return;
    gitConfigs.push(config);
    for (const path of hooksElsewhere(top, folder, config)) keep(path);
  };
  return {
    get all() {
      return { workspace: top, readOnly, around: [...around], absent, links, gitConfigs };
    },
    keep,
    repository: (folder) => {
      keepGit(folder);
      for (const module of gitModules(join(folder, "modules"))) keepGit(module);
      // A worktree elsewhere on the host takes its configuration from where these say.
      for (const tree of foldersOf(join(folder, "worktrees"))) {
        surround(tree);
        for (const name of ["commondir", "config.worktree"]) keep(join(tree, name));
        for (const module of gitModules(join(tree, "modules"))) keepGit(module);
      }
    },
    submodule: (path) => {
      for (const part of components(top, dirname(path)))
        if (!lstatSync(part, { throwIfNoEntry: false })?.isDirectory()) return; // not checked out: seen to at the end
      const facts = lstatSync(path, { throwIfNoEntry: false });
      if (facts?.isDirectory()) keepGit(path);
      else if (facts !== undefined) keep(path);
    },
  };
}

/** Folders of the work tree from which git runs hooks (`core.hooksPath`); husky's call the ones in the folder above them. */
function hooksElsewhere(top: string, git: string, config: string): string[] {
  return (parseGitConfig(readAgentFile(top, config) ?? "", true) ?? [])
    .filter(({ section, key, value }) => section === "core" && key === "hookspath" && value !== "")
    .map(({ value }) => resolve(dirname(git), value.endsWith("/_") ? dirname(value) : value))
    .filter((path) => path !== top && isWithin(path, top));
}

/** Where `.gitmodules` says that submodules are. */
function submodulePaths(workspace: string): string[] {
  const text = readAgentFile(workspace, join(workspace, ".gitmodules"));
  if (text === null) return [];
  return (parseGitConfig(text) ?? [])
    .filter(({ section, key, value }) => section === "submodule" && key === "path" && isBelow(value))
    .slice(0, 256)
    .map(({ value }) => value);
}

/** Folders of submodules, at most `most`; a submodule's name may have slashes, and submodules their own. */
export function gitModules(folder: string, most = 256, found: string[] = []): string[] {
  if (found.length >= most || !lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return found;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    if (!lstatSync(join(path, "HEAD"), { throwIfNoEntry: false })) gitModules(path, most, found);
    else {
      if (found.length < most) found.push(path);
      gitModules(join(path, "modules"), most, found);
    }
  }
  return found;
}

/** Folders in a folder, at most 256. */
export function foldersOf(folder: string): string[] {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const found = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return found.slice(0, 256).map((entry) => join(folder, entry.name));
}

/** Every path from below `top` down to `path`. */
export function components(top: string, path: string): string[] {
  const parts: string[] = [];
  for (let at = path; at !== top && at.length > top.length; at = dirname(at)) parts.unshift(at);
  return parts;
}

/** Something put right after the run. */
export interface Restored {
  /** Relative to the workspace; in full where it is elsewhere. */
  readonly path: string;
  readonly action: "removed" | "link_restored" | "config_filtered" | "config_carried_over";
  /** Dropped or carried keys of a configuration; empty otherwise. */
  readonly keys: readonly string[];
}

/**
 * Takes away what the agent made where nothing may be made. `attic`: a folder that the removed things are moved to.
 * What fails for one path is given to `failed`, and the others are still seen to.
 */
export function removeAdditions(
  guarded: Guarded,
  attic: string,
  failed: (path: string, error: unknown) => void = (_, error) => {
    throw error;
  },
): Restored[] {
  const restored: Restored[] = [];
  const { workspace } = guarded;
  const at = (path: string) => standsAt(workspace, path);
  const take = (path: string) => {
    takeAway(workspace, path, join(attic, path.slice(workspace.length + 1)));
    restored.push({ path: toldAs(guarded, path), action: "removed", keys: [] });
  };
  const each = (paths: Iterable<string>, act: (path: string) => void) => {
    for (const path of paths) {
      try {
        act(path);
      } catch (error) {
        failed(path, error);
      }
    }
  };
  each(guarded.absent, (path) => {
    for (const part of components(workspace, path)) {
      const facts = at(part);
      if (facts === undefined) break;
      if (part === path || facts.isSymbolicLink()) {
        take(part);
        break;
      }
    }
  });
  each(guarded.links.keys(), (path) => {
    const target = guarded.links.get(path) as string;
    const facts = at(path);
    if (facts?.isSymbolicLink() && readlinkSync(path) === target) return;
    if (facts !== undefined) take(path);
    reaching(workspace, path, () => symlinkSync(target, path));
    restored.push({ path: toldAs(guarded, path), action: "link_restored", keys: [] });
  });
  const { newGit } = guarded;
  if (newGit === null) return restored;
  each([newGit], () => {
    const facts = at(newGit);
    if (facts !== undefined && !facts.isDirectory()) take(newGit);
  });
  if (at(newGit)?.isDirectory()) each(additionsToGit(workspace, newGit), take);
  return restored;
}

/** A repository that the agent made keeps all but what would run. */
export function additionsToGit(top: string, git: string): string[] {
  return protectedInGit
    .map((name) => join(git, name))
    .filter((path) => {
      const facts = standsAt(top, path);
      if (facts === undefined) return false;
      const samples = path === join(git, "hooks") && facts.isDirectory();
      return !samples || !reaching(top, path, () => onlySamples(path));
    });
}

/** A path as the person is told of it. */
export function toldAs({ workspace, outside }: Guarded, path: string): string {
  return outside ? path : path.slice(workspace.length + 1);
}

/** git's own template has hooks that do nothing until they are renamed. */
function onlySamples(hooks: string): boolean {
  return readdirSync(hooks, { withFileTypes: true }).every((entry) => entry.isFile() && entry.name.endsWith(".sample"));
}

/** The text of an agent's file below `top`, or null when it is no regular file of at most 1 MiB that can be read. */
export function readAgentFile(top: string, path: string): string | null {
  try {
    const facts = standsAt(top, path);
    return facts?.isFile() && facts.size <= 2 ** 20 ? readFileSync(path, "utf8") : null;
  } catch (error) {
    if (codeOf(error) === "EACCES") return null;
    throw error;
  }
}
