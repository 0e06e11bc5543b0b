// The registered agents: `agents/<id>/agent.json`. Beside it stands the agent's private home, which cells see; the record
// itself is never in a cell.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import type { Measurement } from "#identity/attestation/statement.ts";
import { isId, isOwner } from "#identity/names.ts";
import { createFile, namesIn, readRecord, replaceFile } from "./files.ts";
import { measurementDigest } from "./measurements.ts";

export interface AgentRecord {
  readonly agent_id: string;
  readonly owner: string;
  /** ISO 8601, UTC. */
  readonly created: string;
  /** What it is made of; absent where that was not measured. */
  readonly measurement?: Measurement;
  /** An envelope (DSSE) whose statement speaks of the measurement; absent without one. */
  readonly attestation?: string;
}

/** The agent of a run without a token: nobody registers it. */
export const localAgent = "local";

/** @throws Failure agent_exists, usage */
export function createAgent(folder: string, agent: AgentRecord): void {
  if (agent.agent_id === localAgent)
    throw new Failure("usage", `${localAgent} is the agent of runs without a token`, {
      place: "--agent-id",
      remedy: "Choose another id.",
    });
  mkdirSync(join(folder, agent.agent_id), { recursive: true, mode: 0o700 });
  if (createFile(fileOf(folder, agent.agent_id), `${JSON.stringify(agent, null, 2)}\n`, 0o400)) return;
  throw new Failure("agent_exists", `there is an agent ${agent.agent_id} already`, {
    place: "--agent-id",
    remedy: "Choose another id; `sallyport auth list-agents` shows those that are taken.",
  });
}

/** An agent that another authority registered; one that is known stays as it is, but for what it was measured to be. */
export function adoptAgent(folder: string, agent: AgentRecord): void {
  mkdirSync(join(folder, agent.agent_id), { recursive: true, mode: 0o700 });
  replaceFile(fileOf(folder, agent.agent_id), `${JSON.stringify(agent, null, 2)}\n`, 0o400);
}

/** Gives an agent another measurement, and with it another attestation or none. @throws Failure agent_unknown, home_damaged */
export function measureAgent(
  folder: string,
  id: string,
  measured: Pick<AgentRecord, "measurement" | "attestation">,
): AgentRecord {
  const { agent_id, owner, created } = readAgent(folder, id);
  const agent: AgentRecord = { agent_id, owner, created, ...measured };
  replaceFile(fileOf(folder, id), `${JSON.stringify(agent, null, 2)}\n`, 0o400);
  return agent;
}

/** @throws Failure agent_unknown, home_damaged */
export function readAgent(folder: string, id: string): AgentRecord {
  const found = isId(id) ? readRecord(fileOf(folder, id), isAgent) : null;
  if (found !== null) return found;
  const known = listAgents(folder).map((agent) => agent.agent_id);
  throw new Failure("agent_unknown", `there is no agent ${JSON.stringify(id)}`, {
    place: "--agent-id",
    remedy:
      known.length === 0
        ? "Make one: sallyport auth create-agent --agent-id ID --owner WHO."
        : `There are: ${known.slice(0, 10).join(", ")}.`,
  });
}

/** By id. @throws Failure home_damaged */
export function listAgents(folder: string): readonly AgentRecord[] {
  return namesIn(folder)
    .filter(isId)
    .sort()
    .map((id) => readRecord(fileOf(folder, id), isAgent))
    .filter((agent) => agent !== null);
}

function fileOf(folder: string, id: string): string {
  return join(folder, id, "agent.json");
}

export function isAgent(value: unknown): value is AgentRecord {
  const agent = value as Partial<AgentRecord> | null;
  return (
    typeof agent === "object" &&
    isId(agent?.agent_id) &&
    isOwner(agent.owner) &&
    typeof agent.created === "string" &&
    (agent.measurement === undefined || isMeasurement(agent.measurement)) &&
    (agent.attestation === undefined || typeof agent.attestation === "string")
  );
}

function isMeasurement({ digest, files }: Partial<Measurement>): boolean {
  return Array.isArray(files) && files.length > 0 && measurementDigest(files) === digest;
}
