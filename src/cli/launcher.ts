// The shell launcher that people start, whichever file of the package is running.

import { realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/** Its real path: bin/ stands beside dist/ in the package, and holds the TypeScript in a checkout. */
export function launcherPath(): string {
  return join(dirname(dirname(realpathSync(process.argv[1] ?? ""))), "bin", "sallyport");
}
