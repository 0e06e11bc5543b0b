// `sallyport auth issue-token|attenuate|inspect-token|list-tokens`.

import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { readAgent } from "#control/store/agents.ts";
import { signingKey } from "#control/store/keys.ts";
import { readPolicy } from "#control/store/policies.ts";
import { listTokens, recordToken } from "#control/store/tokens.ts";
import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { checkId, checkOwner } from "#identity/names.ts";
import { loadBiscuits } from "#identity/token/biscuit.ts";
import type { Grant, Narrowing } from "#identity/token/claims.ts";
import { issueToken, narrowToken } from "#identity/token/issue.ts";
import { utcText } from "#lib/utc.ts";
import { policyFromFlags } from "#policy/extend.ts";
import { hostNarrowing, narrowingPolicy } from "#policy/narrow.ts";
import { schemaVersion } from "#policy/schema.ts";
import { openHome } from "../home.ts";
import { printJson, printLine, printTable } from "../output.ts";
import { shippedPresets } from "../presets.ts";
import { readToken, whyEnded } from "../token-source.ts";
import { authorityKeys } from "./keys.ts";
import { type PassphraseFlags, passphraseFrom } from "./passphrase.ts";

interface NarrowingFlags {
  readonly allow: readonly string[];
  readonly task?: string;
  readonly maxRequests?: number;
  /** seconds */
  readonly maxRuntime?: number;
  readonly maxSpendUsd?: number;
  /** seconds */
  readonly ttl?: number;
  readonly json?: boolean;
}

const longestTtl = 30 * 86_400;

export async function issue(
  flags: NarrowingFlags &
    PassphraseFlags & {
      readonly agentId: string;
      readonly policyId: string;
      readonly ttl: number;
      readonly audience?: string;
    },
): Promise<void> {
  if (flags.ttl > longestTtl) {
    throw new Failure("usage", "a token holds for 30 days at most", { place: "--ttl", remedy: "Use 30d or less." });
  }
  const home = openHome(process.env);
  const signs = authorityKeys(home).at(-1);
  const agent = readAgent(home.agents, flags.agentId);
  const policy = readPolicy(home.policies, flags.policyId);
  const now = Math.floor(Date.now() / 1000);
  const grant: Grant = {
    v: 1,
    jti: randomBytes(16).toString("hex"),
    agent: agent.agent_id,
    owner: agent.owner,
    policy: policy.policy_id,
    policy_version: policy.version,
    policy_digest: policy.digest,
    issued: now,
    expires: now + flags.ttl,
    audience: flags.audience === undefined ? null : checkOwner(flags.audience),
    measurement: agent.measurement?.digest ?? null,
  };
  const narrowing = narrowingOf(flags);
  refuseRevoked(whyEnded(home, { grant, narrowings: [], revocationIds: [], key: signs?.id ?? 0 }));
  // Last, so that nobody is asked for a passphrase in vain.
  const key = await signingKey(home.keys, () => passphraseFrom(flags)("open"));
  const biscuits = await loadBiscuits();
  const granted = issueToken(biscuits, key, grant);
  const publicKey = Buffer.from(key.record.public, "hex");
  const token = narrowing === null ? granted : narrowToken(biscuits, granted, publicKey, narrowing);
  recordToken(home.agents, { grant, narrowing, key: key.id });
  if (flags.json) printJson({ token, jti: grant.jti, expires: utcText(grant.expires) });
  else printLine(token);
}

/** A token that would hold nowhere is not issued. @throws Failure token_revoked */
function refuseRevoked(ended: string | null): void {
  if (ended === null) return;
  throw new Failure("token_revoked", `the token would not hold: ${ended}`, {
    remedy:
      "What is revoked stays so: register the agent under another id (auth create-agent), publish the policy anew (auth update-policy), or make another key (auth rotate-key).",
  });
}

export async function attenuate(
  text: string | undefined,
  flags: NarrowingFlags & { readonly publicKey?: string },
): Promise<void> {
  const token = tokenText(text);
  const lasting = flags.ttl === undefined ? {} : { expires: Math.floor(Date.now() / 1000) + flags.ttl };
  const narrowing = { ...(narrowingOf(flags) ?? { v: 1 as const }), ...lasting };
  if (Object.keys(narrowing).length === 1) {
    throw new Failure("usage", "nothing to narrow was named", {
      remedy: "Name --allow, --ttl, --task, --max-requests, --max-runtime or --max-spend-usd.",
    });
  }
  const biscuits = await loadBiscuits();
  const narrowed = underItsKey(token, publicKeys(flags.publicKey), (key) =>
    narrowToken(biscuits, token, key, narrowing),
  );
  if (flags.json) printJson({ token: narrowed });
  else printLine(narrowed);
}

