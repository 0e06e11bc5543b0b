// Which policy holds for a run: the ceiling of the machine, intersected with what the flags or the files say.
//
//   --policy FILE, else --allow, else the user's default in the home, else nothing is allowed.
//   /etc/sallyport/policy.{toml,yaml} is a ceiling: always intersected.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { type CompiledPolicy, compilePolicy, extendPolicy, policyFromFlags } from "#policy/compile.ts";
import { parsePolicy } from "#policy/parse.ts";
import type { Policy } from "#policy/policy.ts";
import { unenforced } from "#policy/unenforced.ts";

export interface PolicySource {
  readonly policy: CompiledPolicy;
  /** Where each part came from, in the order they were read: files, or `--allow`. */
  readonly sources: readonly string[];
  /** Files that the policy was read from: read-only inside the cell. */
  readonly files: readonly string[];
  /** A line for the person who started the run, e.g. that a policy file was found but not used; null without one. */
  readonly notice: string | null;
}

export interface PolicyFlags {
  readonly policy: string | undefined;
  readonly allow: readonly string[];
}

const ceilings = ["/etc/sallyport/policy.toml", "/etc/sallyport/policy.yaml"];
const projectFiles = ["sallyport.policy.toml", "sallyport.policy.yaml"];

/** @throws Failure policy_unreadable, policy_invalid, not_enforced_yet, usage. */
export function findPolicy(flags: PolicyFlags, home: string, workspace: string): PolicySource {
  const parts: Policy[] = [];
  const sources: string[] = [];
  const files: string[] = [];
  const take = (file: string, text: string): Policy => {
    const policy = parsePolicy(text, { name: file });
    const missing = unenforced(policy);
    if (missing !== null) throw missing;
    parts.push(policy);
    sources.push(file);
    files.push(file);
    return policy;
  };
  for (const file of ceilings) {
    const text = readIfThere(file);
    if (text !== null) take(file, text);
  }
  let notice: string | null = null;
  if (flags.policy !== undefined) {
    const policy = take(flags.policy, readNamed(flags.policy));
    if (flags.allow.length > 0) {
      parts[parts.length - 1] = extended(policy, flags.allow, flags.policy);
      sources.push("--allow");
    }
  } else if (flags.allow.length > 0) {
    parts.push(policyFromFlags(flags.allow));
    sources.push("--allow");
  } else {
    const file = join(home, "policy.toml");
    const text = readIfThere(file);
    if (text !== null) take(file, text);
    else {
      parts.push(policyFromFlags([]));
      const found = projectFiles.find((name) => readIfThere(join(workspace, name)) !== null);
      notice =
        found === undefined
          ? "no policy: nothing is allowed (--allow HOST, or --policy FILE)"
          : `${found} is not used unless you name it: --policy ${found}`;
    }
  }
  return { policy: compilePolicy(parts), sources, files, notice };
}

/** `--allow` beside `--policy` adds rules to it, where that policy says that it may be extended. */
function extended(policy: Policy, allow: readonly string[], file: string): Policy {
  if (policy.document.extendable !== true) {
    throw new Failure("usage", "--allow cannot add to this policy", {
      place: file,
      remedy: "Write the host into the policy, or put `extendable = true` into it.",
    });
  }
  return extendPolicy(policy, policyFromFlags(allow));
}

function readNamed(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw new Failure("policy_unreadable", `the policy cannot be read: ${(cause as Error).message}`, {
      place: file,
      remedy: "Name a readable policy file.",
      cause,
    });
  }
}

/** A file that is not there is no policy; one that cannot be read is an error, because it may be a ceiling. */
function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new Failure("policy_unreadable", `the policy cannot be read: ${(cause as Error).message}`, {
      place: file,
      remedy: "Make the file readable, or remove it.",
      cause,
    });
  }
}
