// What was taken back: `revoked/<epoch>.json`, one file a revocation, numbered without a gap from 1. The highest number is the
// revocation epoch: who has seen it has seen everything. Nothing is ever given back; a new token is a new grant.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { Revoked } from "#identity/revoked.ts";
import { createFile, readRecord } from "./files.ts";

export interface Revocation {
  readonly epoch: number;
  /** ISO 8601, UTC, with milliseconds. */
  readonly time: string;
  readonly revoked: Revoked;
}

const name = (epoch: number) => `${String(epoch).padStart(9, "0")}.json`;

/** Writes it durably and gives its epoch. What is revoked already is revoked again: it changes nothing. */
export function addRevocation(folder: string, revoked: Revoked, time: string): Revocation {
  for (let epoch = currentEpoch(folder) + 1; ; epoch += 1) {
    const revocation: Revocation = { epoch, time, revoked };
    if (createFile(join(folder, name(epoch)), `${JSON.stringify(revocation)}\n`, 0o400)) return revocation;
  }
}

/** The number of the newest revocation; 0 where there is none. @throws Failure home_damaged where there is no such folder */
export function currentEpoch(folder: string): number {
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch (cause) {
    // None is an empty folder: one that is gone may have held any.
    throw new Failure("home_damaged", `what was revoked cannot be read: ${(cause as Error).message}`, {
      place: folder,
      remedy: "Restore it from a backup; until then nothing runs that a revocation could have stopped.",
      cause,
    });
  }
  return names.reduce((most, file) => Math.max(most, epochOf(file)), 0);
}

/** Those after `epoch`, oldest first. @throws Failure home_damaged where one is missing or is none */
export function revocationsSince(folder: string, epoch: number): readonly Revocation[] {
  const found: Revocation[] = [];
  const newest = currentEpoch(folder);
  if (newest < epoch) throw missing(join(folder, name(epoch)));
  for (let next = epoch + 1; next <= newest; next += 1) {
    const revocation = readRecord(join(folder, name(next)), isRevocation);
    if (revocation === null || revocation.epoch !== next) throw missing(join(folder, name(next)));
    found.push(revocation);
  }
  return found;
}

function missing(place: string): Failure {
  return new Failure("home_damaged", "a revocation is missing", {
    place,
    remedy: "Restore it from a backup; until then nothing runs that it could have stopped.",
  });
}

function epochOf(file: string): number {
  return /^[0-9]{9}\.json$/.test(file) ? Number(file.slice(0, 9)) : 0;
}

const members: { readonly [kind in Revoked["kind"]]: readonly string[] } = {
  token: ["jti"],
  block: ["id"],
  task: ["task"],
  agent: ["agent_id"],
  key: ["key"],
  policy: ["policy_id", "version"],
  capability: ["agent_id", "rule"],
  update: ["policy_id", "version"],
};

export function isRevocation(value: unknown): value is Revocation {
  const { epoch, time, revoked } = (value ?? {}) as Partial<Revocation>;
  return (
    Number.isSafeInteger(epoch) &&
    typeof time === "string" &&
    typeof revoked === "object" &&
    Object.hasOwn(members, revoked?.kind ?? "") &&
    members[revoked.kind].every((member) => member in revoked)
  );
}
