// `sallyport doctor`: whether this machine can run a cell, by trying; each thing that is missing with its remedy.
// Exit code 0 only if a cell can start.

import type { Command } from "commander";
import { type Finding, probeKernel } from "#sandbox/probe.ts";
import { homePath } from "./home.ts";
import { format, inspectHome } from "./home-format.ts";
import { failureRecord, printable, printJson, printLine } from "./output.ts";
import { version } from "./version.ts";

export function register(program: Command): void {
  program
    .command("doctor")
    .description("check that this machine can run a cell")
    .option("--json", "print JSON")
    .action(async (options: { json?: boolean }) => {
      const findings = [nodeFinding(), homeFinding(), ...(await probeKernel())];
      const ok = findings.every((finding) => finding.ok);
      if (options.json) printJson({ ok, version: version(), findings });
      else {
        for (const line of report(findings)) printLine(line);
        printLine(ok ? "A cell can start on this machine." : "No cell can start on this machine yet.");
      }
      process.exitCode = ok ? 0 : 1;
    });
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
