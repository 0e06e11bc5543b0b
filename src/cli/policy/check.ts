// `sallyport policy check [FILE]`: everything that is wrong with a policy, what this build cannot enforce, and what is worth a
// second look. Exit codes: 0 where a run under it can start, else 1.

import type { FailureRecord } from "#core/failure.ts";
import { checkPolicy, type Warning } from "#policy/check.ts";
import { problemFailure, readPolicy } from "#policy/parse.ts";
import { homePath } from "../home.ts";
import { printable, printFailure, printJson, printLine } from "../output.ts";
import { shippedPresets } from "../presets.ts";
import { type PolicyText, readCeiling, readDefault, readNamed, readProject } from "./files.ts";

interface Checked {
  readonly file: string;
  /** True where it is a policy of the schema. */
  readonly valid: boolean;
  /** True where this build can also enforce all of it. */
  readonly enforced: boolean;
  readonly errors: readonly FailureRecord[];
  readonly warnings: readonly Warning[];
}

/** @throws Failure policy_unreadable, and policy_invalid where two files claim to be one policy */
export function check(file: string | undefined, json: boolean): number {
  const found = file === undefined ? policiesHere() : [readNamed(file)];
  const checked = found.map((text) => checkText(text, json));
  if (json) {
    const [first] = checked;
    if (file !== undefined && first !== undefined) printJson(first);
    else printJson({ policies: checked });
  } else if (found.length === 0) printLine("no policy is found here: nothing is allowed (sallyport init makes one)");
  return checked.every(({ valid, enforced }) => valid && enforced) ? 0 : 1;
}

function policiesHere(): PolicyText[] {
  return [readCeiling(), readProject(process.cwd()), readDefault(homePath(process.env))].filter(
    (text) => text !== null,
  );
}

function checkText({ file, name, text }: PolicyText, json: boolean): Checked {
  const { policy, problems } = readPolicy(text, { name, presets: shippedPresets });
  const failures = problems.map((problem) => problemFailure(problem, name));
  const warnings = policy === null ? [] : checkPolicy(policy);
  const enforced = policy !== null && warnings.every(({ code }) => code !== "not_enforced_yet");
  if (!json) {
    for (const failure of failures) printFailure(failure, false);
    for (const warning of warnings) tell(warning);
    if (policy !== null) printLine(`${printable(name)}: ${verdict(enforced, warnings)}`);
  }
  return { file, valid: policy !== null, enforced, errors: failures.map((failure) => failure.record()), warnings };
}

function tell({ place, message, code, remedy }: Warning): void {
  const kind = code === "not_enforced_yet" ? "error" : "warning";
  printLine(`${printable(place)}: ${kind}: ${printable(message)} (${code})`);
  if (remedy !== null) printLine(`  ${printable(remedy)}`);
}

function verdict(enforced: boolean, warnings: readonly Warning[]): string {
  if (!enforced) return "valid, but this build cannot enforce all of it: a run under it does not start";
  return `valid${warnings.length === 0 ? "" : `, ${warnings.length} warning${warnings.length === 1 ? "" : "s"}`}`;
}
