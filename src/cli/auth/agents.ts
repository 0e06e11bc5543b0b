// `sallyport auth create-agent|list-agents`.

import { createAgent, listAgents } from "#control/store/agents.ts";
import { checkId, checkOwner } from "#identity/names.ts";
import { openHome } from "../home.ts";
import { printJson, printLine, printTable } from "../output.ts";
import { authorityKeys } from "./keys.ts";

export function create(flags: { readonly agentId: string; readonly owner: string; readonly json?: boolean }): void {
  const agent = {
    agent_id: checkId(flags.agentId, "agent id", "--agent-id"),
    owner: checkOwner(flags.owner),
    created: new Date().toISOString(),
  };
  const home = openHome(process.env);
  authorityKeys(home);
  createAgent(home.agents, agent);
  if (flags.json) printJson(agent);
  else printLine(`agent ${agent.agent_id}, owner ${agent.owner}`);
}

export function list({ json = false }: { readonly json?: boolean }): void {
  const home = openHome(process.env);
  authorityKeys(home);
  const agents = listAgents(home.agents);
  if (json) printJson(agents);
  else
    printTable([
      ["AGENT", "OWNER", "CREATED"],
      ...agents.map(({ agent_id, owner, created }) => [agent_id, owner, created]),
    ]);
}
