// The folder of one session: `sessions/<id>/`. Ids sort by their start, `20261121-124652-7f3a9c`: UTC to the second and
// 24 random bits; `mkdir` decides who has one, so two runs can never share a folder.

import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";

export interface SessionFolder {
  readonly id: string;
  readonly path: string;
}

export const sessionFile = "session.json";
export const eventsFile = "events.jsonl";
export type OutputStream = "stdout" | "stderr";
export const outputFiles: { readonly [stream in OutputStream]: string } = {
  stdout: "stdout.log",
  stderr: "stderr.log",
};

const idPattern = /^\d{8}-\d{6}-[0-9a-f]{6}$/;
const attempts = 64;

export function isSessionId(name: string): boolean {
  return idPattern.test(name);
}

/** `time` in milliseconds since the epoch; `random` is six lower-case hex digits. */
export function sessionId(time: number, random: string): string {
  const iso = new Date(time).toISOString();
  return `${iso.slice(0, 10).replaceAll("-", "")}-${iso.slice(11, 19).replaceAll(":", "")}-${random}`;
}

/** Makes a new session's folder, mode 0700, in `sessions`. @throws Failure home_unusable */
export function createSessionFolder(sessions: string, now: () => number): SessionFolder {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const id = sessionId(now(), randomBytes(3).toString("hex"));
    const path = join(sessions, id);
    try {
      mkdirSync(path, { mode: 0o700 });
      return { id, path };
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === "EEXIST") continue;
      throw new Failure("home_unusable", `a session's folder cannot be made: ${(cause as Error).message}`, {
        place: path,
        remedy: "Free the disk, or give this user the home's folders back.",
        cause,
      });
    }
  }
  throw new Failure("home_unusable", "no free session id was found", { place: sessions });
}
