// Which of the agent's published builds runs on this machine. npm installs it without install scripts, so the program is called by
// its own path instead of through the wrapper that the package's script would have written.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { installed } from "../test/servers/installed.ts";

export interface Agent {
  readonly name: string;
  readonly version: string;
  readonly program: string;
}

/** Installs the agent into .cache when it is not there yet. */
export function installAgent(): Agent {
  const modules = installed(join(dirname(fileURLToPath(import.meta.url)), "agent"), "quickstart-agent");
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const baseline = arch === "x64" && !/\bavx2\b/.test(readFileSync("/proc/cpuinfo", "latin1")) ? "-baseline" : "";
  const program = join(modules, `opencode-linux-${arch}${baseline}`, "bin", "opencode");
  if (!existsSync(program)) throw new Error(`npm brought no opencode build for this machine: ${program} is missing`);
  const { version } = JSON.parse(readFileSync(join(modules, "opencode-ai", "package.json"), "utf8")) as {
    version: string;
  };
  return { name: "opencode", version, program };
}
