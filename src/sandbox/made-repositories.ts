// Repositories that stand in the workspace when a run is over and that git on the host would go into without being told to:
// what the index names as submodules, and the folders of git's that belong to submodules. The agent may have made them,
// or put another in the place of one. Those that were there at the start and lay under a mount are left as they are.
// Rules: runs when no process of the cell is left; nothing is followed through a symbolic link; bounded.

import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { isWithin } from "#lib/file-path.ts";
import { parseIndexLinks } from "./git-index.ts";
import { components, foldersOf, type Guarded, gitModules } from "./guard.ts";
import { readAgentFile, standsAt } from "./put-right.ts";

/** Bytes; the index of a million files. */
const largestIndex = 128 * 2 ** 20;
const mostModules = 4096;

export interface MadeRepositories {
  /** Folders of git's whose settings and hooks are the agent's. */
  readonly repositories: readonly string[];
  /** What stands for such a folder and leads where no submodule is. */
  readonly stray: readonly string[];
}

/** `all`: every folder that was guarded, `guarded` among them: a submodule's folder of git may lie in another. */
export function madeRepositories(guarded: Guarded, all: readonly Guarded[]): MadeRepositories {
  const { workspace, newGit } = guarded;
  const known = new Set(all.flatMap(({ gitConfigs }) => gitConfigs).map(dirname));
  const newModules = ({ modules }: Guarded) =>
    modules === null ? [] : gitModules(modules, mostModules).filter((module) => !known.has(module));
  const repositories = new Set(newModules(guarded));
  const stray: string[] = [];
  const git = newGit ?? guarded.git;
  if (git === null || !standsAt(workspace, git)?.isDirectory()) return { repositories: [...repositories], stray };
  if (newGit !== null) repositories.add(newGit);
  for (const tree of isWithin(git, workspace) ? foldersOf(join(git, "worktrees")) : [])
    if (!guarded.around.includes(tree)) stray.push(...strayOfWorktree(workspace, tree));
  const modules = new Set([...known, ...all.flatMap(newModules)]);
  for (const link of linksOf(git)) {
    const path = join(workspace, link, ".git");
    if (guarded.readOnly.includes(path) || known.has(path)) continue;
    const ways = components(workspace, dirname(path));
    if (!ways.every((part) => standsAt(workspace, part)?.isDirectory())) continue; // git does not go there either
    const facts = standsAt(workspace, path);
    if (facts === undefined) continue;
    if (facts.isDirectory()) repositories.add(path);
    else {
      // A module is either known, and was under guard, or seen to as one that was made.
      const leads = facts.isFile() ? gitFolderOf(workspace, path) : null;
      if (leads === null || !modules.has(leads)) stray.push(path);
    }
  }
  return { repositories: [...repositories], stray };
}

/** A worktree that the agent made shares this repository, and has no settings of its own. */
function strayOfWorktree(workspace: string, tree: string): string[] {
  const shared = join(tree, "commondir");
  const own = join(tree, "config.worktree");
  return [
    ...(standsAt(workspace, shared) !== undefined && readAgentFile(workspace, shared) !== "../..\n" ? [tree] : []),
    ...(standsAt(workspace, own) === undefined ? [] : [own]),
  ];
}

/** What the index names, with the other half of a split one. */
function linksOf(git: string): readonly string[] {
  const read = (name: string) => {
    const facts = standsAt(git, join(git, name));
    if (facts?.isFile() !== true) return null;
    if (facts.size > largestIndex) throw new Error(`${join(git, name)} is too large to be looked through`);
    return parseIndexLinks(readFileSync(join(git, name)));
  };
  const index = read("index");
  const shared = index?.shared == null ? null : read(`sharedindex.${index.shared}`);
  return [...new Set([...(index?.paths ?? []), ...(shared?.paths ?? [])])];
}

/** The folder that a `.git` file names. */
function gitFolderOf(workspace: string, path: string): string | null {
  const named = /^gitdir: ([^\n]+)\n?$/.exec(readAgentFile(workspace, path) ?? "")?.[1];
  return named === undefined ? null : resolve(dirname(path), named);
}
