// The fuzz targets: every file of this folder that ends in `.target.ts` and exports `target`.

import { readdirSync } from "node:fs";
import type { FuzzTarget } from "./fuzzer.ts";

export async function loadTargets(names: readonly string[] = []): Promise<readonly FuzzTarget[]> {
  const targets: FuzzTarget[] = [];
  for (const file of readdirSync(import.meta.dirname).sort()) {
    if (!file.endsWith(".target.ts")) continue;
    const loaded: { readonly target?: FuzzTarget } = await import(`./${file}`);
    if (loaded.target === undefined) throw new Error(`test/fuzz/${file} exports no target`);
    targets.push(loaded.target);
  }
  const unknown = names.filter((name) => !targets.some((target) => target.name === name));
  if (unknown.length > 0)
    throw new Error(
      `no such fuzz target: ${unknown.join(", ")} (there are ${targets.map(({ name }) => name).join(", ")})`,
    );
  return names.length === 0 ? targets : targets.filter((target) => names.includes(target.name));
}
