// What one cell is to be: its command, its environment, what it sees and may take. All of the person's environment that reaches
// an agent passes here.

import { mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { cellEnvironment } from "#sandbox/environment.ts";
import type { Files } from "#sandbox/files.ts";
import type { Shim } from "#sandbox/inner-shim.ts";
import type { CellSpec, PreparedCell } from "#sandbox/process.ts";
import { buildTrust } from "#sandbox/trust.ts";
import { projectFiles } from "../policy/files.ts";
import { notesFolder } from "./interrupted-runs.ts";
import type { Run } from "./recorded-run.ts";

/** HOME in the cell: where it is on the host. */
export function agentHome(): string {
  return process.env.HOME ?? "/home/agent";
}

export function cellSpec(
  run: Run,
  cell: PreparedCell,
  authorityPem: string,
  scratch: string,
  files: Files | null,
  shim: Shim | null,
): CellSpec {
  const { workspace, home, source } = run;
  const { execution } = source.policy;
  const folder = join(home.agents, run.subject.agent_id, "home");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const homePath = agentHome();
  return {
    command: run.command,
    cwd: workspace,
    env: cellEnvironment({
      host: process.env,
      extra: extraEnvironment([...(run.profile?.env(source.policy) ?? []), ...execution.env, ...run.flags.env]),
      home: homePath,
      user: cell.user.name,
      trust: true,
      terminal: run.terminal,
      shim: shim !== null,
    }),
    view: {
      workspace,
      home: { path: homePath, folder },
      sallyportHome: home.path,
      scratch,
      readOnly: [
        ...source.files.map((file) => resolve(file)),
        ...projectFiles(workspace),
        ...(run.summary?.files ?? []),
      ],
      note: join(notesFolder(home), `${run.folder.id}.json`),
      files,
      trust: buildTrust(join(home.keys, "trust"), authorityPem),
      measured: run.attested?.files ?? null,
      shim,
      agent: run.profile?.view(homePath, folder) ?? null,
    },
    limits: { memory: execution.maxMemoryBytes, processes: execution.maxProcesses },
    level: execution.level,
    nestedSandbox: execution.nestedSandbox === "allow",
  };
}

/** `NAME=VALUE` as it stands, `NAME` with the value it has here; one that has none here is not there. */
function extraEnvironment(entries: readonly string[]): Record<string, string> {
  const extra: Record<string, string> = {};
  for (const entry of entries) {
    const at = entry.indexOf("=");
    const value = at === -1 ? process.env[entry] : entry.slice(at + 1);
    if (value !== undefined) extra[at === -1 ? entry : entry.slice(0, at)] = value;
  }
  return extra;
}
