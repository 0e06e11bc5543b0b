// The `sallyport` command of a cell: a few lines of sh, a script, and the Node that runs it, shown read-only. Only cells whose
// run is under a token have it: nobody else has anything to hand down.

import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { shimPath } from "./environment.ts";

const folder = dirname(shimPath);

export interface Shim {
  /** What is bound, by its path in the cell. */
  readonly binds: { readonly [path: string]: string };
  /** What is written, by its path in the cell. */
  readonly files: { readonly [path: string]: string };
}

export function innerShim(): Shim {
  const script = fileURLToPath(new URL("./inner-shim.mjs", import.meta.url));
  return {
    binds: { [`${folder}/node`]: process.execPath },
    files: {
      [`${shimPath}/sallyport`]: `#!/bin/sh\nexec ${folder}/node --no-warnings ${folder}/sallyport.mjs "$@"\n`,
      [`${folder}/sallyport.mjs`]: readFileSync(script, "utf8"),
    },
  };
}
