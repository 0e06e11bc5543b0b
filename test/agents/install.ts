// The agents whose profiles are tested, as they are published: from npm by package-lock.json, aider from PyPI by pinned
// requirements with hashes. Installed once into .cache and reused while the lockfiles are the same.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder, installed, root } from "../servers/installed.ts";

const manifest = join(root, "test", "agents", "installed");

/**
 * Installs what is missing, and gives the folder that has `claude`, `codex`, `gemini`, `opencode` and `aider`. npm installs them without
 * their install scripts, which would only put the build for this machine where these links point.
 */
export function installAgents(): string {
  const modules = installed(manifest, "agents");
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const baseline = arch === "x64" && !/\bavx2\b/.test(readFileSync("/proc/cpuinfo", "latin1")) ? "-baseline" : "";
  const bin = join(modules, "..", "bin");
  mkdirSync(bin, { recursive: true });
  const programs = {
    claude: join(modules, "@anthropic-ai", `claude-code-linux-${arch}`, "claude"),
    codex: join(modules, "@openai", "codex", "bin", "codex.js"),
    gemini: join(modules, "@google", "gemini-cli", "bundle", "gemini.js"),
    opencode: join(modules, `opencode-linux-${arch}${baseline}`, "bin", "opencode"),
    aider: join(pythonAgents(), "bin", "aider"),
  };
  for (const [name, program] of Object.entries(programs)) {
    if (!existsSync(program)) throw new Error(`there is no ${name} for this machine: ${program} is missing`);
    rmSync(join(bin, name), { force: true });
    symlinkSync(program, join(bin, name));
  }
  return bin;
}

/** A virtual environment with aider. Built in place, because its scripts hold its path; the stamp is written last. */
function pythonAgents(): string {
  const locks = ["uv.txt", "requirements.txt"].map((file) => join(manifest, file));
  const python = systemPython();
  const stamp = createHash("sha256")
    .update([python, process.arch, "compiled", ...locks.map((file) => readFileSync(file, "utf8"))].join("\n"))
    .digest("hex");
  const folder = join(cacheFolder(), `agents-python-${stamp.slice(0, 12)}`);
  if (existsSync(join(folder, "stamp"))) return folder;
  const broken = `${folder}.${process.pid}`;
  if (existsSync(folder)) renameSync(folder, broken);
  rmSync(broken, { recursive: true, force: true });
  const run = (program: string, ...args: string[]): void => {
    execFileSync(program, args, { stdio: ["ignore", "ignore", "inherit"], timeout: 540_000 });
  };
  run(python, "-m", "venv", folder);
  const own = join(folder, "bin", "python");
  const [uv = "", requirements = ""] = locks;
  run(own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", uv);
  const uvInstall = ["pip", "install", "--quiet", "--python", own, "--require-hashes", "--only-binary", ":all:"];
  // Compiled here: a cell sees this folder read-only, and would compile half of it at every start.
  run(join(folder, "bin", "uv"), ...uvInstall, "--compile-bytecode", "-r", requirements);
  writeFileSync(join(folder, "stamp"), stamp);
  return folder;
}

/** A Python that aider runs on (3.10 to 3.12) and that can make virtual environments: the system's first. */
function systemPython(): string {
  const asks = "import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 12))";
  for (const python of ["/usr/bin/python3", "python3", "python3.12", "python3.11", "python3.10"]) {
    try {
      execFileSync(python, ["-c", asks], { stdio: "ignore" });
      return python;
    } catch {
      // not this one
    }
  }
  throw new Error("aider needs Python 3.10 to 3.12 with venv: apt-get install python3-venv");
}
