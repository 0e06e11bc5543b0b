// A run's cell as it is closed around what the run shows it: bubblewrap works while the run's record, gate and boundary are made.
// Rules: nothing of the agent starts before the cell's `run`; what goes wrong in the cell is told there.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type CertificateAuthority, openAuthority } from "#proxy/tls/authority.ts";
import type { Files } from "#sandbox/files.ts";
import type { CellSpec, PreparedCell } from "#sandbox/process.ts";
import { agentHome, cellSpec } from "./cell-spec.ts";
import type { Run } from "./recorded-run.ts";
import { policyFiles } from "./shown-files.ts";

export interface ClosedCell {
  readonly authority: CertificateAuthority;
  readonly files: Files | null;
  /** MUST be what the cell is run with. */
  readonly spec: CellSpec;
  /** What is moved away from the workspace. */
  readonly scratch: string;
}

/**
 * Begins to close the cell. MUST be called when what earlier runs left is put right.
 * @throws Failure home_unusable, path_refused
 */
export async function closeCell(cell: PreparedCell, run: Run): Promise<ClosedCell> {
  const authority = await openAuthority(run.home.keys);
  const files = await policyFiles(run, agentHome());
  const shim = run.held === null ? null : (await import("#sandbox/inner-shim.ts")).innerShim();
  const scratch = join(run.folder.path, "workspace");
  mkdirSync(scratch, { mode: 0o700 });
  const spec = cellSpec(run, cell, authority.certificatePem, scratch, files, shim);
  cell.prepare(spec);
  return { authority, files, spec, scratch };
}
