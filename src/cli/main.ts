// The command line's one entry. Each command is a file that is loaded only when it is asked for, so that
// `run` does not pay for the others.

import { Command, CommanderError } from "commander";
import { Failure } from "#core/failure.ts";
import type { BegunCell } from "#sandbox/begin.ts";
import { printFailure } from "./output.ts";
import { version } from "./version.ts";

interface CommandModule {
  /** `early`: the cell that was begun before anything else was loaded; null where none could be. */
  register(program: Command, early: BegunCell | null): void;
}

const commands: Record<string, { summary: string; load: () => Promise<CommandModule> }> = {
  run: { summary: "run a command in a closed cell with one guarded way out", load: () => import("./run.ts") },
  policy: { summary: "check a policy, or explain what it decides", load: () => import("./policy.ts") },
  sessions: { summary: "list and show what ran", load: () => import("./sessions.ts") },
  replay: { summary: "play a session's output again", load: () => import("./replay.ts") },
  audit: { summary: "verify a session's log", load: () => import("./audit.ts") },
  doctor: { summary: "check that this machine can run a cell", load: () => import("./doctor.ts") },
  "explain-code": { summary: "say what a code means", load: () => import("./explain-code.ts") },
};

/** Runs one command line (without node and script) and gives its exit code. A cell begun early is used or ended. */
export async function main(argv: readonly string[], early: BegunCell | null = null): Promise<number> {
  const program = new Command("sallyport")
    .description(
      "The governance runtime for autonomous agents: a closed cell with full power inside, and one guarded way out.",
    )
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError();
  const asked = argv.find((word) => !word.startsWith("-"));
  const wanted = asked === undefined ? undefined : commands[asked];
  try {
    if (wanted !== undefined) (await wanted.load()).register(program, early);
    else for (const [name, { summary }] of Object.entries(commands)) program.command(name).description(summary);
    if (argv.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync([...argv], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
    if (!(error instanceof CommanderError)) return printFailure(error, own.includes("--json"));
    return error.exitCode === 0 ? 0 : printFailure(misused(error, asked), own.includes("--json"));
  } finally {
    await early?.abandon();
  }
}

/** A command line that commander did not understand, as every other failure is told. */
function misused(error: CommanderError, asked: string | undefined): Failure {
  // A group of commands named without one: commander's message is then a word of its own.
  const said = error.code === "commander.help" ? `${asked} needs a command` : error.message;
  const [message = "", hint] = said.replace(/^error: /, "").split("\n");
  const help = `sallyport ${asked !== undefined && asked in commands ? `${asked} ` : ""}--help`;
  return new Failure("usage", message, { remedy: `${hint === undefined ? "" : `${hint} `}See ${help}.` });
}
