// `sallyport doctor`: whether this machine can run a cell, by trying; each thing that is missing with its remedy.
// Exit code 0 only if a cell can start.

import type { Command } from "commander";
import { type Finding, isContainer, probeKernel } from "#sandbox/probe.ts";
import { homePath } from "./home.ts";
import { format, inspectHome } from "./home-format.ts";
import { launcherPath } from "./launcher.ts";
import { failureRecord, printable, printJson, printLine } from "./output.ts";
import { version } from "./version.ts";

interface DoctorFlags {
  readonly fix?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command("doctor")
    .summary("check that this machine can run a cell")
    .description(
      "Checks by trying that this machine, or this container, can run a cell, and says what to do where it cannot. Nothing is " +
        "changed without --fix.",
    )
    .option("--fix", "show what would repair it, ask, and do it as root; without root, print the command")
    .option("-y, --yes", "do it without asking")
    .option("--json", "print JSON")
    .addHelpText("after", "\nExit code: 0 a cell can start, 1 it cannot (after --fix: it still cannot).")
    .action(async (flags: DoctorFlags) => {
      process.exitCode = await doctor(flags);
    });
}

async function doctor(flags: DoctorFlags): Promise<number> {
  const own = [nodeFinding(), homeFinding()];
  const kernel = await probeKernel({ self: [launcherPath()], env: process.env });
  let findings: readonly Finding[] = [...own, ...kernel];
  const say = flags.json ? () => {} : printLine;
  for (const line of flags.json ? [] : report(findings)) printLine(line);
  const { repairsFor, makeRepairs } = await import("./doctor-fix.ts");
  const repairs = repairsFor(findings, isContainer(process.env));
  let made: readonly string[] = [];
  if (flags.fix) {
    const before = findings;
    ({ made, findings } = await makeRepairs(repairs, before, { yes: flags.yes === true, say }));
    if (made.length > 0) for (const line of flags.json ? [] : report(findings)) printLine(line);
  }
  const ok = findings.every((finding) => finding.ok);
  if (flags.json) printJson({ ok, version: version(), findings, repairs, made });
  else {
    printLine(ok ? "A cell can start on this machine." : "No cell can start on this machine yet.");
    if (!flags.fix && repairs.length > 0) printLine("sallyport doctor --fix shows what would change that.");
  }
  return ok ? 0 : 1;
}

/** One line a finding, with its remedy below where there is one. */
export function report(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map((finding) => finding.id.length));
  return findings.flatMap(({ id, ok, detail, remedy }) => {
    const line = `${ok ? "ok     " : "MISSING"}  ${id.padEnd(width)}  ${printable(detail)}`;
    return remedy === null ? [line] : [line, `${" ".repeat(width + 11)}→ ${remedy}`];
  });
}

function nodeFinding(): Finding {
  return { id: "node", ok: true, detail: `Node.js ${process.versions.node}, ${process.execPath}`, remedy: null };
}

/** The home is neither made nor changed here: that is for the first command that needs it. */
function homeFinding(): Finding {
  const id = "home";
  try {
    const path = homePath(process.env);
    const found = inspectHome(path);
    if (found.state === "absent") return { id, ok: true, detail: `${path} (made when first needed)`, remedy: null };
    const old = found.format === format ? "" : ` (format ${found.format}: brought to ${format} when next used)`;
    return { id, ok: true, detail: `${path}${old}`, remedy: null };
  } catch (error) {
    const { message, place, remedy } = failureRecord(error);
    return { id, ok: false, detail: place === null ? message : `${place}: ${message}`, remedy };
  }
}
