// `sallyport auth`: the authority of a home. Who the agents are, what they may do, and the tokens that say so.

import { type Command, InvalidArgumentError, Option } from "commander";
import { collect, duration, wholeNumber } from "./flag-values.ts";

export function register(program: Command): void {
  const auth = program
    .command("auth")
    .description("register agents, publish policies, issue and revoke tokens")
    .addHelpText(
      "after",
      `
Examples:
  sallyport auth init
  sallyport auth create-agent --agent-id support-bot --owner you@example.com
  sallyport auth create-policy --policy-id support --allowed-domains httpbin.org,api.openai.com
  export SALLYPORT_TOKEN=$(sallyport auth issue-token --agent-id support-bot --policy-id support)
  sallyport run -- python agent.py`,
    );
  const command = (name: string, description: string) =>
    auth.command(name).description(description).option("--json", "print one JSON object");

  const sealedFlags = (made: Command) =>
    made.option("--passphrase-file <file>", "the passphrase of sealed keys; - is standard input; otherwise asked for");
  command("init", "make the home and its authority: the key that signs tokens")
    .option("--passphrase-file <file>", "seal the key at once, by the passphrase in this file; - is standard input")
    .action(async (flags) => (await import("./auth/keys.ts")).init(flags));
  sealedFlags(command("rotate-key", "make a new signing key; what older ones signed holds until it expires")).action(
    async (flags) => (await import("./auth/keys.ts")).rotate(flags),
  );
  sealedFlags(command("seal-keys", "keep the signing keys' secrets under a passphrase (age) from now on")).action(
    async (flags) => (await import("./auth/keys.ts")).sealAll(flags),
  );
  sealedFlags(command("unseal-keys", "keep the signing keys' secrets without a passphrase again")).action(
    async (flags) => (await import("./auth/keys.ts")).unsealAll(flags),
  );
  command("list-keys", "show the signing keys").action(async (flags) => (await import("./auth/keys.ts")).list(flags));

  command("create-agent", "register an agent")
    .requiredOption("--agent-id <id>", "what it is called in tokens, events and denials")
    .requiredOption("--owner <who>", "who answers for it: an e-mail address or a team")
    .option("--measure <path...>", "pin what it is made of: its entry point first, then interpreter and other files")
    .option("--attestation <file>", "a signed statement (DSSE, in-toto or SLSA) about these files")
    .action(async (flags) => (await import("./auth/agents.ts")).create(flags));
  command("measure-agent", "pin anew what an agent is made of; tokens issued before do not hold for it any more")
    .requiredOption("--agent-id <id>", "the agent")
    .requiredOption("--measure <path...>", "its entry point first, then interpreter and other files")
    .option("--attestation <file>", "a signed statement (DSSE, in-toto or SLSA) about these files")
    .action(async (flags) => (await import("./auth/agents.ts")).measureAgain(flags));
  command("add-issuer", "say whose attestations count, under the name that policies know")
    .requiredOption("--name <name>", "as in a policy's allowed_issuers")
    .requiredOption("--file <pem>", "a public key, or a certificate authority's certificate")
    .action(async (flags) => (await import("./auth/issuers.ts")).add(flags));
  command("list-issuers", "show whose attestations count").action(async (flags) =>
    (await import("./auth/issuers.ts")).list(flags),
  );
  command("list-agents", "show the registered agents").action(async (flags) =>
    (await import("./auth/agents.ts")).list(flags),
  );

  const policyFlags = (made: Command) =>
    made
      .requiredOption("--policy-id <id>", "what the policy is called in tokens and events")
      .option("--allowed-domains <hosts>", "hosts that are allowed, host or host:port, commas between", domains)
      .option("--max-spend-usd <dollars>", "the most that may be spent under this policy, in all", dollars)
      .option("--file <file>", "a policy file; - is standard input");
  policyFlags(command("create-policy", "publish a policy as version 1")).action(async (flags) =>
    (await import("./auth/policies.ts")).create(flags),
  );
  policyFlags(command("update-policy", "publish the next version; those before it stay as they are"))
    .option(
      "--live",
      "running tasks under this policy go on under the new version, and what it does not allow is closed",
    )
    .action(async (flags) => (await import("./auth/policies.ts")).update(flags));
  command("show-policy", "print a published policy")
    .requiredOption("--policy-id <id>", "the policy")
    .option("--policy-version <n>", "this version instead of the newest", wholeNumber)
    .action(async (flags) => (await import("./auth/policies.ts")).show(flags));
  command("list-policies", "show the published policies and their versions").action(async (flags) =>
    (await import("./auth/policies.ts")).list(flags),
  );

  const narrowingFlags = (made: Command) =>
    made
      .addOption(
        new Option("--allow <host[:port]>", "narrow it to this host; may be repeated")
          .argParser(collect)
          .default([], "all"),
      )
      .option("--task <name>", "label the work that it is for")
      .option("--max-requests <n>", "narrow it to this many requests a run", wholeNumber)
      .option("--max-runtime <duration>", "narrow it to this time a run", duration)
      .option("--max-spend-usd <dollars>", "narrow it to these dollars", dollars);
  narrowingFlags(
    sealedFlags(command("issue-token", "print a token for an agent under a policy; nothing else is printed"))
      .requiredOption("--agent-id <id>", "the agent")
      .requiredOption("--policy-id <id>", "the policy, at its newest version")
      .option("--ttl <duration>", "how long it holds: 30m, 12h, 30d at most", duration, 3600)
      .option(
        "--audience <name>",
        "the host name of the one machine that is to accept it; otherwise every machine that knows the authority does",
      ),
  ).action(async (flags) => (await import("./auth/tokens.ts")).issue(flags));
  narrowingFlags(
    command("attenuate", "print the same token, narrowed; the authority's secret key is not needed")
      .argument("[token]", "the token; - reads standard input; otherwise SALLYPORT_TOKEN")
      .option("--ttl <duration>", "how long it holds from now", duration)
      .option("--public-key <hex>", "the authority's public key, where its home is not here"),
  ).action(async (token, flags) => (await import("./auth/tokens.ts")).attenuate(token, flags));
  command("inspect-token", "say what a token grants, and whether it holds")
    .argument("[token]", "the token; - reads standard input; otherwise SALLYPORT_TOKEN")
    .action(async (token, flags) => (await import("./auth/tokens.ts")).inspect(token, flags));
  command("list-tokens", "show the tokens that were issued").action(async (flags) =>
    (await import("./auth/tokens.ts")).list(flags),
  );

  command("revoke-token", "take a grant back, and stop what runs under it now")
    .requiredOption("--jti <id>", "the grant's id, or a task's: list-tokens and inspect-token show them")
    .action(async (flags) => (await import("./auth/revoke.ts")).revokeToken(flags));
  command("revoke-agent", "take back everything that an agent was granted, and stop its runs now")
    .requiredOption("--agent-id <id>", "the agent")
    .action(async (flags) => (await import("./auth/revoke.ts")).revokeAgent(flags));
  command("revoke-key", "take back everything that a signing key signed, and stop what runs under it now")
    .requiredOption("--key <n>", "the key's number", wholeNumber)
    .action(async (flags) => (await import("./auth/revoke.ts")).revokeKey(flags));
  command("revoke-policy", "take back everything that was granted under a version of a policy, and stop it now")
    .requiredOption("--policy-id <id>", "the policy")
    .requiredOption("--policy-version <n>", "the version", wholeNumber)
    .action(async (flags) => (await import("./auth/revoke.ts")).revokePolicy(flags));
  command("revoke-capability", "close one rule of an agent's policy from now on, in running tasks too")
    .requiredOption("--agent-id <id>", "the agent")
    .requiredOption("--rule <id>", "the rule")
    .action(async (flags) => (await import("./auth/revoke.ts")).revokeCapability(flags));
}

function domains(text: string): readonly string[] {
  const hosts = text
    .split(",")
    .map((host) => host.trim())
    .filter((host) => host !== "");
  if (hosts.length === 0) throw new InvalidArgumentError("It names no host.");
  return hosts;
}

function dollars(text: string): number {
  const value = Number(text);
  if (!/^\d{1,9}(\.\d{1,6})?$/.test(text))
    throw new InvalidArgumentError("It must be dollars such as 5 or 0.25, to the micro-dollar.");
  return value;
}
