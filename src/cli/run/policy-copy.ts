// The policies that decided something, kept under their digest: with an event and the policy of its digest, its decision
// can be computed again long after the file it was read from has changed.

import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { writeWhole } from "#lib/whole-file.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import type { Home } from "../home.ts";

/** Keeps the effective policy in the home and gives the copy's file name. */
export function keepPolicy(home: Home, policy: CompiledPolicy): string {
  const file = join(home.policies, `${policy.digest.replace(":", "-")}.json`);
  if (!existsSync(file)) writeWhole(file, policy.canonical, 0o400);
  return basename(file);
}
