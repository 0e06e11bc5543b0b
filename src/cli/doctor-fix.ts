// `sallyport doctor --fix`: shows what it would change, asks, changes it as root, and looks again. Without root it changes nothing
// and prints the command that would.

import { accessSync, constants, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Finding, probeAgain } from "#sandbox/probe.ts";
import { planRepairs, type Repair, type Step } from "#sandbox/repair/plan.ts";
import { makeRepair } from "#sandbox/repair/repairs.ts";
import { ask } from "./ask.ts";
import { launcherPath } from "./launcher.ts";
import { printable } from "./output.ts";

/** What is known to help with these findings. */
export function repairsFor(findings: readonly Finding[], inContainer: boolean): Repair[] {
  return planRepairs({
    missing: new Set(findings.filter(({ ok }) => !ok).map(({ id }) => id)),
    setting: readSetting,
    hasCommand,
    launcher: launcherPath(),
    inContainer,
  });
}

export interface Fixed {
  /** Ids of the repairs that were made. */
  readonly made: readonly string[];
  /** What was found afterwards; as before where nothing was made. */
  readonly findings: readonly Finding[];
}

/** Makes them, after a yes. `say` prints a line for a person, or nothing. */
export async function makeRepairs(
  repairs: readonly Repair[],
  findings: readonly Finding[],
  { yes, say }: { yes: boolean; say: (line: string) => void },
): Promise<Fixed> {
  const nothing = { made: [], findings };
  if (repairs.length === 0) {
    say("Nothing here is known to be repaired by sallyport itself.");
    return nothing;
  }
  for (const line of repairs.flatMap(repairLines)) say(line);
  if (process.geteuid?.() !== 0) {
    say(`This needs root. Nothing was changed; to do it: ${sudoCommand()}`);
    return nothing;
  }
  if (!yes && !(await ask("Change this?"))) {
    say("Nothing was changed.");
    return nothing;
  }
  for (const repair of repairs) makeRepair(repair);
  say("Done. sallyport uninstall takes it back.");
  // A new process: an AppArmor profile holds for programs that are started after it.
  return {
    made: repairs.map(({ id }) => id),
    findings: await probeAgain([launcherPath(), "doctor", "--json"], process.env),
  };
}

export function sudoCommand(): string {
  const path = launcherPath();
  return `sudo ${/^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`} doctor --fix`;
}

/** A repair as a person reads it: what it is for, then each step with what it replaces. */
export function repairLines({ what, steps }: Repair): string[] {
  return [what, ...steps.flatMap(stepLines).map((line) => `  ${printable(line)}`)];
}

function stepLines(step: Step): string[] {
  switch (step.kind) {
    case "command":
      return [`run    ${step.argv.join(" ")}`];
    case "setting":
      return [`set    ${step.path}`, `       - ${step.before}`, `       + ${step.after}`];
    case "file":
      return [
        `${step.before === null ? "write " : "change"} ${step.path}`,
        ...textLines(step.before).map((line) => `       - ${line}`),
        ...textLines(step.after).map((line) => `       + ${line}`),
      ];
  }
}

function textLines(text: string | null): string[] {
  return text === null ? [] : text.replace(/\n$/, "").split("\n");
}

function readSetting(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null; // it does not exist here
  }
}

/** Where an administrator's tools are, whoever asks: Debian keeps them out of an ordinary user's PATH. */
const folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

function hasCommand(name: string): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false; // not there
    }
  });
}
