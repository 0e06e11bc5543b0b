// Which folder an agent may work in: a project's own, never the home, the system, or what holds keys.

import { realpathSync, statSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { isWithin } from "#lib/file-path.ts";

const refusedExactly = [
  "/",
  "/home",
  "/root",
  "/tmp",
  "/var",
  "/var/tmp",
  "/usr",
  "/usr/local",
  "/opt",
  "/srv",
  "/mnt",
  "/media",
  "/run",
  "/run/user",
];
const refusedBelow = [
  "/etc",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/boot",
  "/dev",
  "/proc",
  "/sys",
  "/usr/bin",
  "/usr/sbin",
  "/usr/lib",
  "/usr/lib64",
  "/usr/include",
  "/usr/share",
];

/** The workspace's real path. Throws Failure workspace_refused. */
export function checkWorkspace(folder: string, kept: { home: string; sallyportHome: string }): string {
  const refuse = (why: string) =>
    new Failure("workspace_refused", `this cannot be a workspace: ${why}`, {
      place: folder,
      remedy: "Work in a project's own folder: cd there first.",
    });
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw refuse("it is not a folder");
  const path = realpathSync(folder);
  const [home, sallyportHome] = [realPath(kept.home), realPath(kept.sallyportHome)];
  if (isWithin(home, path)) throw refuse(path === home ? "it is the home folder" : "it contains the home folder");
  if (isWithin(sallyportHome, path)) throw refuse("it contains sallyport's own home");
  if (isWithin(path, sallyportHome)) throw refuse("it lies in sallyport's own home");
  const reason = systemReason(path, home);
  if (reason !== null) throw refuse(reason);
  return path;
}

/** Why no agent may write in a folder of the machine's own, or among the caller's keys; null where it may. */
export function systemReason(path: string, home: string): string | null {
  if (refusedExactly.includes(path) || refusedBelow.some((at) => isWithin(path, at))) return "it belongs to the system";
  // Node runs what stands there as if it were this program's own text (bin/sallyport.ts).
  const code = join(home, ".cache", "sallyport");
  if (path !== home && (isWithin(path, code) || isWithin(code, path)))
    return "it holds compiled code that sallyport itself runs";
  const name = [".ssh", ".aws", ".gnupg", ".kube", ".docker", ".config"].find((at) => isWithin(path, join(home, at)));
  return name === undefined ? null : `it lies in ~/${name}`;
}

/** A home that is not there, or that may not be looked into, is known by its name alone; opening it says what is wrong. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
