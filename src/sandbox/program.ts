// Looks a program up as execvp would, but says what is wrong with it before anything is started.

import { accessSync, constants, statSync } from "node:fs";
import { join } from "node:path";

/** The first executable regular file of that name in PATH, or null. A name with a slash is taken as it is. */
export function findProgram(name: string, path: string): string | null {
  if (name.includes("/")) return isProgram(name) ? name : null;
  for (const folder of path.split(":")) {
    const candidate = join(folder === "" ? "." : folder, name);
    if (isProgram(candidate)) return candidate;
  }
  return null;
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
