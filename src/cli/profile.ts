// `sallyport profile list|show`: the profiles of agents, as the files that they are.

import type { Command } from "commander";
import type { Policy } from "#policy/policy.ts";
import type { Profile } from "#policy/profile.ts";
import { homePath } from "./home.ts";
import { printJson, printLine, printTable } from "./output.ts";
import { type FoundProfile, profileNames, readProfile } from "./profile/source.ts";

export function register(program: Command): void {
  const profile = program
    .command("profile")
    .summary("list and show what agents get from their profiles")
    .description(
      "A profile is what one agent needs: hosts, variables, settings, its own sandbox switched off. `sallyport run claude` takes " +
        "the one of its program; --profile NAME names one for a wrapper, --no-profile takes none. A file of the same name in " +
        "~/.sallyport/profiles counts before the shipped one.",
    )
    .addHelpText(
      "after",
      `
Examples:
  sallyport profile show claude
  sallyport profile show claude > ~/.sallyport/profiles/claude.toml    # to change it`,
    );
  profile
    .command("list")
    .description("List the profiles, and the programs they are for")
    .option("--json", "print one JSON object")
    .action((flags: { json?: boolean }) => list(flags.json === true));
  profile
    .command("show")
    .description("Print a profile as it stands in its file")
    .argument("<name>", "the profile")
    .option("--json", "print what it says, its hosts as rules, as one JSON object")
    .action((name: string, flags: { json?: boolean }) => show(name, flags.json === true));
}

function list(json: boolean): void {
  const home = homePath(process.env);
  const found = profileNames(home).map((name) => readProfile(name, home));
  if (json) return void printJson({ profiles: found.map(facts) });
  printTable([
    ["NAME", "AGENT", "PROGRAMS", "FROM"],
    ...found.map(({ name, profile, own, file }) => [
      name,
      profile.title,
      profile.program.join(" "),
      own ? file : "shipped",
    ]),
  ]);
}

function show(name: string, json: boolean): void {
  const found = readProfile(name, homePath(process.env));
  if (json) return void printJson({ ...facts(found), ...details(found.profile) });
  process.stdout.write(found.text);
  if (!found.text.endsWith("\n")) printLine("");
}

function facts({ name, file, digest, own, profile }: FoundProfile) {
  return { name, title: profile.title, program: profile.program, package: profile.package, own, file, digest };
}

function details({ env, set, state, sandbox, off, provider, policy }: Profile) {
  return {
    env,
    set,
    network: network(policy),
    provider: provider.map((one) => ({ name: one.name, env: one.env, network: network(one.policy) })),
    state,
    sandbox,
    off,
  };
}

/** Presets as the rules that they stand for. */
function network({ document }: Policy) {
  return { allow: document.network?.allow ?? [], rule: document.network?.rule ?? [] };
}