/** Under whichever of the keys signed it. @throws Failure token_invalid, usage */
function underItsKey(token: string, keys: readonly Uint8Array[], narrow: (key: Uint8Array) => string): string {
  for (const key of keys) {
    try {
      return narrow(key);
    } catch (error) {
      if (error instanceof RangeError)
        throw new Failure("token_invalid", error.message, { remedy: "Use a token that was handed down less often." });
      if (!(error instanceof SyntaxError)) throw error; // another key may be the one
    }
  }
  throw new Failure("token_invalid", `none of these keys signed it: ${token.slice(0, 24)}…`, {
    remedy: "Name the authority's public key with --public-key: sallyport auth list-keys shows it there.",
  });
}

function publicKeys(named: string | undefined): readonly Uint8Array[] {
  if (named === undefined) return authorityKeys(openHome(process.env)).map((key) => Buffer.from(key.public, "hex"));
  if (/^[0-9a-f]{64}$/.test(named)) return [Buffer.from(named, "hex")];
  throw new Failure("usage", "a public key is 64 hex digits", {
    place: "--public-key",
    remedy: "Copy it from: sallyport auth list-keys.",
  });
}

function narrowingOf(flags: NarrowingFlags): Narrowing | null {
  const execution = {
    ...(flags.maxRequests === undefined ? {} : { max_requests: flags.maxRequests }),
    ...(flags.maxRuntime === undefined ? {} : { max_runtime_seconds: flags.maxRuntime }),
  };
  const capped = Object.keys(execution).length > 0;
  const { allow: hosts = [], rule: rules = [] } = policyFromFlags(flags.allow, shippedPresets).document.network ?? {};
  const document = {
    ...(flags.allow.length === 0 ? { version: schemaVersion } : hostNarrowing(hosts, rules)),
    ...(capped ? { execution } : {}),
    ...(flags.maxSpendUsd === undefined ? {} : { budget: { max_spend_usd: flags.maxSpendUsd } }),
  };
  const narrows = flags.allow.length > 0 || capped || flags.maxSpendUsd !== undefined;
  if (narrows) narrowingPolicy(document, "--allow");
  const narrowing: Narrowing = {
    v: 1,
    ...(narrows ? { policy: document as unknown as JsonValue } : {}),
    ...(flags.task === undefined ? {} : { task: checkId(flags.task, "task name", "--task") }),
  };
  return Object.keys(narrowing).length === 1 ? null : narrowing;
}

interface Inspection {
  readonly valid: boolean;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly grant: Grant | null;
  readonly narrowings: readonly Narrowing[];
  readonly expires: string | null;
  readonly revocation_ids: readonly string[];
}

export async function inspect(text: string | undefined, { json = false }: { readonly json?: boolean }): Promise<void> {
  const home = openHome(process.env);
  authorityKeys(home);
  const verification = await readToken(home, tokenText(text), Math.floor(Date.now() / 1000));
  const token = verification.ok || verification.token !== null ? verification.token : null;
  const inspection: Inspection = {
    valid: verification.ok,
    reason: verification.ok ? null : verification.reason,
    detail: verification.ok ? null : verification.detail,
    grant: token?.grant ?? null,
    narrowings: token?.narrowings ?? [],
    expires: token === null ? null : utcText(token.expires),
    revocation_ids: token?.revocationIds ?? [],
  };
  if (json) printJson(inspection);
  else tell(inspection);
  process.exitCode = inspection.valid ? 0 : 1;
}

function tell({ valid, reason, detail, grant, narrowings, expires }: Inspection): void {
  printLine(valid ? "valid" : `not valid: ${detail} (${reason})`);
  if (grant === null) return;
  printLine(`  agent    ${grant.agent}, owner ${grant.owner}`);
  printLine(`  policy   ${grant.policy} version ${grant.policy_version} (${grant.policy_digest})`);
  printLine(`  jti      ${grant.jti}`);
  printLine(`  issued   ${utcText(grant.issued)}, expires ${expires}`);
  if (grant.audience !== null) printLine(`  for      ${grant.audience}`);
  for (const [index, { v: _, ...narrowing }] of narrowings.entries())
    printLine(`  narrowed ${index + 1}: ${JSON.stringify(narrowing)}`);
}

export async function list({ json = false }: { readonly json?: boolean }): Promise<void> {
  const home = openHome(process.env);
  authorityKeys(home);
  const { stateOf } = await import("../token-source.ts");
  const now = Math.floor(Date.now() / 1000);
  const tokens = listTokens(home.agents).map((token) => ({ ...token, state: stateOf(home, token, now) }));
  if (json) printJson(tokens);
  else
    printTable([
      ["JTI", "AGENT", "POLICY", "EXPIRES", "STATE"],
      ...tokens.map(({ grant, state }) => [
        grant.jti,
        grant.agent,
        `${grant.policy} v${grant.policy_version}`,
        utcText(grant.expires),
        state,
      ]),
    ]);
}

/** The token that was named, or that standard input or the environment holds. @throws Failure usage */
function tokenText(named: string | undefined): string {
  const text = named === "-" ? readFileSync(0, "utf8").trim() : (named ?? process.env.SALLYPORT_TOKEN ?? "");
  if (text !== "") return text;
  throw new Failure("usage", "no token was named", { remedy: "Give it as an argument, or set SALLYPORT_TOKEN." });
}
