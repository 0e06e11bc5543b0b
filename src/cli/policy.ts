// `sallyport policy`: its subcommands and their flags, and nothing of what they do (policy/).

import { type Command, Option } from "commander";
import { collect } from "./flag-values.ts";
import type { ShowFlags } from "./policy/show.ts";
import type { SuggestFlags } from "./policy/suggest.ts";

const fileText = "TOML, or YAML and JSON by the file's extension; - is standard input, as TOML";

export function register(program: Command): void {
  const policy = program
    .command("policy")
    .summary("show, check, explain and convert policies")
    .description("shows what holds here, checks a policy, explains what it decides, converts it")
    .addHelpText(
      "after",
      `
Examples:
  sallyport policy show                                            # what would hold for a run in this folder
  sallyport policy explain GET https://api.example.com/v1/items    # what it decides, and what would change that
  sallyport policy check agent.toml
  sallyport policy convert /etc/sallyport/policy.yaml > policy.toml`,
    );

  policy
    .command("show")
    .description("show what would hold for a run in this folder: every source, presets expanded, the ceiling, the caps")
    .argument("[file]", "as run --policy FILE would have it; without it what is found here")
    .addOption(
      new Option("--allow <host[:port]>", "as run --allow would add it; may be repeated")
        .argParser(collect)
        .default([], "none"),
    )
    .option("--profile <name>", "with what an agent's profile adds")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  sallyport policy show
  sallyport policy show --profile claude
  sallyport policy show agent.toml
  sallyport policy show --allow @npm

Exit code: 0 shown, 1 a run under it would not start, 125 it cannot be read.`,
    )
    .action(async (file: string | undefined, flags: ShowFlags) => {
      process.exitCode = await (await import("./policy/show.ts")).show(file, flags);
    });

  policy
    .command("check")
    .description("say everything that is wrong with a policy, and what is worth a second look")
    .argument("[file]", `${fileText}; without it every policy that is found here`)
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  sallyport policy check sallyport.policy.toml
  sallyport policy check --json agent.toml

Exit code: 0 a run under it can start, 1 it is invalid or asks for what this build cannot enforce, 125 it cannot be read.`,
    )
    .action(async (file: string | undefined, { json = false }: { json?: boolean }) => {
      process.exitCode = (await import("./policy/check.ts")).check(file, json);
    });

  policy
    .command("explain")
    .usage("[options] [file] <action...>")
    .description("say which rule decides an action, which comes nearest, and what would allow it")
    .argument(
      "<action...>",
      `[FILE], then METHOD URL, or CONNECT HOST:PORT [tls|http|tcp], or DNS HOST; FILE is ${fileText}`,
    )
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Without FILE it is judged by what would hold for a run in this folder. The first word in capitals is the action.

Examples:
  sallyport policy explain GET https://api.example.com/v1/items
  sallyport policy explain policy.toml -- GET https://api.example.com/v1/items
  sallyport policy explain policy.toml -- CONNECT db.example.com:5432
  sallyport policy explain DNS example.com

Exit code: 0 the action is allowed, 1 it is denied or the policy is invalid, 125 the policy or the action cannot be read.`,
    )
    .action(async (words: string[], { json = false }: { json?: boolean }) => {
      process.exitCode = await (await import("./policy/explain.ts")).explainAction(words, json);
    });

  policy
    .command("convert")
    .description("print a policy that is YAML or JSON as TOML, with its comments")
    .argument("<file>", "YAML or JSON by its extension; - is standard input, as YAML")
    .option("--json", "print one JSON object: { toml }")
    .addHelpText(
      "after",
      `
What it says is the same; sizes and times are spelt in one way, and sections stand in the schema's order.

Examples:
  sallyport policy convert sallyport.policy.yaml > sallyport.policy.toml
  sallyport policy convert /etc/sallyport/policy.yaml

Exit code: 0 converted, 1 the policy is invalid, 125 it cannot be read.`,
    )
    .action(async (file: string, { json = false }: { json?: boolean }) => {
      process.exitCode = (await import("./policy/convert.ts")).convert(file, json);
    });

  policy
    .command("suggest")
    .description("say what policy would have been enough for a session that was observed, or denied something")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--paths", "name the methods and paths of every host")
    .option("--toml", "print the policy alone")
    .option("--json", "print one JSON object")
    .action(async (session: string, flags: SuggestFlags) => {
      (await import("./policy/suggest.ts")).suggestPolicy(session, flags);
    });
}
