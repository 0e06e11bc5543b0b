// A spawned run's tie to the run that spawned it: a descriptor that the other holds open. When it ends, so do we; and what the
// other needs to know of us, our session and the requests used, is told there.

import { realpathSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname } from "node:path";
import { Failure } from "#core/failure.ts";
import { lifelineDescriptor } from "#supervisor/child.ts";

/** The variable that holds, as JSON, the environment that the spawned agent is to have. */
export const handedEnvironment = "SALLYPORT_HANDED_ENVIRONMENT";

/** How the name of a spawned agent's workspace begins, in the folder of temporary files. */
export const spawnedFolder = "sallyport-spawned-";

/** `NAME=VALUE` of each variable that was handed down. */
export function handedVariables(env: { readonly [name: string]: string | undefined }): readonly string[] {
  const handed = JSON.parse(env[handedEnvironment] ?? "{}") as { readonly [name: string]: string };
  return Object.entries(handed).map(([name, value]) => `${name}=${value}`);
}

/** The workspace of a spawned run ends with it, also where whoever made it is gone. */
export function removeSpawnedWorkspace(workspace: string): void {
  if (dirname(workspace) !== realpathSync(tmpdir()) || !basename(workspace).startsWith(spawnedFolder)) return;
  rmSync(workspace, { recursive: true, force: true });
}

export interface Lifeline {
  tell(word: { readonly session: string; readonly requests: number | null }): void;
  close(): void;
}

/** `onGone` is called once, when whoever spawned us is gone or wants our end. @throws Failure usage where nobody holds it */
export function openLifeline(onGone: () => void): Lifeline {
  let socket: Socket;
  try {
    socket = new Socket({ fd: lifelineDescriptor, allowHalfOpen: true });
  } catch (cause) {
    throw new Failure("usage", "this flag is sallyport's own", {
      place: "--spawned-by",
      remedy: "Leave it out.",
      cause,
    });
  }
  socket.on("error", onGone);
  socket.on("end", onGone);
  socket.resume();
  socket.unref();
  return {
    tell: (word) => void socket.write(`${JSON.stringify(word)}\n`),
    close: () => void socket.end(),
  };
}
