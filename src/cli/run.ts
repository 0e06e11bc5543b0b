// `sallyport run [OPTIONS] -- COMMAND…`: the flags, and nothing of what they do (run/start.ts).

import { type Command, Option } from "commander";
import type { BegunCell } from "#sandbox/begin.ts";
import { collect, duration, durationOrNone, size, wholeNumber } from "./flag-values.ts";
import type { RunFlags } from "./run/start.ts";

export function register(program: Command, early: BegunCell | null): void {
  program
    .command("run")
    .summary("run a command in a closed cell with one guarded way out")
    .description(
      "Runs a command in a closed cell. It has full power inside; every connection it makes ends in the boundary, is " +
        "judged by the policy (deny by default), and leaves an event in the session's log.",
    )
    .usage("[OPTIONS] -- COMMAND [ARG...]")
    .argument("<command...>", "the program and its arguments, unmodified")
    .option("--policy <file>", "the policy that holds (`sallyport policy check FILE` explains it); - reads stdin")
    .addOption(
      new Option(
        "--allow <host[:port]>",
        "allow this host (a bare name: ports 80 and 443) or preset (@npm); may be repeated",
      )
        .argParser(collect)
        .default([], "none"),
    )
    .option("--profile <name>", "the agent's profile, for a wrapper that hides its program (see sallyport profile)")
    .option("--no-profile", "no profile, whatever the program")
    .option("--token <token>", "run as the agent that this token was issued to; otherwise SALLYPORT_TOKEN")
    .option("--max-runtime <duration>", "end the run after this time: 300, 300s, 5m", duration)
    .option("--max-output-lines <n>", "end the run at the line after these, stdout and stderr together", wholeNumber)
    .option("--max-output-bytes <size>", "end the run at the byte after these: 50MB, 50MiB", size)
    .option("--max-requests <n>", "end the run at the request after these", wholeNumber)
    .option(
      "--grace <duration>",
      "time from SIGTERM to SIGKILL when a run is ended; 0 kills at once",
      durationOrNone,
      5,
    )
    .addOption(
      new Option("--env <name[=value]>", "let a variable of yours through, or set one; may be repeated")
        .argParser(collect)
        .default([], "none"),
    )
    .addOption(
      new Option("--publish <[addr:]port>", "show a port of the cell to this machine, or HOST:CELL; may be repeated")
        .argParser(collect)
        .default([], "none"),
    )
    .option("--observe", "allow every public host, record what would have been denied, and say what policy is enough")
    .option("--no-session", "keep no output and no session folder; decisions still go to the home's log")
    .option(
      "--summary <file>",
      "write what happened: SARIF for .sarif and .json, else Markdown, added to it; may be repeated",
      (value: string, before?: readonly string[]) => collect(value, before ?? []),
    )
    .option("-d, --detach", "print the session's id once the command runs, and go: see ps, logs, attach, stop")
    .addOption(new Option("--spawned-by <session>").hideHelp())
    .addOption(new Option("--detached <size>", "the run that --detach has started").hideHelp())
    .option("-t, --tty", "give the command a terminal")
    .option("-T, --no-tty", "give the command pipes, even on a terminal")
    .option("-q, --quiet", "print neither denials nor the summary")
    .option("--json", "print denials and failures as lines of JSON on stderr, and the session's record as the last")
    .addHelpText(
      "after",
      "\nExit code: the command's own, or 128 + the signal that ended it; 124 max runtime, 123 max output, 122 max requests,\n" +
        "121 a violation that ends the run, 120 stop, kill or a token that does not hold, 126 not executable, 127 not found,\n" +
        "125 sallyport could not run it.\n" +
        "Examples:\n" +
        "  sallyport run claude\n" +
        "  sallyport run --allow example.com -- curl https://example.com/\n" +
        "  sallyport run --policy agent.toml --env API_KEY --max-runtime 30m -- ./agent\n" +
        "Profiles: claude, codex, gemini, opencode and aider are known by their program, and get their hosts, keys and settings.\n",
    )
    .passThroughOptions()
    .action(async (command: string[], flags: RunFlags) => {
      if (flags.detach && flags.detached === undefined) {
        const { startDetached } = await import("./run/detach.ts");
        process.exitCode = await startDetached(flags);
        return;
      }
      const { startRun } = await import("./run/start.ts");
      process.exitCode = await startRun(command, flags, early);
    });
}
