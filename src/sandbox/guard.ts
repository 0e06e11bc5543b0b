// What of a folder that the agent may write stays as it is, because the host would run it later, or decide by it what may run.
// Rules: nothing is created there before the run and nothing walks it. Mounts keep what is there; what must not be made
// and was not there at the start is taken away at the end (additions.ts).

import { lstatSync, readdirSync, readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { isWithin } from "#lib/file-path.ts";
import { parseGitConfig } from "./git-config.ts";
import { isBelow } from "./git-index.ts";
import { readAgentFile } from "./put-right.ts";

/**
 * What runs on the host later without being asked for, or decides what may run. Files and folders, relative to the workspace.
 * What only tells an agent something (rules, prompts, commands in Markdown) is not here, nor what runs when it is called by
 * name (scripts of a package, targets of a build).
 */
const protectedEntries = [
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
export const protectedInGit = ["hooks", "config.worktree", "commondir"] as const;

/** What stood at a path that is watched; the agent's own additions are known by it at the end. */
export interface Guarded {
  /** The folder that all paths lie in: the workspace, or another folder that the agent may write. */
  readonly workspace: string;
  /** Its inode: another run may put another folder, or a link, in its place meanwhile. */
  readonly inode: number;
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
  readonly all: Pick<Guarded, "workspace" | "inode" | "readOnly" | "around" | "absent" | "links" | "gitConfigs">;
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
      return { workspace: top, inode: lstatSync(top).ino, readOnly, around: [...around], absent, links, gitConfigs };
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
  // git itself has no longer paths than this either: PATH_MAX, with room for the names that are looked at.
  if (found.length >= most || folder.length > 3500) return found;
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return found;
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
