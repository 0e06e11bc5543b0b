// `sallyport run --observe`: says so, lets pass what src/enforce/observe.ts lets pass, and tells at the end what policy would
// have been enough. Only a flag begins it: no policy, profile or variable can.

import type { Action } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import { Failure } from "#core/failure.ts";
import { createObservation, type Observation } from "#enforce/observe.ts";
import { compilePolicy, openPolicy } from "#policy/compile.ts";
import { printable } from "../output.ts";
import type { PolicySource } from "../policy/source.ts";
import { createSuggester, type Suggested, suggestedLines } from "../policy/suggestion.ts";

export interface Observing {
  /** Printed when the run begins, also with `--quiet`. */
  readonly banner: readonly string[];
  readonly observation: Observation;
  take(action: Action, decision: Decision): void;
  result(session: string): Suggested;
}

const banner = [
  "OBSERVING: every public host is allowed; what the policy would have denied is recorded. Private addresses stay denied.",
  "OBSERVING: not for an agent that must not talk to the whole internet.",
];

/** @throws Failure usage under a token, and where the policy says that a violation ends the run. */
export function openObserving({ policy, sources }: PolicySource, underToken: boolean): Observing {
  if (underToken) {
    throw new Failure("usage", "--observe would let an agent pass its token's policy", {
      place: "--observe",
      remedy: "Observe without a token, and take what comes of it into the policy that tokens are issued for.",
    });
  }
  const { level, terminateOnPolicyViolation } = policy.execution;
  if (level === "strict" || terminateOnPolicyViolation) {
    const said = level === "strict" ? 'level = "strict"' : "that a violation ends the run";
    throw new Failure("usage", `--observe lets violations pass, and the policy says ${said}`, {
      place: "--observe",
      remedy: "Observe under a policy that does not, or without one.",
    });
  }
  // The policy that was asked for is the last part; those before it are the machine's ceiling, which holds.
  const ceilings = policy.parts.slice(0, -1).map((part) => part.policy);
  const suggester = createSuggester(sources, false);
  return {
    banner,
    observation: createObservation(policy, compilePolicy([...ceilings, openPolicy("--observe")])),
    take(action, decision) {
      const deny = decision.verdict === "deny" ? decision : decision.wouldDeny;
      suggester.take(action, {
        reason: deny?.reason ?? null,
        remedy: deny?.remedy ?? null,
        // What is denied in spite of being observed is denied by the ceiling: no policy below it opens that.
        byRule: deny !== undefined && (deny.rule !== null || (decision === deny && deny.reason !== "private_address")),
      });
    },
    result: suggester.result,
  };
}

/** What is printed when an observed run has ended. */
export function observedText(suggested: Suggested, session: string): string {
  const lines = [
    "what would have been enough, instead of --observe",
    ...suggestedLines(suggested),
    `printed again by: sallyport policy suggest ${session}`,
  ];
  return lines
    .map((line) => (line === "" || line.startsWith("  ") ? `${printable(line)}\n` : `sallyport: ${printable(line)}\n`))
    .join("");
}
