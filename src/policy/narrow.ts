// Narrowing: policies that a token's holder puts beside the token's own. What holds is the intersection, as always; these two
// functions see to it that the intersection is never more than what was there before.

import { Failure } from "#core/failure.ts";
import { parsePolicy } from "./parse.ts";
import { type ExecutionSection, type NetworkRule, type Policy, type PolicyDocument, placeIn } from "./policy.ts";
import { schemaVersion } from "./schema.ts";

/** What a narrowing may speak of, by path. Everything else says where things are or who the agent is, and narrows nothing. */
export const narrowingKeys: readonly string[] = [
  "version",
  "network.default",
  "network.allow",
  "network.deny",
  "network.dns_deny",
  "network.max_inspect_bytes",
  "network.rule",
  "execution.level",
  "execution.max_runtime_seconds",
  "execution.max_output_bytes",
  "execution.max_output_lines",
  "execution.max_requests",
  "execution.max_memory",
  "execution.max_processes",
  "execution.terminate_on_policy_violation",
  "execution.audit_all_actions",
  "execution.nested_sandbox",
  "execution.env",
  "execution.spawn",
  "execution.durability",
  "budget.max_spend_usd",
  "budget.max_requests",
];

/**
 * The policy of a narrowing.
 * @throws Failure policy_invalid where it is none, or speaks of what a narrowing may not.
 */
export function narrowingPolicy(document: unknown, name: string): Policy {
  const policy = parsePolicy(JSON.stringify(document), { name, format: "json", expanded: true });
  for (const [section, said] of Object.entries(policy.document)) {
    const paths = typeof said === "object" && !Array.isArray(said) ? Object.keys(said) : [""];
    for (const key of paths) {
      const path = key === "" ? section : `${section}.${key}`;
      if (narrowingKeys.includes(path)) continue;
      throw new Failure("policy_invalid", `${path} cannot be narrowed`, {
        place: placeIn(policy, path),
        remedy: `A token can be narrowed in ${narrowingKeys.slice(1).join(", ")}.`,
      });
    }
  }
  return { ...policy, narrows: true };
}

/** The narrowing to these hosts (`host` or `host:port`) and to what these rules let pass, wherever the policy before lets them lead. */
export function hostNarrowing(allow: readonly string[], rules: readonly NetworkRule[] = []): PolicyDocument {
  const rule = allow.map((entry) => {
    const [, host = entry, port] = /^(.*?)(?::([0-9]+))?$/s.exec(entry) ?? [];
    const literal = /^\[(.*)\]$/s.exec(host)?.[1] ?? host;
    return { host: [literal], ...(port === undefined ? {} : { port: [Number(port)] }), private: [...everywhere] };
  });
  const more = rules.map((one) => ({ ...one, private: [...everywhere] }));
  return { version: schemaVersion, network: { default: "deny", rule: [...rule, ...more] } };
}

/** A narrowing in this says nothing about where names may lead. */
const everywhere = ["0.0.0.0/0", "::/0"] as const;

/** What holds where a policy is silent, written out, so that a narrowing meets it. */
const silent: Required<
  Pick<ExecutionSection, "max_memory" | "max_processes" | "nested_sandbox" | "audit_all_actions" | "env">
> = {
  max_memory: 4 * 2 ** 30,
  max_processes: 1024,
  nested_sandbox: "deny",
  audit_all_actions: true,
  env: [],
};

/** A token's policy with its silence written out: compile this and its narrowings together. */
export function narrowable(policy: Policy): Policy {
  const { execution } = policy.document;
  return { ...policy, document: { ...policy.document, execution: { ...silent, ...execution } } };
}
