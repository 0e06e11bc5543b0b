// `sallyport auth create-agent|measure-agent|list-agents`.

import { type AgentRecord, createAgent, listAgents, measureAgent, readAgent } from "#control/store/agents.ts";
import { measure } from "#control/store/measurements.ts";
import { Failure } from "#core/failure.ts";
import { readEnvelope } from "#identity/attestation/dsse.ts";
import { unlike } from "#identity/attestation/statement.ts";
import { checkId, checkOwner } from "#identity/names.ts";
import { openHome } from "../home.ts";
import { printJson, printLine, printTable } from "../output.ts";
import { authorityKeys } from "./keys.ts";
import { readText } from "./text-file.ts";

interface MeasureFlags {
  readonly measure?: readonly string[];
  readonly attestation?: string;
}

export function create(
  flags: MeasureFlags & { readonly agentId: string; readonly owner: string; readonly json?: boolean },
): void {
  const who = { agent_id: checkId(flags.agentId, "agent id", "--agent-id"), owner: checkOwner(flags.owner) };
  const home = openHome(process.env);
  authorityKeys(home);
  const agent = { ...who, created: new Date().toISOString(), ...measured(home.agents, who, flags) };
  createAgent(home.agents, agent);
  told(agent, flags.json);
}

export function measureAgain(flags: MeasureFlags & { readonly agentId: string; readonly json?: boolean }): void {
  const home = openHome(process.env);
  authorityKeys(home);
  const agent = readAgent(home.agents, flags.agentId);
  told(measureAgent(home.agents, agent.agent_id, measured(home.agents, agent, flags)), flags.json);
}

/** @throws Failure usage, attestation_failed */
function measured(
  agents: string,
  who: Pick<AgentRecord, "agent_id" | "owner">,
  { measure: paths = [], attestation: file }: MeasureFlags,
): Pick<AgentRecord, "measurement" | "attestation"> {
  if (paths.length === 0 && file !== undefined)
    throw new Failure("usage", "an attestation speaks of files that were measured", {
      place: "--attestation",
      remedy: "Name the files with --measure.",
    });
  if (paths.length === 0) return {};
  const measurement = measure(agents, who.agent_id, paths);
  if (file === undefined) return { measurement };
  const text = readText(file, "--attestation");
  const envelope = readEnvelope(text);
  const why = envelope === null ? "it is no DSSE envelope" : unlike(envelope, measurement, who);
  if (why === null) return { measurement, attestation: text };
  throw new Failure("attestation_failed", `the attestation does not speak of this agent: ${why}`, {
    place: file,
    remedy: "Give the statement that was made for these very files.",
  });
}

function told(agent: AgentRecord, json = false): void {
  const { agent_id, owner, measurement } = agent;
  if (json) {
    printJson(agent);
    return;
  }
  printLine(`agent ${agent_id}, owner ${owner}`);
  if (measurement === undefined) return;
  printLine(`measured as ${measurement.digest}:`);
  for (const { path, sha256 } of measurement.files) printLine(`  ${sha256}  ${path}`);
}

export function list({ json = false }: { readonly json?: boolean }): void {
  const home = openHome(process.env);
  authorityKeys(home);
  const agents = listAgents(home.agents);
  if (json) printJson(agents);
  else
    printTable([
      ["AGENT", "OWNER", "CREATED", "MEASUREMENT"],
      ...agents.map(({ agent_id, owner, created, measurement }) => [
        agent_id,
        owner,
        created,
        measurement?.digest.slice(0, 19) ?? "-",
      ]),
    ]);
}
