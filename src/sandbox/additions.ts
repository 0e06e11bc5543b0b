// What the agent made where nothing may be made, taken away when its run is over.
// Rules: runs when no process of the cell is left; paths are followed component by component, never through a symbolic
// link that the agent may have made.

import { readdirSync, readlinkSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { components, type Guarded, protectedInGit } from "./guard.ts";
import { reaching, standsAt, takeAway } from "./put-right.ts";

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
