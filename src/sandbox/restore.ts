// What is done to the workspace when its run is over: additions where nothing may be added are moved away, and of each git
// configuration only what is harmless comes back.
// Rules: runs when no process of the cell is left; every file the agent could have written is read with its kind and size
// checked; the host's configuration is replaced in one rename.

import { chmodSync, chownSync, lstatSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { carryOver, filterNew } from "./git-config.ts";
import { privateCopy } from "./view.ts";
import { type Guarded, type Restored, readAgentFile, removeAdditions } from "./workspace.ts";

/** `scratch`: the run's folder of private copies; what was moved away is in `removed` there afterwards. */
export function restoreWorkspace(guarded: Guarded, scratch: string): Restored[] {
  const restored = removeAdditions(guarded, join(scratch, "removed"));
  guarded.gitConfigs.forEach((path, at) => {
    const name = path.slice(guarded.workspace.length + 1);
    const after = readAgentFile(privateCopy(scratch, at));
    const host = readAgentFile(path);
    if (host === null) return; // changed on the host meanwhile: not ours
    const before = readFileSync(join(scratch, `git-config-${at}`), "utf8");
    const { text, carried, dropped } = carryOver(before, after ?? "\0", host);
    if (text !== null) replace(path, text);
    if (carried.length > 0) restored.push({ path: name, action: "config_carried_over", keys: carried });
    if (dropped.length > 0) restored.push({ path: name, action: "config_filtered", keys: dropped });
  });
  if (guarded.newGit !== null && lstatSync(guarded.newGit, { throwIfNoEntry: false })?.isDirectory()) {
    const path = join(guarded.newGit, "config");
    const facts = lstatSync(path, { throwIfNoEntry: false });
    if (facts !== undefined) {
      const text = readAgentFile(path);
      const { text: filtered, dropped } = filterNew(text ?? "\0");
      if (text === null) rmSync(path, { recursive: true, force: true });
      if (filtered !== null) replace(path, filtered);
      if (dropped.length > 0)
        restored.push({ path: path.slice(guarded.workspace.length + 1), action: "config_filtered", keys: dropped });
    }
  }
  rmSync(join(scratch, "git"), { recursive: true, force: true });
  guarded.gitConfigs.forEach((_, at) => void rmSync(join(scratch, `git-config-${at}`), { force: true }));
  return restored;
}

function replace(path: string, text: string): void {
  const facts = lstatSync(path, { throwIfNoEntry: false });
  const draft = `${path}.sallyport-${process.pid}`;
  writeFileSync(draft, text, { flag: "wx", mode: 0o600 });
  if (facts !== undefined) {
    chmodSync(draft, facts.mode & 0o777);
    if (process.geteuid?.() === 0) chownSync(draft, facts.uid, facts.gid);
  }
  renameSync(draft, path);
}
