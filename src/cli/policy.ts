// `sallyport policy`: check a file, or explain what it decides.
// Exit codes: `check` 0 valid (warnings included), 1 invalid; `explain` 0 allowed, 1 denied or invalid; 125 unreadable or usage.

import { readFileSync } from "node:fs";
import type { Command } from "commander";
import type { Action } from "#core/action.ts";
import { Failure } from "#core/failure.ts";
import { normalHost } from "#lib/host-name.ts";
import { printable, printFailure, printJson, printLine } from "./output.ts";
import type { SuggestFlags } from "./policy-suggest.ts";

export function register(program: Command): void {
  const policy = program.command("policy").description("check a policy, or explain what it decides");

  policy
    .command("check")
    .description("say everything that is wrong with a policy file, and what is worth a second look")
    .argument("<file>", "TOML, or YAML and JSON by the file's extension; - is standard input, as TOML")
    .option("--json", "print one JSON object")
    .addHelpText("after", "\nExit code: 0 the policy is valid, 1 it is not, 125 it cannot be read.")
    .action(async (file: string, { json = false }: { json?: boolean }) => {
      process.exitCode = await check(file, json);
    });

  policy
    .command("explain")
    .description("say which rule decides an action, which comes nearest, and what would allow it")
    .argument("<file>", "TOML, or YAML and JSON by the file's extension; - is standard input, as TOML")
    .argument("<action...>", "METHOD URL, or CONNECT HOST:PORT [tls|http|tcp], or DNS HOST")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  sallyport policy explain policy.toml -- GET https://api.example.com/v1/items
  sallyport policy explain policy.toml -- CONNECT db.example.com:5432
  sallyport policy explain policy.toml -- DNS example.com

Exit code: 0 the action is allowed, 1 it is denied or the policy is invalid, 125 the policy or the action cannot be read.`,
    )
    .action(async (file: string, words: string[], { json = false }: { json?: boolean }) => {
      process.exitCode = await explainAction(file, words, json);
    });

  policy
    .command("suggest")
    .description("say what policy would have been enough for a session that was observed, or denied something")
    .argument("<session>", "an id, the beginning of one, or last")
    .option("--paths", "name the methods and paths of every host")
    .option("--toml", "print the policy alone")
    .option("--json", "print one JSON object")
    .action(async (session: string, flags: SuggestFlags) => {
      (await import("./policy-suggest.ts")).suggestPolicy(session, flags);
    });
}

async function check(file: string, json: boolean): Promise<number> {
  const [{ readPolicy, problemFailure }, { checkPolicy }] = await Promise.all([
    import("#policy/parse.ts"),
    import("#policy/check.ts"),
  ]);
  const { policy, problems } = readPolicy(read(file), { name: nameOf(file) });
  const errors = problems.map((problem) => problemFailure(problem, nameOf(file)));
  const warnings = policy === null ? [] : checkPolicy(policy);
  if (json) printJson({ valid: policy !== null, errors: errors.map((error) => error.record()), warnings });
  else {
    for (const error of errors) printFailure(error, false);
    for (const { place, message, code, remedy } of warnings) {
      printLine(`${printable(place)}: warning: ${printable(message)} (${code})`);
      if (remedy !== null) printLine(`  ${printable(remedy)}`);
    }
    if (policy !== null)
      printLine(
        `${printable(nameOf(file))}: valid${warnings.length === 0 ? "" : `, ${warnings.length} warning${warnings.length === 1 ? "" : "s"}`}`,
      );
  }
  return policy === null ? 1 : 0;
}

async function explainAction(file: string, words: readonly string[], json: boolean): Promise<number> {
  const [{ parsePolicy }, { compilePolicy }, { explain, actionText }] = await Promise.all([
    import("#policy/parse.ts"),
    import("#policy/compile.ts"),
    import("#policy/explain.ts"),
  ]);
  const action = await readAction(words);
  const explanation = explain(compilePolicy([parsePolicy(read(file), { name: nameOf(file) })]), action);
  const { decision, policies } = explanation;
  if (json) {
    printJson(explanation);
    return decision.verdict === "allow" ? 0 : 1;
  }
  for (const { place, nearest, change } of policies) {
    const by = decision.rule === null ? "" : ` by ${decision.rule}`;
    const why = decision.verdict === "deny" ? ` (${decision.reason})` : "";
    printLine(
      printable(
        `${decision.verdict === "allow" ? "allowed" : "denied"}: ${actionText(action)}${why}${by}${place === null ? "" : ` at ${place}`}`,
      ),
    );
    if (decision.verdict === "deny" && decision.detail !== null) printLine(`  because  ${printable(decision.detail)}`);
    if (decision.verdict === "allow") {
      const { tls, protocol, private: ranges } = decision.obligations;
      printLine(
        `  with     tls ${tls}, protocol ${protocol}${ranges.length === 0 ? "" : `, private ${ranges.join(", ")}`}`,
      );
    }
    if (nearest !== null)
      printLine(`  nearest  ${printable(`${nearest.rule} at ${nearest.place}: ${nearest.differs}`)}`);
    if (change !== null) printLine(`  change   ${printable(change)}`);
  }
  return decision.verdict === "allow" ? 0 : 1;
}

/** The path is taken as it was typed: a URL object would judge another one. */
async function readAction(words: readonly string[]): Promise<Action> {
  const { parsePort } = await import("#policy/host-pattern.ts");
  const { habitOf } = await import("#policy/port-table.ts");
  const unreadable = () =>
    new Failure("usage", `"${words.join(" ")}" is no action`, {
      remedy: "Write GET https://host/path, CONNECT host:port, or DNS host, after --.",
    });
  const [verb = "", target = "", ...more] = words;
  if (verb === "DNS" && more.length <= 1) {
    const host = normalHost(target);
    if (host === null) throw unreadable();
    return { kind: "dns", host, type: more[0] ?? "A" };
  }
  const [, scheme, authority = "", path = ""] =
    verb === "CONNECT" ? ["", undefined, target] : (/^(https?):\/\/([^/?#]*)(.*)$/s.exec(target) ?? []);
  const [, hostText = "", portText] = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/s.exec(authority) ?? [];
  const host = normalHost(hostText);
  const port =
    portText === undefined ? (scheme === "https" ? 443 : scheme === "http" ? 80 : null) : parsePort(portText);
  if (host === null || port === null) throw unreadable();
  if (verb === "CONNECT") {
    const habit = habitOf(port);
    const protocol = more[0] ?? (habit === "none" ? "tcp" : habit);
    if (more.length > 1 || (protocol !== "tls" && protocol !== "http" && protocol !== "tcp")) throw unreadable();
    return { kind: "connect", host, port, protocol };
  }
  if ((scheme !== "http" && scheme !== "https") || more.length > 0 || !/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(verb))
    throw unreadable();
  return {
    kind: "http",
    scheme,
    host,
    port,
    method: verb,
    path: path.startsWith("/") ? path : `/${path}`,
    body: false,
    upgrade: null,
  };
}

function nameOf(file: string): string {
  return file === "-" ? "(standard input)" : file;
}

function read(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new Failure(
      "policy_unreadable",
      `the policy cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      {
        place: file,
        remedy: "Name a readable policy file, or - for standard input.",
        cause,
      },
    );
  }
}
