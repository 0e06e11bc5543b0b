// What is done to the workspace when its run is over: additions where nothing may be added are moved away, and of each git
// configuration only what is harmless comes back. The same for what else the agent could write.
// Rules: runs when no process of the cell is left; every file the agent could have written is read with its kind and size
// checked; the host's configuration is replaced in one rename.

import { randomBytes } from "node:crypto";
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { Failure } from "#core/failure.ts";
import { isWithin } from "#lib/file-path.ts";
import { additionsToGit, type Restored, removeAdditions, toldAs } from "./additions.ts";
import { carryOver, filterNew } from "./git-config.ts";
import type { Guarded } from "./guard.ts";
import { madeRepositories } from "./made-repositories.ts";
import { reaching, readAgentFile, remove, standsAt, takeAway } from "./put-right.ts";
import { privateCopy } from "./view.ts";

/**
 * `scratch`: the run's folder of private copies; what was moved away is in `removed` there afterwards.
 * @throws Failure sandbox_failed, when all else is done, for what could not be put right
 */
export function restoreWorkspace(guarded: readonly Guarded[], scratch: string): Restored[] {
  const failures: { path: string; error: unknown }[] = [];
  const trying = (path: string, act: () => void) => {
    try {
      act();
    } catch (error) {
      failures.push({ path, error });
    }
  };
  const restored: Restored[] = [];
  let copies = 0;
  guarded.forEach((one, which) => {
    const { workspace } = one;
    if (!isStillThere(one)) {
      failures.push({ path: workspace, error: new Error("another folder, or a link, was put in its place") });
      copies += one.gitConfigs.length;
      return;
    }
    const attic = which === 0 ? join(scratch, "removed") : join(scratch, "removed-elsewhere", String(which));
    restored.push(...removeAdditions(one, attic, (path, error) => failures.push({ path, error })));
    for (const path of one.gitConfigs) {
      const at = copies++;
      trying(path, () => void restored.push(...carryBack(one, path, scratch, at)));
    }
    trying(workspace, () => {
      const { repositories, stray } = madeRepositories(one, guarded);
      for (const path of stray)
        trying(path, () => {
          takeAway(workspace, path, join(attic, path.slice(workspace.length + 1)));
          restored.push({ path: toldAs(one, path), action: "removed", keys: [] });
        });
      for (const git of repositories) trying(git, () => void restored.push(...tame(one, git, attic)));
    });
  });
  trying(scratch, () => remove(scratch, join(scratch, "git")));
  for (let at = 0; at < copies; at++) rmSync(join(scratch, `git-config-${at}`), { force: true });
  const [first] = failures;
  if (first !== undefined)
    throw new Failure("sandbox_failed", "what the agent left could not be put right", {
      place: first.path,
      remedy: "Look at it, and remove it, before anything runs in this folder.",
      cause: first.error,
    });
  return restored;
}

/** Nothing is taken away by a path that leads elsewhere now. */
function isStillThere({ workspace, inode }: Guarded): boolean {
  try {
    return realpathSync(workspace) === workspace && lstatSync(workspace).ino === inode;
  } catch {
    return false; // it has gone, or may not be looked at
  }
}

/** Of a configuration that was there before. */
function carryBack(guarded: Guarded, path: string, scratch: string, at: number): Restored[] {
  const after = readAgentFile(scratch, privateCopy(scratch, at));
  const host = readAgentFile(guarded.workspace, path);
  if (host === null) return []; // changed on the host meanwhile: not ours
  const before = readFileSync(join(scratch, `git-config-${at}`), "utf8");
  const { text, carried, dropped } = carryOver(before, after ?? "\0", host);
  if (text !== null) replace(guarded.workspace, path, text);
  const told = (action: Restored["action"], keys: readonly string[]): Restored[] =>
    keys.length === 0 ? [] : [{ path: toldAs(guarded, path), action, keys }];
  return [...told("config_carried_over", carried), ...told("config_filtered", dropped)];
}

/** A repository that the agent made, or could have: nothing in it runs, and of its settings the harmless ones stay. */
function tame(guarded: Guarded, git: string, attic: string): Restored[] {
  const { workspace } = guarded;
  const restored: Restored[] = [];
  for (const path of git === guarded.newGit ? [] : additionsToGit(workspace, git)) {
    takeAway(workspace, path, join(attic, path.slice(workspace.length + 1)));
    restored.push({ path: toldAs(guarded, path), action: "removed", keys: [] });
  }
  const config = join(git, "config");
  if (standsAt(workspace, config) === undefined) return restored;
  const text = readAgentFile(workspace, config);
  // A submodule's folder says where its files are.
  const isOwnTree = (value: string) => !value.startsWith("/") && isWithin(resolve(git, value), workspace);
  const { text: filtered, dropped } = filterNew(text ?? "\0", isOwnTree);
  if (text === null) remove(workspace, config);
  if (filtered !== null) {
    // It may have been the person's own before the agent had it in hand: what is left out can be looked up.
    if (text !== null) keep(join(attic, config.slice(workspace.length + 1)), text);
    replace(workspace, config, filtered);
  }
  if (dropped.length > 0) restored.push({ path: toldAs(guarded, config), action: "config_filtered", keys: dropped });
  return restored;
}

function keep(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode: 0o600 });
}

/** Under a name that the agent cannot have taken before. */
function replace(workspace: string, path: string, text: string): void {
  reaching(workspace, path, () => {
    const facts = lstatSync(path, { throwIfNoEntry: false });
    const draft = `${path}.sallyport-${randomBytes(8).toString("hex")}`;
    writeFileSync(draft, text, { flag: "wx", mode: 0o600 });
    if (facts !== undefined) {
      chmodSync(draft, (facts.mode & 0o777) | 0o600);
      if (process.geteuid?.() === 0) chownSync(draft, facts.uid, facts.gid);
    }
    renameSync(draft, path);
  });
}
