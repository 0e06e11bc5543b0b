// The command line's one entry. Each command is a file that is loaded only when it is asked for, so that
// `run` does not pay for the others.

import { Command, CommanderError } from "commander";
import { Failure } from "#core/failure.ts";
import type { BegunCell } from "#sandbox/begin.ts";
import { printFailure } from "./output.ts";
import { version } from "./version.ts";

interface CommandModule {
  /**
   * `early`: the cell that was begun before anything else was loaded; null where none could be. `load` gives the whole of one
   * command, or of all, to whom the command line is the subject.
   */
  register(program: Command, early: BegunCell | null, load: (name?: string) => Promise<Command>): void;
}

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<CommandModule>;
  /** Called by programs: not in the help. */
  readonly hidden?: true;
}

const commands: Record<string, CommandEntry> = {
  run: { summary: "run a command in a closed cell with one guarded way out", load: () => import("./run.ts") },
  auth: { summary: "register agents, publish policies, issue and revoke tokens", load: () => import("./auth.ts") },
  alerts: {
    summary: "alerts that wait for the webhook that a policy names",
    load: () => import("./alert-commands.ts"),
  },
  bundle: {
    summary: "carry policies, agents and revocations to machines that enforce them offline",
    load: () => import("./bundle.ts"),
  },
  policy: { summary: "show, check, explain and convert policies", load: () => import("./policy.ts") },
  profile: { summary: "list and show what agents get from their profiles", load: () => import("./profile.ts") },
  init: { summary: "write a policy for this folder", load: () => import("./init.ts") },
  trust: { summary: "take a project's policy for good, after a look at it", load: () => import("./trust.ts") },
  ps: { summary: "show what runs now", load: () => import("./ps.ts") },
  logs: { summary: "print what the agent of a session has printed", load: () => import("./logs.ts") },
  attach: { summary: "watch a run, and type into its terminal", load: () => import("./attach.ts") },
  publish: { summary: "show a port of a run to this machine", load: () => import("./publish-run.ts") },
  stop: { summary: "ask runs to end", load: () => import("./stop.ts") },
  kill: { summary: "end runs at once, with everything that they started", load: () => import("./stop.ts") },
  sessions: { summary: "list and show what ran", load: () => import("./sessions.ts") },
  replay: { summary: "play a session's output again", load: () => import("./replay.ts") },
  audit: { summary: "verify a session's log", load: () => import("./audit.ts") },
  doctor: { summary: "check that this machine can run a cell", load: () => import("./doctor.ts") },
  "explain-code": { summary: "say what a code means", load: () => import("./explain-code.ts") },
  uninstall: { summary: "list and remove what sallyport put on this machine", load: () => import("./uninstall.ts") },
  completion: { summary: "complete commands, flags and values in a shell", load: () => import("./completion.ts") },
  __complete: { summary: "what may stand at a place", load: () => import("./complete.ts"), hidden: true },
};

/** Runs one command line (without node and script) and gives its exit code. A cell begun early is used or ended. */
export async function main(argv: readonly string[], early: BegunCell | null = null): Promise<number> {
  const program = bareProgram();
  const asked = argv.find((word) => !word.startsWith("-"));
  const wanted = asked === undefined ? undefined : commands[asked];
  try {
    if (wanted !== undefined) (await wanted.load()).register(program, early, loadProgram);
    else
      for (const [name, { summary, hidden = false }] of Object.entries(commands))
        program.command(name, { hidden }).description(summary);
    if (argv.length === 0) {
      program.outputHelp();
      return 0;
    }
    await program.parseAsync([...argv], { from: "user" });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const own = argv.includes("--") ? argv.slice(0, argv.indexOf("--")) : argv;
    if (!(error instanceof CommanderError)) return printFailure(error, own.includes("--json"));
    return error.exitCode === 0 ? 0 : printFailure(misused(error, commandPath(program, argv)), own.includes("--json"));
  } finally {
    await early?.abandon();
  }
}

/** The program with everything that the named command understands; without a name, with all commands. */
export async function loadProgram(name?: string): Promise<Command> {
  const program = bareProgram();
  // One file may hold several commands, and registers them all.
  const modules = new Set<CommandModule>();
  for (const [each, { hidden, load }] of Object.entries(commands))
    if (!hidden && (name === undefined || each === name)) modules.add(await load());
  for (const module of modules) module.register(program, null, loadProgram);
  for (const [each, { summary, hidden }] of Object.entries(commands))
    if (!hidden && !program.commands.some((command) => command.name() === each))
      program.command(each).description(summary);
  return program;
}

function bareProgram(): Command {
  return new Command("sallyport")
    .description(
      "The governance runtime for autonomous agents: a closed cell with full power inside, and one guarded way out.",
    )
    .version(version(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: printHelp })
    .showSuggestionAfterError();
}

/** A command line that commander did not understand, as every other failure is told. */
function misused(error: CommanderError, path: readonly string[]): Failure {
  // A group of commands named without one: commander's message is then a word of its own.
  const said = error.code === "commander.help" ? `${path.join(" ")} needs a command` : error.message;
  const [message = "", hint] = said.replace(/^error: /, "").split("\n");
  const help = ["sallyport", ...path, "--help"].join(" ");
  return new Failure("usage", message, { remedy: `${hint === undefined ? "" : `${hint} `}See ${help}.` });
}

/** The command that a line asks for, as far as there is one: `auth attenuate`. */
function commandPath(program: Command, argv: readonly string[]): string[] {
  const path: string[] = [];
  let at: Command | undefined = program;
  for (const word of argv.filter((each) => !each.startsWith("-"))) {
    at = at.commands.find((command) => command.name() === word);
    if (at === undefined) break;
    path.push(word);
  }
  return path;
}

/** A reader that has seen enough is no failure, of `run --help` neither: what a run prints later is watched where it is printed. */
function printHelp(text: string): void {
  process.stdout.once("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(128 + 13);
    throw error;
  });
  process.stdout.write(text);
}
