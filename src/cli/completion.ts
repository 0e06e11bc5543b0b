// `sallyport completion bash|zsh|fish`: prints what the shell has to load, or puts it where the shell finds it by itself.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { Argument, type Command } from "commander";
import { Failure } from "#core/failure.ts";
import { mark, type Shell, scripts, shells } from "./completion/scripts.ts";
import { printJson, printLine } from "./output.ts";

type Environment = { readonly [name: string]: string | undefined };

export function register(program: Command): void {
  program
    .command("completion")
    .summary("complete commands, flags and values in a shell")
    .description(
      "Prints the script that lets a shell complete sallyport's commands, flags, sessions, codes and files. It asks the " +
        "program at each Tab, so it need not be made anew after an update.",
    )
    .addArgument(new Argument("<shell>", "whose script").choices(shells))
    .option("--install", "write it to where this shell looks for it, for this user alone")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      `
Examples:
  source <(sallyport completion bash)          # this bash; in ~/.bashrc: every one
  source <(sallyport completion zsh)           # after compinit, in ~/.zshrc
  sallyport completion fish | source
  sallyport completion fish --install`,
    )
    .action((shell: Shell, options: { install?: boolean; json?: boolean }) => {
      const script = scripts[shell];
      if (!options.install) {
        if (options.json) printJson({ shell, script });
        else process.stdout.write(script);
        return;
      }
      const file = completionFile(shell, process.env);
      install(file, script);
      if (options.json) printJson({ shell, file });
      else {
        printLine(`Wrote ${file}.`);
        printLine(then[shell]);
      }
    });
}

const then: Readonly<Record<Shell, string>> = {
  bash: "The bash-completion package loads it in each new shell.",
  zsh: "Have this before compinit in ~/.zshrc: fpath=(~/.local/share/zsh/site-functions $fpath)",
  fish: "Each new fish loads it.",
};

/** Where `--install` puts a shell's script. */
export function completionFile(shell: Shell, env: Environment): string {
  const home = env.HOME || homedir();
  const data = env.XDG_DATA_HOME || join(home, ".local", "share");
  switch (shell) {
    case "bash":
      return join(data, "bash-completion", "completions", "sallyport");
    case "zsh":
      return join(data, "zsh", "site-functions", "_sallyport");
    case "fish":
      return join(env.XDG_CONFIG_HOME || join(home, ".config"), "fish", "completions", "sallyport.fish");
  }
}

/** The scripts that were installed for this user, and are still ours. */
export function installedCompletions(env: Environment): string[] {
  return shells
    .map((shell) => completionFile(shell, env))
    .filter((file) => existsSync(file) && readFileSync(file, "utf8").includes(mark));
}

/** @throws Failure usage where a file of somebody else stands there, or none can be written. */
function install(file: string, script: string): void {
  try {
    if (existsSync(file) && !readFileSync(file, "utf8").includes(mark)) {
      throw new Failure("usage", "another file is there already", {
        place: file,
        remedy: "Move it away, or print the script without --install.",
      });
    }
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, script);
  } catch (cause) {
    if (cause instanceof Failure) throw cause;
    throw new Failure("usage", `the script cannot be written: ${(cause as Error).message}`, {
      place: file,
      remedy: "Print it without --install, and put it where your shell looks.",
      cause,
    });
  }
}
