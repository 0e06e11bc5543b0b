// `sallyport trust [FILE]`: shows a project's policy and takes a person's word for it; lists what is trusted, and revokes it.
// Exit codes: 0 trusted (listed, revoked), 1 not trusted, 125 it could not be asked.

import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { Failure } from "#core/failure.ts";
import { compilePolicy } from "#policy/compile.ts";
import { type Policy, placeIn } from "#policy/policy.ts";
import { unenforcedKeys } from "#policy/unenforced.ts";
import { ask } from "./ask.ts";
import { openHome } from "./home.ts";
import { printable, printJson, printLine, printTable } from "./output.ts";
import { isProjectName, type PolicyText, readNamed, readProject } from "./policy/files.ts";
import { readPolicyText } from "./policy/source.ts";
import { concerns, keyLines, ruleRows, ruleViews } from "./policy/view.ts";
import { listTrust, revokeTrust, type TrustRecord, trust, trustOf, trustPath } from "./trust/store.ts";
import { changedLines } from "./trust/text-change.ts";

interface TrustFlags {
  readonly yes?: boolean;
  readonly list?: boolean;
  readonly revoke?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command("trust")
    .summary("take a project's policy for good, after a look at it")
    .description(
      "Shows the policy that a project brings along (sallyport.policy.toml or .yaml) and asks whether it may count here. An agent " +
        "could have written that file, so it counts only while it is the very text that you said yes to.",
    )
    .argument("[file]", "the project's policy; without it the one in this folder")
    .option("-y, --yes", "say yes without being asked")
    .option("--list", "list what is trusted")
    .option("--revoke", "trust it no more")
    .option("--json", "print one JSON object")
    .addHelpText(
      "after",
      `
Examples:
  sallyport trust                # this folder's policy: shown, then asked
  sallyport trust --list
  sallyport trust --revoke

Exit code: 0 done, 1 the answer was no, 125 there is no such policy or nobody to ask.`,
    )
    .action(async (file: string | undefined, flags: TrustFlags) => {
      process.exitCode = await run(file, flags);
    });
}

async function run(file: string | undefined, flags: TrustFlags): Promise<number> {
  const home = openHome(process.env).path;
  if (flags.list === true && flags.revoke === true) throw usage("--list and --revoke do not go together");
  if (flags.list === true) return list(home, flags.json === true);
  if (flags.revoke === true) return revoke(home, file, flags.json === true);
  const text = find(file);
  const policy = readPolicyText(text);
  const { state, record } = trustOf(home, text);
  if (flags.json !== true) tell(text, policy, record);
  if (state === "trusted") {
    if (flags.json === true) printJson(answer(text, policy, true));
    else printLine("it is trusted already");
    return 0;
  }
  const yes = flags.yes === true || (await ask(`Trust ${printable(text.name)}?`));
  if (yes) trust(home, text, policy.document.upstream?.ca ?? [], new Date());
  if (flags.json === true) printJson(answer(text, policy, yes));
  else printLine(yes ? `trusted: ${printable(trustPath(text.file))}` : "not trusted");
  return yes ? 0 : 1;
}

function answer(text: PolicyText, policy: Policy, trusted: boolean): object {
  return {
    path: trustPath(text.file),
    trusted,
    digest: compilePolicy([policy]).digest,
    concerns: concerns(policy),
    document: policy.document,
  };
}

/** The policy as a person reads it, what it should be looked at for, and what changed since it was trusted. */
function tell(text: PolicyText, policy: Policy, record: TrustRecord | null): void {
  printLine(printable(trustPath(text.file)));
  const [part] = compilePolicy([policy]).parts;
  const rows = part === undefined ? [] : ruleRows(ruleViews(part, []));
  printLine("");
  if (rows.length === 0) printLine("It allows nothing.");
  else printTable(rows);
  const keys = keyLines(policy);
  if (keys.length > 0) printLine("");
  for (const line of keys) printLine(printable(line));
  const looked = concerns(policy);
  if (looked.length > 0) printLine("\nLook at these:");
  for (const { place, message } of looked) printLine(`  ${printable(`${place}: ${message}`)}`);
  for (const path of unenforcedKeys(policy))
    printLine(
      `  ${printable(`${placeIn(policy, path)}: ${path} cannot be enforced yet, so runs under it do not start`)}`,
    );
  if (record !== null) tellChanges(record, text);
  printLine("");
}

function tellChanges(record: TrustRecord, { text }: PolicyText): void {
  const changes = changedLines(record.text, text);
  if (changes.length === 0) {
    if (record.text !== text) printLine("\nSince it was trusted only comments and spaces changed.");
    return;
  }
  printLine(`\nChanged since it was trusted (${record.trusted}):`);
  for (const change of changes) printLine(`  ${printable(change)}`);
}

/** @throws Failure usage, policy_unreadable */
function find(file: string | undefined): PolicyText {
  if (file === undefined) {
    const found = readProject(process.cwd());
    if (found !== null) return found;
    throw new Failure("usage", "this folder has no sallyport.policy.toml", {
      place: process.cwd(),
      remedy: "Name the file, or make one: sallyport init.",
    });
  }
  if (!isProjectName(basename(file))) {
    throw new Failure("usage", "only sallyport.policy.toml and sallyport.policy.yaml are found by themselves", {
      place: file,
      remedy: `Another file needs no trust: name it with --policy ${file}.`,
    });
  }
  return readNamed(file);
}

function list(home: string, json: boolean): number {
  const records = listTrust(home).map((record) => ({ ...record, state: stateOf(home, record) }));
  if (json) printJson({ trusted: records.map(({ path, trusted, state }) => ({ path, trusted, state })) });
  else if (records.length === 0) printLine("no project's policy is trusted");
  else printTable([["PATH", "TRUSTED", "STATE"], ...records.map(({ path, trusted, state }) => [path, trusted, state])]);
  return 0;
}

function stateOf(home: string, { path }: TrustRecord): "trusted" | "changed" | "gone" {
  try {
    return trustOf(home, readNamed(path)).state === "trusted" ? "trusted" : "changed";
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return "gone";
  }
}

/** The file may be gone, and its trust still there to be revoked. */
function revoke(home: string, file: string | undefined, json: boolean): number {
  const paths =
    file === undefined
      ? listTrust(home)
          .map(({ path }) => path)
          .filter((path) => ["toml", "yaml"].some((kind) => path === trustPath(`sallyport.policy.${kind}`)))
      : listTrust(home)
          .map(({ path }) => path)
          .filter((path) => path === resolve(file) || path === safePath(file));
  for (const path of paths) revokeTrust(home, path);
  if (json) printJson({ revoked: paths });
  else if (paths.length === 0) printLine("nothing was trusted there");
  else for (const path of paths) printLine(`revoked: ${printable(path)}`);
  return paths.length === 0 ? 1 : 0;
}

/** As `trustPath`, where the folder may be gone. */
function safePath(file: string): string {
  try {
    return trustPath(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return resolve(file);
  }
}

function usage(message: string): Failure {
  return new Failure("usage", message, { remedy: "See sallyport trust --help." });
}
