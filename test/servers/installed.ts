// Real programs from npm that tests and the quickstart run beside the product: installed once from a committed manifest into
// `.cache/<name>` of the checkout, without install scripts, and reused while the manifest is the same.

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/** The folder of the checkout for what tests download or build; never committed. */
export function cacheFolder(...names: string[]): string {
  const folder = join(root, ".cache", ...names);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Installs the package.json (and package-lock.json, if there is one) of `manifest`; returns the node_modules folder. */
export function installed(manifest: string, name: string): string {
  const files = ["package.json", "package-lock.json"].filter((file) => existsSync(join(manifest, file)));
  const stamp = createHash("sha256")
    .update(files.map((file) => readFileSync(join(manifest, file), "utf8")).join())
    .update(process.arch)
    .digest("hex");
  const folder = join(cacheFolder(), name);
  const modules = join(folder, "node_modules");
  if (existsSync(modules) && existsSync(join(folder, "stamp")) && readFileSync(join(folder, "stamp"), "utf8") === stamp)
    return modules;

  // into a folder of its own first: two test files may install at once, and an interrupted one must not look finished
  const fresh = join(dirname(folder), `${name}.${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  mkdirSync(fresh);
  for (const file of files) copyFileSync(join(manifest, file), join(fresh, file));
  const verb = files.length === 2 ? "ci" : "install";
  execFileSync("npm", [verb, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: fresh,
    stdio: ["ignore", "ignore", "inherit"],
  });
  writeFileSync(join(fresh, "stamp"), stamp);
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  return modules;
}
