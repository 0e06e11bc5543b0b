// What is done to the workspace when its run is over: additions where nothing may be added are moved away, and of each git
// configuration only what is harmless comes back.
// Rules: runs when no process of the cell is left; every file the agent could have written is read with its kind and size
// checked; the host's configuration is replaced in one rename.

import { randomBytes } from "node:crypto";
import { chmodSync, chownSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { carryOver, filterNew } from "./git-config.ts";
import { reaching, remove, standsAt } from "./put-right.ts";
import { privateCopy } from "./view.ts";
import { type Guarded, type Restored, readAgentFile, removeAdditions } from "./workspace.ts";

/**
 * `scratch`: the run's folder of private copies; what was moved away is in `removed` there afterwards.
 * @throws Failure sandbox_failed, when all else is done, for what could not be put right
 */
export function restoreWorkspace(guarded: Guarded, scratch: string): Restored[] {
  const { workspace, newGit } = guarded;
  const failures: { path: string; error: unknown }[] = [];
  const failed = (path: string, error: unknown) => void failures.push({ path, error });
  const restored = removeAdditions(guarded, join(scratch, "removed"), failed);
  guarded.gitConfigs.forEach((path, at) => {
    try {
      const after = readAgentFile(scratch, privateCopy(scratch, at));
      const host = readAgentFile(workspace, path);
      if (host === null) return; // changed on the host meanwhile: not ours
      const name = path.slice(workspace.length + 1);
      const before = readFileSync(join(scratch, `git-config-${at}`), "utf8");
      const { text, carried, dropped } = carryOver(before, after ?? "\0", host);
      if (text !== null) replace(workspace, path, text);
      if (carried.length > 0) restored.push({ path: name, action: "config_carried_over", keys: carried });
      if (dropped.length > 0) restored.push({ path: name, action: "config_filtered", keys: dropped });
    } catch (error) {
      failed(path, error);
    }
  });
  if (newGit !== null) {
    try {
      if (standsAt(workspace, newGit)?.isDirectory()) restored.push(...filterMade(workspace, join(newGit, "config")));
    } catch (error) {
      failed(join(newGit, "config"), error);
    }
  }
  try {
    remove(scratch, join(scratch, "git"));
  } catch (error) {
    failed(join(scratch, "git"), error);
  }
  guarded.gitConfigs.forEach((_, at) => void rmSync(join(scratch, `git-config-${at}`), { force: true }));
  const [first] = failures;
  if (first !== undefined)
    throw new Failure("sandbox_failed", "what the agent left could not be put right", {
      place: first.path,
      remedy: "Look at it, and remove it, before anything runs in this folder.",
      cause: first.error,
    });
  return restored;
}

/** The configuration of a repository that the agent made. */
function filterMade(workspace: string, path: string): Restored[] {
  if (standsAt(workspace, path) === undefined) return [];
  const text = readAgentFile(workspace, path);
  const { text: filtered, dropped } = filterNew(text ?? "\0");
  if (text === null) remove(workspace, path);
  if (filtered !== null) replace(workspace, path, filtered);
  if (dropped.length === 0) return [];
  return [{ path: path.slice(workspace.length + 1), action: "config_filtered", keys: dropped }];
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
