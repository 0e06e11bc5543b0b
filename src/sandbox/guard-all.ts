// Every folder of a run that is guarded: the workspace, the folder of git's that it shares with other worktrees, and what else
// the policy lets the agent write.

import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { isWithin } from "#lib/file-path.ts";
import type { Files } from "./files.ts";
import { personsHooks } from "./git-identity.ts";
import { type Guarded, guardShared, guardWorkspace } from "./guard.ts";

export interface GuardQuestion {
  readonly workspace: string;
  readonly readOnly: readonly string[];
  readonly files: Files | null;
  /** Never shown. */
  readonly sallyportHome: string;
  /** Of the person, on the host. */
  readonly home: { readonly path: string };
}

/** The workspace first. */
export function guardAll({ workspace, readOnly, files, sallyportHome, home }: GuardQuestion): Guarded[] {
  const hooks = personsHooks({ home: home.path, workspace });
  const whole = guardWorkspace(workspace, hooks === null ? readOnly : [...readOnly, hooks]);
  const writable = files?.write ?? [];
  const guarded = [files?.workspace === "read" ? whereWritable(whole, writable) : whole];
  const shared = files?.workspace === "read" ? null : sharedGit(workspace);
  if (shared !== null && !isWithin(shared.folder, sallyportHome))
    guarded.splice(0, 1, { ...whole, git: shared.own }, guardShared(shared.folder, shared.own));
  for (const path of writable)
    if (!isWithin(path, workspace) && path !== shared?.folder && statSync(path).isDirectory())
      guarded.push(guardWorkspace(path, [], true));
  return guarded;
}

/** What of a read-only workspace is guarded: only what lies in a part that may be written. */
function whereWritable(guarded: Guarded, writable: readonly string[]): Guarded {
  const open = (path: string) => writable.some((at) => isWithin(path, at));
  return {
    ...guarded,
    readOnly: guarded.readOnly.filter(open),
    around: guarded.around.filter(open),
    absent: guarded.absent.filter(open),
    links: new Map([...guarded.links].filter(([path]) => open(path))),
    gitConfigs: guarded.gitConfigs.filter(open),
    newGit: guarded.newGit !== null && open(guarded.newGit) ? guarded.newGit : null,
    git: guarded.git !== null && open(guarded.git) ? guarded.git : null,
  };
}

/**
 * Where the workspace is a worktree of a repository elsewhere (`git worktree add`): that repository's folder of git. Each names
 * the other, as git wrote it; a file in the workspace alone could name anything.
 */
export function sharedGit(workspace: string): { readonly folder: string; readonly own: string } | null {
  const file = join(workspace, ".git");
  if (!isSmallFile(file)) return null;
  const own = named(file, /^gitdir: (.+)\n?$/);
  if (own === null || !isSmallFile(join(own, "gitdir")) || !isSmallFile(join(own, "commondir"))) return null;
  const back = named(join(own, "gitdir"), /^(.+)\n?$/);
  const folder = named(join(own, "commondir"), /^(.+)\n?$/);
  if (back === null || folder === null || dirname(own) !== join(folder, "worktrees")) return null;
  try {
    if (realpathSync(back) !== file || realpathSync(own) !== own || realpathSync(folder) !== folder) return null;
  } catch {
    return null; // it names what is not there
  }
  return isWithin(folder, workspace) || isWithin(workspace, folder) ? null : { folder, own };
}

function isSmallFile(path: string): boolean {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  return facts?.isFile() === true && facts.size <= 4096;
}

/** The path that a file of git's names, from where the file is. */
function named(file: string, pattern: RegExp): string | null {
  const path = pattern.exec(readFileSync(file, "utf8"))?.[1];
  return path === undefined || path.includes("\n") ? null : resolve(dirname(file), path);
}
