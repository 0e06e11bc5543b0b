// Whether an agent is what it was measured to be, and who says so: looked at before anything of it runs.

import { realpathSync } from "node:fs";
import { resolve } from "node:path";
import type { AgentRecord } from "#control/store/agents.ts";
import { listIssuers } from "#control/store/issuers.ts";
import { changedSince, keptFiles } from "#control/store/measurements.ts";
import { Failure } from "#core/failure.ts";
import { readEnvelope } from "#identity/attestation/dsse.ts";
import { type Signer, signerOf } from "#identity/attestation/issuer.ts";
import { type Measurement, unlike } from "#identity/attestation/statement.ts";
import type { CompiledPolicy } from "#policy/compile.ts";
import { findProgram } from "#sandbox/program.ts";
import type { Home } from "../home.ts";
import type { HeldToken } from "./held-token.ts";

export interface Attested {
  readonly digest: string;
  /** Who vouches for it; null where nobody need. */
  readonly signer: Signer | null;
  /** The kept files, by the path that each is shown at in the cell. */
  readonly files: ReadonlyMap<string, string>;
}

export interface AttestedCommand {
  readonly command: readonly string[];
  readonly workspace: string;
  /** PATH */
  readonly path: string;
}

/**
 * Null where the agent was not measured and need not be. A refusal is recorded as a session of its own before it is thrown.
 * @throws Failure attestation_failed, home_damaged
 */
export async function attestRun(
  home: Home,
  held: HeldToken | null,
  policy: CompiledPolicy,
  asked: AttestedCommand,
): Promise<Attested | null> {
  try {
    return attest(home, held, policy, asked);
  } catch (error) {
    if (error instanceof Failure) {
      const { recordRefused } = await import("./refused-run.ts");
      await recordRefused(home, asked, held === null ? null : { ...held.who, policy_digest: policy.digest }, error);
    }
    throw error;
  }
}

/** @throws Failure attestation_failed, home_damaged */
function attest(
  home: Home,
  held: HeldToken | null,
  { identity }: CompiledPolicy,
  asked: AttestedCommand,
): Attested | null {
  const agent = held?.agent ?? null;
  const measurement = agent?.measurement;
  if (agent === null || measurement === undefined) {
    if (!identity.required && identity.issuers === null) return null;
    throw failed(
      "the policy wants an agent that was measured, and this one was not",
      "Run it under a token of one: sallyport auth create-agent --measure.",
    );
  }
  if (held?.measurement !== undefined && held.measurement !== measurement.digest)
    throw failed("the token was issued for another measurement of this agent", "Issue another token.");
  const changed = changedSince(measurement);
  if (changed !== null)
    throw failed(changed, `If that was meant: sallyport auth measure-agent --agent-id ${agent.agent_id}.`);
  refuseOtherPrograms(measurement, asked);
  const signer = identity.issuers === null ? null : vouched(home, agent, measurement, identity.issuers);
  return { digest: measurement.digest, signer, files: keptFiles(home.agents, agent.agent_id, measurement) };
}

/** What is started is the entry point, or a measured interpreter with the entry point as its first word. */
function refuseOtherPrograms({ files }: Measurement, { command, workspace, path }: AttestedCommand): void {
  const paths = files.map((file) => file.path);
  const [entry] = paths;
  const [first = "", second] = command;
  const program = real(findProgram(first.includes("/") ? resolve(workspace, first) : first, path));
  if (program === entry) return;
  if (program === null || !paths.includes(program))
    throw failed(`${first} is not one of the programs that were measured`, `Start it as it was measured: ${entry}.`);
  if (second === undefined || real(resolve(workspace, second)) !== entry)
    throw failed(`${first} is to run ${entry} and nothing else`, `Start it as: ${first} ${entry} …`);
}

function vouched(home: Home, agent: AgentRecord, measurement: Measurement, names: readonly string[]): Signer {
  const remedy =
    "Have the files attested by an issuer that the policy names, and measure the agent with --attestation.";
  const envelope = agent.attestation === undefined ? null : readEnvelope(agent.attestation);
  if (envelope === null) throw failed("nobody has attested what the agent is", remedy);
  const known = listIssuers(home.keys).filter(({ name }) => names.includes(name));
  const signer = signerOf(envelope, known, Date.now());
  if (signer === null) throw failed(`none of ${names.join(", ") || "nobody"} has signed its attestation`, remedy);
  const why = unlike(envelope, measurement, agent);
  if (why !== null) throw failed(`its attestation does not speak of it: ${why}`, remedy);
  return signer;
}

function real(path: string | null): string | null {
  if (path === null) return null;
  try {
    return realpathSync(path);
  } catch {
    return null; // told by the caller: it is not the one
  }
}

function failed(message: string, remedy: string): Failure {
  return new Failure("attestation_failed", message, { remedy });
}
