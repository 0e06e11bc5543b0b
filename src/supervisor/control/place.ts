// Where a run's control socket is: `control.sock` in its session's folder, which only its user may enter. A Unix socket's
// path may have 107 bytes, and a home may be deeper: so the folder is opened, and the socket named through its descriptor.

import { chmodSync, closeSync, constants, openSync, unlinkSync } from "node:fs";
import { join } from "node:path";

export const controlFile = "control.sock";

export interface ControlPlace {
  /** What `listen` and `connect` are given: short, and valid until `close`. */
  readonly path: string;
  /** Lets only this user connect, whatever the umask was. */
  protect(): void;
  /** Removes the socket's file; whoever was connected stays so. */
  remove(): void;
  close(): void;
}

/** `folder`: of the session; `name`: of the socket in it. @throws when there is none */
export function openControlPlace(folder: string, name: string = controlFile): ControlPlace {
  const fd = openSync(folder, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const file = join(folder, name);
  let open = true;
  return {
    path: `/proc/self/fd/${fd}/${name}`,
    protect: () => chmodSync(file, 0o600),
    remove() {
      try {
        unlinkSync(file);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    },
    close() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}
