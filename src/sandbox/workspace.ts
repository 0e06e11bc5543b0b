// The folder the agent works in: which folders are refused, what inside it stays read-only because the host would run
// it later, and what is put right at the end.
// Rules: nothing is created in the workspace before the run and nothing walks it. What must not be made there and was not there
// at the start is taken away at the end and told. Paths are followed component by component afterwards, never through
// a symbolic link that the agent may have made.

import { lstatSync, readdirSync, readFileSync, readlinkSync, realpathSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { Failure } from "#core/failure.ts";
import { codeOf, reaching, standsAt, takeAway } from "./put-right.ts";
import { isWithin } from "./toolchains.ts";

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

/** What runs on the host later, or decides what may run. Files and folders, relative to the workspace. */
export const protectedEntries = [".envrc", ".vscode", ".mcp.json", ".github/workflows", ".gitlab-ci.yml"] as const;
const protectedInGit = ["hooks", "config.worktree", "commondir"] as const;

/** The workspace's real path. Throws Failure workspace_refused. */
export function checkWorkspace(folder: string, kept: { home: string; sallyportHome: string }): string {
  const refuse = (why: string) =>
    new Failure("workspace_refused", `${folder} cannot be a workspace: ${why}`, {
      place: folder,
      remedy: "Work in a project's own folder: cd there first.",
    });
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw refuse("it is not a folder");
  const path = realpathSync(folder);
  const [home, sallyportHome] = [realPath(kept.home), realPath(kept.sallyportHome)];
  if (isWithin(home, path)) throw refuse(path === home ? "it is the home folder" : "it contains the home folder");
  if (isWithin(sallyportHome, path)) throw refuse("it contains sallyport's own home");
  if (isWithin(path, sallyportHome)) throw refuse("it lies in sallyport's own home");
  if (refusedExactly.includes(path) || refusedBelow.some((at) => isWithin(path, at)))
    throw refuse("it belongs to the system");
  for (const name of [".ssh", ".aws", ".gnupg", ".kube", ".docker", ".config"])
    if (isWithin(path, join(home, name))) throw refuse(`it lies in ~/${name}`);
  return path;
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
  readonly workspace: string;
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
}

/** Looks at a fixed number of paths. `also`: files of the workspace to keep, such as the policy. */
export function guardWorkspace(workspace: string, also: readonly string[]): Guarded {
  const readOnly: string[] = [];
  const around = new Set<string>();
  const absent: string[] = [];
  const links = new Map<string, string>();
  const gitConfigs: string[] = [];
  const guard = (path: string) => {
    for (const part of components(workspace, path)) {
      const facts = lstatSync(part, { throwIfNoEntry: false });
      if (facts === undefined) return void absent.push(path);
      if (facts.isSymbolicLink()) return void links.set(part, readlinkSync(part));
      if (part === path) readOnly.push(path);
      else if (facts.isDirectory()) around.add(part);
      else return; // a file where a folder would have to be
    }
  };
  for (const name of protectedEntries) guard(join(workspace, name));
  for (const path of also) if (isWithin(path, workspace) && path !== workspace) guard(path);
  const git = join(workspace, ".git");
  const facts = lstatSync(git, { throwIfNoEntry: false });
  const guardGit = (folder: string) => {
    around.add(folder);
    for (const name of protectedInGit) guard(join(folder, name));
    if (lstatSync(join(folder, "config"), { throwIfNoEntry: false })?.isFile()) gitConfigs.push(join(folder, "config"));
  };
  if (facts?.isDirectory()) {
    guardGit(git);
    for (const module of gitModules(join(git, "modules"))) {
      for (const part of components(workspace, dirname(module))) around.add(part);
      guardGit(module);
    }
    // A worktree elsewhere on the host takes its configuration from where these say.
    for (const tree of foldersOf(join(git, "worktrees"))) {
      for (const part of components(workspace, tree)) around.add(part);
      for (const name of ["commondir", "config.worktree"]) guard(join(tree, name));
    }
  } else if (facts !== undefined) guard(git); // a worktree's or a link: it stays what it is
  return {
    workspace,
    readOnly,
    around: [...around],
    absent,
    links,
    gitConfigs,
    newGit: facts === undefined ? git : null,
  };
}

/** Folders of submodules, at most 256; a submodule's name may have slashes, and submodules their own. */
function gitModules(folder: string, found: string[] = []): string[] {
  if (found.length >= 256 || !lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return found;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (!entry.isDirectory()) continue;
    const path = join(folder, entry.name);
    if (!lstatSync(join(path, "HEAD"), { throwIfNoEntry: false })) gitModules(path, found);
    else {
      if (found.length < 256) found.push(path);
      gitModules(join(path, "modules"), found);
    }
  }
  return found;
}

/** Folders in a folder, at most 256. */
function foldersOf(folder: string): string[] {
  if (!lstatSync(folder, { throwIfNoEntry: false })?.isDirectory()) return [];
  const found = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return found.slice(0, 256).map((entry) => join(folder, entry.name));
}

/** Every path from below `top` down to `path`. */
function components(top: string, path: string): string[] {
  const parts: string[] = [];
  for (let at = path; at !== top && at.length > top.length; at = dirname(at)) parts.unshift(at);
  return parts;
}

/** Something put right after the run. */
export interface Restored {
  /** Relative to the workspace. */
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
    const name = path.slice(workspace.length + 1);
    takeAway(workspace, path, join(attic, name));
    restored.push({ path: name, action: "removed", keys: [] });
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
    restored.push({ path: path.slice(workspace.length + 1), action: "link_restored", keys: [] });
  });
  const { newGit } = guarded;
  if (newGit === null) return restored;
  // A repository that the agent made keeps all but what would run.
  each([newGit], () => {
    const facts = at(newGit);
    if (facts !== undefined && !facts.isDirectory()) take(newGit);
  });
  if (!at(newGit)?.isDirectory()) return restored;
  each(
    protectedInGit.map((name) => join(newGit, name)),
    (path) => {
      const facts = at(path);
      if (facts === undefined) return;
      const samples = path === join(newGit, "hooks") && facts.isDirectory();
      if (!samples || !reaching(workspace, path, () => onlySamples(path))) take(path);
    },
  );
  return restored;
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
