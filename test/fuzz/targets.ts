// The fuzz targets: every file of this folder that is not the fuzzer itself exports one: name, seeds, run, and what else
// a FuzzTarget may have.

import { readdirSync } from "node:fs";
import type { FuzzTarget } from "./fuzzer.ts";

const fuzzerItself = ["fuzzer.ts", "run.ts", "targets.ts"];

export async function loadTargets(names: readonly string[] = []): Promise<readonly FuzzTarget[]> {
  const targets: FuzzTarget[] = [];
  for (const file of readdirSync(import.meta.dirname).sort()) {
    if (!file.endsWith(".ts") || file.endsWith(".test.ts") || fuzzerItself.includes(file)) continue;
    const loaded: Partial<FuzzTarget> = await import(`./${file}`);
    if (loaded.name === undefined || loaded.seeds === undefined || loaded.run === undefined) {
      throw new Error(`test/fuzz/${file} exports no target: name, seeds and run`);
    }
    targets.push(loaded as FuzzTarget);
  }
  const unknown = names.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0) {
    const known = targets.map(({ name }) => name).join(", ");
    throw new Error(`no such fuzz target: ${unknown.join(", ")} (there are ${known})`);
  }
  return names.length === 0 ? targets : targets.filter((target) => names.includes(target.name));
}
