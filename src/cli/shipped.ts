// Where the folders stand that are shipped with the program beside its code, in a checkout and in a package alike.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { Failure } from "#core/failure.ts";

/** The folder `name` next to the package.json above this file. @throws Failure internal_error where the package lost it */
export function shippedFolder(name: string): string {
  for (let dir = import.meta.dirname; dir !== dirname(dir); dir = dirname(dir))
    if (existsSync(join(dir, "package.json")) && existsSync(join(dir, name))) return join(dir, name);
  throw new Failure("internal_error", `the package has no folder ${name}`, {
    place: import.meta.dirname,
    remedy: "Install sallyport again.",
  });
}
