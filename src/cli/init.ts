// `sallyport init`: looks at the folder, and writes the policy that work in it seems to need, each line with its reason.
// Exit codes: 0 written (or printed), 1 the answer was no, 125 it could not be written.

import { renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { Failure } from "#core/failure.ts";
import { checkWorkspace } from "#sandbox/workspace.ts";
import { ask } from "./ask.ts";
import { homePath, openHome } from "./home.ts";
import { type Fact, projectFacts } from "./init/project-facts.ts";
import { initText } from "./init/text.ts";
import { printable, printJson, printLine, printTable } from "./output.ts";
import { type PolicyText, projectFiles, readNamed } from "./policy/files.ts";
import { readPolicyText } from "./policy/source.ts";
import { trust } from "./trust/store.ts";

interface InitFlags {
  readonly yes?: boolean;
  readonly trust?: boolean;
  readonly force?: boolean;
  readonly stdout?: boolean;
  readonly json?: boolean;
}

const fileName = "sallyport.policy.toml";

export function register(program: Command): void {
  program
    .command("init")
    .summary("write a policy for this folder")
    .description(
      "Looks at the folder (package managers, git remotes, agents), says what it found, and writes a commented " +
        `${fileName} that allows what work here seems to need. Nothing is run, and nothing leaves the machine.`,
    )
    .option("-y, --yes", "write without being asked")
    .option("--trust", "trust what was written, so that it counts for runs in this folder")
    .option("--force", "write over a policy that is there")
    .option("--stdout", "print the policy and write nothing")
    .option("--json", "print one JSON object: what was found, the policy, and whether it was written and trusted")
    .addHelpText(
      "after",
      `
Examples:
  sallyport init                 # what was found, then asked
  sallyport init --yes --trust   # write it, and let it count from now on
  sallyport init --stdout

Exit code: 0 written or printed, 1 the answer was no, 125 it could not be written.`,
    )
    .action(async (flags: InitFlags) => {
      process.exitCode = await init(flags);
    });
}

async function init(flags: InitFlags): Promise<number> {
  const folder = checkWorkspace(process.cwd(), {
    home: process.env.HOME ?? homedir(),
    sallyportHome: homePath(process.env),
  });
  const facts = projectFacts(folder, process.env.PATH ?? "");
  const text = initText(facts);
  const file = join(folder, fileName);
  readPolicyText({ file, name: fileName, text });
  if (flags.stdout === true) {
    if (flags.json === true) printJson(answer(file, facts, text, false, false));
    else process.stdout.write(text);
    return 0;
  }
  refuseExisting(folder, file, flags.force === true);
  const json = flags.json === true;
  if (!json) tell(facts);
  if (flags.yes !== true && !(await ask(`Write ${fileName}?`))) {
    if (json) printJson(answer(file, facts, text, false, false));
    else printLine("nothing was written");
    return 1;
  }
  write(file, text, flags.force === true);
  if (!json) printLine(`wrote ${printable(file)}`);
  const trusted = flags.trust === true || (flags.yes !== true && (await ask("Trust it for runs in this folder?")));
  if (trusted) trustWritten(readNamed(file), text);
  if (json) printJson(answer(file, facts, text, true, trusted));
  else
    printLine(trusted ? "trusted: it counts for runs in this folder" : "it counts once you trust it: sallyport trust");
  return 0;
}

function answer(file: string, facts: readonly Fact[], text: string, written: boolean, trusted: boolean): object {
  return { path: file, written, trusted, found: facts, text };
}

function tell(facts: readonly Fact[]): void {
  if (facts.length === 0) printLine("nothing was found that needs a host");
  else printTable([["FOUND", "ALLOW", "WHY"], ...facts.map(({ found, allow, why }) => [found, allow ?? "-", why])]);
  printLine("");
}

/** @throws Failure usage where a policy is there and may not go, or would stand beside another */
function refuseExisting(folder: string, file: string, force: boolean): void {
  const [found] = projectFiles(folder).filter((one) => one !== file || !force);
  if (found === undefined) return;
  throw new Failure("usage", "this folder has a policy already", {
    place: found,
    remedy:
      found === file
        ? "Look at it with sallyport policy show, or write over it with --force."
        : `Convert it (sallyport policy convert ${found}) or remove it: two policies cannot both count.`,
  });
}

/** Never through a link that stands where the policy is to be. @throws Failure policy_unreadable */
function write(file: string, text: string, force: boolean): void {
  try {
    const target = force ? `${file}.${process.pid}` : file;
    writeFileSync(target, text, { flag: "wx", mode: 0o644 });
    if (force) renameSync(target, file);
  } catch (cause) {
    throw new Failure("policy_unreadable", `the policy cannot be written: ${(cause as Error).message}`, {
      place: file,
      remedy: "Make the folder writable, or print the policy with --stdout.",
      cause,
    });
  }
}

/** @throws Failure usage where it is not the text that was written a moment ago */
function trustWritten(found: PolicyText, text: string): void {
  if (found.text !== text) {
    throw new Failure("usage", "somebody changed the policy in this very moment", {
      place: found.file,
      remedy: "Look at it: sallyport trust.",
    });
  }
  trust(openHome(process.env).path, found, [], new Date());
}
