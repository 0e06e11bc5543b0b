// What would hold for a run in this folder, for the commands that only look: the caller's token, home and folder are those that
// `run` would take.

import { homePath, openHome } from "../home.ts";
import { type Gathered, gatherPolicies } from "./source.ts";

export interface Asked {
  readonly file: string | undefined;
  readonly allow: readonly string[];
  /** The name of an agent's profile. */
  readonly profile?: string | undefined;
}

/** @throws Failure policy_unreadable, policy_invalid, usage, and those of a token that does not hold */
export async function policyHere({ file, allow, profile }: Asked): Promise<Gathered> {
  const home = homePath(process.env);
  const text = process.env.SALLYPORT_TOKEN ?? "";
  const token =
    text === ""
      ? null
      : await (await import("../run/held-token.ts")).lookAtToken(openHome(process.env), {
          text,
          place: "SALLYPORT_TOKEN",
        });
  const added =
    profile === undefined
      ? null
      : (await import("../profile/source.ts")).runProfile(profile, { home, env: process.env, allow }).policy;
  return gatherPolicies({ policy: file, allow, token }, home, process.cwd(), added);
}
