// The commands as data, read from the definitions that parse the command line: what the manual, the reference and the
// shells' completion are made of, so none of them can say something else than the program does.

import type { Argument, Command, Option } from "commander";

export interface CommandText {
  /** The words that name it, `sallyport` first. */
  readonly path: readonly string[];
  /** What may follow its name, e.g. `[options] <file>`. */
  readonly usage: string;
  readonly summary: string;
  readonly description: string;
  readonly arguments: readonly TermText[];
  readonly options: readonly TermText[];
  /** What stands below the help, e.g. exit codes and examples; empty without any. */
  readonly notes: string;
  readonly commands: readonly CommandText[];
}

export interface TermText {
  /** As it is typed: `-n, --limit <n>`, `<file>`. */
  readonly term: string;
  readonly description: string;
}

/** A command with everything below it, in the order of its help; what is hidden there is not here. */
export function describeCommand(command: Command, above: readonly string[] = []): CommandText {
  const path = [...above, command.name()];
  const help = command.createHelp();
  const term = ([text, description]: [string, string]): TermText => ({ term: text, description });
  return {
    path,
    usage: command.usage(),
    summary: command.summary() || command.description(),
    description: command.description(),
    arguments: help
      .visibleArguments(command)
      .map((argument) => term([argumentTerm(argument), help.argumentDescription(argument)])),
    options: help.visibleOptions(command).map((option) => term([option.flags, help.optionDescription(option)])),
    notes: notes(command),
    commands: help
      .visibleCommands(command)
      .filter((each) => each.name() !== "help")
      .map((each) => describeCommand(each, path)),
  };
}

/** The command and all below it, depth first. */
export function everyCommand(command: CommandText): CommandText[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

function argumentTerm(argument: Argument): string {
  const name = argument.name() + (argument.variadic ? "..." : "");
  return argument.required ? `<${name}>` : `[${name}]`;
}

/** What `addHelpText("after", …)` adds: commander gives it only as it prints. */
function notes(command: Command): string {
  let printed = "";
  const before = command.configureOutput();
  command.configureOutput({ ...before, writeOut: (text) => (printed += text) });
  command.outputHelp();
  command.configureOutput(before);
  return printed.slice(command.helpInformation().length).trim();
}

/** What a flag's value or a positional word is, by the name of its placeholder: `--policy <file>` takes a `file`. */
export function placeholder(of: Option | Argument): string | null {
  if ("flags" in of) return /<([^>]+)>/.exec(of.flags)?.[1]?.replace(/\.\.\.$/, "") ?? null;
  return of.name();
}
