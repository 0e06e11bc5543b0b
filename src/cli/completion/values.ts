// The values that a shell may offer: sessions, agents, codes, presets and what else is named. Nothing here makes a home; a home
// that is not there, or cannot be read, has nothing to offer.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { SessionState } from "#session/store.ts";
import type { Candidate, ListedKind } from "../complete.ts";
import { homePath } from "../home.ts";

/** More sessions than a screen holds help nobody, and each is a file to read. */
const mostSessions = 40;

export async function listValues(kind: ListedKind): Promise<readonly Candidate[]> {
  switch (kind) {
    case "sessions": {
      const found = await sessions(() => true);
      return found.length === 0 ? [] : [{ value: "last", description: "the newest session" }, ...found];
    }
    case "running":
      return sessions((state) => state === "running");
    case "agents":
      return namesIn("agents").map((value) => ({ value, description: "" }));
    case "profiles": {
      const [{ profileNames, readProfile }, home] = [await import("../profile/source.ts"), homePath(process.env)];
      return profileNames(home).map((value) => ({
        value,
        description: titleOf(() => readProfile(value, home).profile.title),
      }));
    }
    case "codes":
      return (await import("../codes.ts"))
        .allCodes()
        .map(({ code, meaning }) => ({ value: code, description: meaning }));
    case "hosts":
      return presets();
    case "variables":
      return Object.keys(process.env)
        .sort()
        .map((value) => ({ value, description: "" }));
    case "events":
      return (await import("../sessions/events.ts")).eventTypes.map((value) => ({ value, description: "" }));
  }
}

/** What may stand for hosts; the newest version of each is named without it. */
async function presets(): Promise<Candidate[]> {
  const { shippedPresets } = await import("../presets.ts");
  return [...new Set(shippedPresets.list().map(({ name }) => name))].sort().map((name) => ({
    value: `@${name}`,
    description: "",
  }));
}

async function sessions(wanted: (state: SessionState) => boolean): Promise<Candidate[]> {
  const [{ openSession, sessionIds }, { commandText, clip }] = await Promise.all([
    import("#session/store.ts"),
    import("../sessions/view.ts"),
  ]);
  const folder = join(homePath(process.env), "sessions");
  try {
    return sessionIds(folder)
      .slice(0, mostSessions)
      .map((id) => openSession(folder, id))
      .filter(({ state }) => wanted(state))
      .map(({ folder: { id }, record }) => ({
        value: id,
        description: record === null ? "" : clip(commandText(record.command), 60),
      }));
  } catch (error) {
    if (isUnreadable(error)) return [];
    throw error;
  }
}

/** A profile that cannot be read is still one that can be named. */
function titleOf(read: () => string): string {
  try {
    return read();
  } catch (error) {
    if (error instanceof Failure) return "";
    throw error;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(join(homePath(process.env), folder)).sort();
  } catch (error) {
    if (isUnreadable(error)) return [];
    throw error;
  }
}

function isUnreadable(error: unknown): boolean {
  return ["ENOENT", "EACCES", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "");
}
