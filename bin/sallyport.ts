// The program's first file. It sees that this is a Node that can run the rest, turns on the compile cache, and hands
// over to the command line. It imports nothing of the project before that: an older Node must get this far.

import { lstatSync, mkdirSync } from "node:fs";
import { enableCompileCache } from "node:module";
import { dirname, join } from "node:path";

/** The oldest Node that runs this: 24.15 strips types without a warning and has every call that is used here. */
const oldest = [24, 15] as const;

function isOlder(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major < oldest[0] || (major === oldest[0] && minor < oldest[1]);
}

/**
 * Starts the launcher, which finds a Node that is new enough or says how to get one: it never comes back here with
 * an older one, so there is no circle.
 */
async function restart(): Promise<never> {
  const launcher = join(dirname(import.meta.dirname), "bin", "sallyport");
  const argv = process.argv.slice(2);
  process.stderr.write(
    `sallyport: started by Node.js ${process.versions.node}; starting again under the one it came with\n`,
  );
  if (typeof process.execve === "function") {
    process.execve(launcher, [launcher, ...argv], { ...process.env });
  }
  const { spawnSync } = await import("node:child_process");
  const ended = spawnSync(launcher, argv, { stdio: "inherit" });
  if (ended.signal !== null) process.kill(process.pid, ended.signal);
  process.exit(ended.status ?? 125);
}

/**
 * Keeps compiled code between starts, which saves most of the time that loading takes. Whoever can write that folder
 * can run code as us, so Node's default below /tmp is not used, and neither is a folder that is not ours alone.
 */
function keepCompiledCode(env: NodeJS.ProcessEnv): void {
  const caches = env.XDG_CACHE_HOME || join(env.HOME || "/nonexistent", ".cache");
  const folder = join(caches, "sallyport", "code");
  try {
    if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) mkdirSync(folder, { recursive: true, mode: 0o700 });
    if ([caches, dirname(folder), folder].every(isOursAlone)) enableCompileCache(folder);
  } catch {
    // No cache can be kept here (a read-only home, none at all): starting is slower, and nothing else changes.
  }
}

function isOursAlone(folder: string): boolean {
  const found = lstatSync(folder);
  return found.isDirectory() && found.uid === process.geteuid?.() && (found.mode & 0o022) === 0;
}

if (isOlder(process.versions.node)) await restart();
keepCompiledCode(process.env);
// `sallyport … | head`: a reader that has seen enough is no failure. A run's own streams are the supervisor's to watch.
if (process.argv[2] !== "run") {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(128 + 13);
    throw error;
  });
}
const argv = process.argv.slice(2);
const run = argv[0] === "run" ? await import("../src/cli/begin-cell.ts") : null;
const early = run?.beginEarly(argv) ?? null;
const { main } = await import("../src/cli/main.ts");
process.exitCode = await main(argv, early);
if (early !== null) run?.endRun(process.exitCode);
