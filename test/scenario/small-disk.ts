// A home on a file system of a few kilobytes, mounted in a mount namespace that ends with the run, so that nothing of it remains.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { collect, type Place, program, type Ran } from "./program.ts";

export interface RanOnSmallDisk extends Ran {
  /** What the home's `sessions` held in the end. */
  readonly sessions: string;
}

let runs = 0;

/** `size`: of the file system, as tmpfs takes it (`64k`, `4m`). */
export async function runOnSmallDisk(place: Place, size: string, args: readonly string[]): Promise<RanOnSmallDisk> {
  runs += 1;
  const kept = join(place.root, `kept-${runs}`);
  mkdirSync(kept);
  // an ordinary user may mount in a user namespace, and must be itself again in the next one
  const rootless = process.getuid?.() !== 0;
  const again = rootless ? `unshare --user --map-user=${process.getuid?.()} --map-group=${process.getgid?.()}` : "";
  const script = [
    `mount -t tmpfs -o size=${size},mode=700 tmpfs "$1"`,
    "home=$1 kept=$2; shift 2",
    `code=0; SALLYPORT_HOME="$home" ${again} "$@" || code=$?`,
    `[ ! -e "$home/sessions" ] || cp -r "$home/sessions" "$kept/"; exit $code`,
  ].join("\n");
  const namespaces = rootless ? ["--mount", "--user", "--map-root-user"] : ["--mount"];
  const words = [...namespaces, "sh", "-c", script, "sh", place.home, kept, program, ...args];
  const child = spawn("unshare", words, { cwd: place.workspace, stdio: ["pipe", "pipe", "pipe"] });
  return { ...(await collect(child)), sessions: join(kept, "sessions") };
}
