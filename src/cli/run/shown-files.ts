// What the policy's `[filesystem]` says, worked out on this machine; what it names and is not there is told before the run.

import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import type { Files } from "#sandbox/files.ts";
import type { Run } from "./recorded-run.ts";

/** Null where the policy says nothing about files: then nothing of this is loaded. @throws Failure path_refused */
export async function policyFiles(run: Run, home: string): Promise<Files | null> {
  const { parts, deny, workspace } = run.source.policy.filesystem;
  if (parts.length === 0 && deny.length === 0 && workspace === "write") return null;
  if (workspace === "copy")
    throw new Failure("not_enforced_yet", "filesystem.workspace: a copy cannot be made by this build", {
      place: "[filesystem] workspace",
      remedy: 'Write "read" or "write".',
    });
  const { resolveFiles } = await import("#sandbox/files.ts");
  return resolveFiles({ parts, deny, workspace }, { home, workspace: run.workspace, sallyportHome: run.home.path });
}

export function tellMissing({ report }: Run, files: Files | null): void {
  for (const path of files?.missing ?? [])
    report.before(`[filesystem] ${path}: it is not there, so the agent does not have it`);
}

/** For the event of the cell. */
export function filesDetail(files: Files | null): { readonly [key: string]: JsonValue } {
  if (files === null) return {};
  const { read, write, deny, workspace } = files;
  return { files: { read: [...read], write: [...write], deny: [...deny], workspace } };
}
