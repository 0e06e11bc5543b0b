// `sallyport auth revoke-token|revoke-agent|revoke-key|revoke-policy|revoke-capability`: written durably first; running tasks
// see it at once.

import { readAgent } from "#control/store/agents.ts";
import { readPolicy } from "#control/store/policies.ts";
import { addRevocation } from "#control/store/revocations.ts";
import { listTokens } from "#control/store/tokens.ts";
import { Failure } from "#core/failure.ts";
import type { Revoked } from "#identity/revoked.ts";
import { isSessionId } from "#session/folder.ts";
import { openHome } from "../home.ts";
import { printJson, printLine } from "../output.ts";
import { authorityKeys } from "./keys.ts";

interface Json {
  readonly json?: boolean;
}

export function revokeToken({ jti, json }: Json & { readonly jti: string }): void {
  // A task is the session that its token is bound to.
  if (isSessionId(jti)) {
    revoke({ kind: "task", task: jti }, `task ${jti}`, json);
    return;
  }
  const home = openHome(process.env);
  const known = listTokens(home.agents).some(({ grant }) => grant.jti === jti);
  if (!known) {
    throw new Failure("token_invalid", `no token with the id ${jti} was issued here`, {
      place: "--jti",
      remedy: "sallyport auth list-tokens shows those that were.",
    });
  }
  revoke({ kind: "token", jti }, `grant ${jti}`, json);
}

export function revokeAgent({ agentId, json }: Json & { readonly agentId: string }): void {
  const { agent_id } = readAgent(openHome(process.env).agents, agentId);
  revoke({ kind: "agent", agent_id }, `agent ${agent_id}`, json);
}

export function revokeKey({ key, json }: Json & { readonly key: number }): void {
  const home = openHome(process.env);
  if (!authorityKeys(home).some(({ id }) => id === key)) {
    throw new Failure("usage", `there is no key ${key}`, {
      place: "--key",
      remedy: "sallyport auth list-keys shows those that there are.",
    });
  }
  revoke({ kind: "key", key }, `key ${key}`, json);
}

export function revokePolicy(flags: Json & { readonly policyId: string; readonly policyVersion: number }): void {
  const { policy_id, version } = readPolicy(openHome(process.env).policies, flags.policyId, flags.policyVersion);
  revoke({ kind: "policy", policy_id, version }, `policy ${policy_id} version ${version}`, flags.json);
}

export function revokeCapability({
  agentId,
  rule,
  json,
}: Json & { readonly agentId: string; readonly rule: string }): void {
  const { agent_id } = readAgent(openHome(process.env).agents, agentId);
  revoke({ kind: "capability", agent_id, rule }, `rule ${rule} of agent ${agent_id}`, json);
}

function revoke(revoked: Revoked, what: string, json = false): void {
  const home = openHome(process.env);
  authorityKeys(home);
  const revocation = addRevocation(home.revoked, revoked, new Date().toISOString());
  if (json) printJson(revocation);
  else printLine(`revoked ${what} (epoch ${revocation.epoch})`);
}
