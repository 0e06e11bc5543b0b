// How the agent runs, and where names lead, of several policies at once: the tighter holds. A policy that says nothing
// about a key leaves it to the others.

import { Failure } from "#core/failure.ts";
import { parseAddress } from "#lib/address.ts";
import { hostLoopback } from "#lib/host-name.ts";
import { parseEndpoint } from "./host-pattern.ts";
import type { ExecutionSection, Policy } from "./policy.ts";
import { loopbackAddresses } from "./rule.ts";

/** What runs a cell. Null is no limit, or nothing said. */
export interface Execution {
  /** seconds */
  readonly maxRuntimeSeconds: number | null;
  readonly maxOutputLines: number | null;
  readonly maxOutputBytes: number | null;
  readonly maxRequests: number | null;
  readonly maxMemoryBytes: number;
  readonly maxProcesses: number;
  readonly user: string | null;
  /** `NAME` or `NAME=VALUE`. */
  readonly env: readonly string[];
  readonly level: "standard" | "strict";
  readonly isolation: "process" | "gvisor" | "microvm" | "wasm";
  readonly nestedSandbox: "deny" | "allow";
  /** `[violation] action = "kill_process_group"` says the same. */
  readonly terminateOnPolicyViolation: boolean;
  readonly auditAllActions: boolean;
  /** True where a policy says `audit_all_actions = true` in so many words. */
  readonly auditAllActionsWritten: boolean;
  readonly durability: "group" | "each";
}

export interface UpstreamTarget {
  readonly address: string;
  /** Null keeps the port that was asked for. */
  readonly port: number | null;
}

export interface Upstream {
  readonly resolve: ReadonlyMap<string, readonly UpstreamTarget[]>;
  readonly caFiles: readonly string[];
}

const tiers = ["process", "gvisor", "microvm"] as const;

export function mergeExecution(policies: readonly Policy[]): Execution {
  const said = policies.map(({ document }) => document.execution ?? {});
  const least = (
    key:
      | "max_runtime_seconds"
      | "max_output_lines"
      | "max_output_bytes"
      | "max_requests"
      | "max_memory"
      | "max_processes",
  ) => {
    const values = stated(said, key);
    return values.length === 0 ? null : Math.min(...values);
  };
  const strict = stated(said, "level").includes("strict");
  const nested = stated(said, "nested_sandbox");
  const audits = stated(said, "audit_all_actions");
  return {
    maxRuntimeSeconds: least("max_runtime_seconds"),
    maxOutputLines: least("max_output_lines"),
    maxOutputBytes: least("max_output_bytes"),
    maxRequests: least("max_requests"),
    maxMemoryBytes: least("max_memory") ?? 4 * 2 ** 30,
    maxProcesses: least("max_processes") ?? 1024,
    user: agreed(policies, "user"),
    env: commonEnvironment(stated(said, "env")),
    level: strict ? "strict" : "standard",
    isolation: strongest(policies),
    nestedSandbox: !strict && nested.length > 0 && nested.every((value) => value === "allow") ? "allow" : "deny",
    terminateOnPolicyViolation:
      strict ||
      stated(said, "terminate_on_policy_violation").includes(true) ||
      policies.some(({ document }) => document.violation?.action === "kill_process_group"),
    auditAllActions: audits.length === 0 || audits.includes(true),
    auditAllActionsWritten: audits.includes(true),
    durability: stated(said, "durability").includes("each") ? "each" : "group",
  };
}

/** Of two policies that place the same name, the first counts; certificate authorities are those of all. */
export function mergeUpstream(policies: readonly Policy[]): Upstream {
  const resolve = new Map<string, UpstreamTarget[]>();
  resolve.set(
    hostLoopback,
    loopbackAddresses.map((address) => ({ address, port: null })),
  );
  const caFiles = new Set<string>();
  for (const { document } of policies) {
    for (const [host, targets] of Object.entries(document.upstream?.resolve ?? {})) {
      if (!resolve.has(host)) resolve.set(host, targets.map(target));
    }
    for (const file of document.upstream?.ca ?? []) caFiles.add(file);
  }
  return { resolve, caFiles: [...caFiles] };
}

function target(text: string): UpstreamTarget {
  if (parseAddress(text) !== null) return { address: text, port: null };
  const parsed = parseEndpoint(text);
  if (!parsed.ok) throw new TypeError(parsed.problem);
  return { address: parsed.value.host.suffix, port: parsed.value.port };
}

function stated<K extends keyof ExecutionSection>(
  said: readonly ExecutionSection[],
  key: K,
): NonNullable<ExecutionSection[K]>[] {
  return said.map((section) => section[key]).filter((value) => value !== undefined) as NonNullable<
    ExecutionSection[K]
  >[];
}

function agreed(policies: readonly Policy[], key: "user"): string | null {
  const values = new Set(
    policies.map(({ document }) => document.execution?.[key]).filter((value) => value !== undefined),
  );
  if (values.size > 1) throw conflict(`execution.${key}`, [...values]);
  return [...values][0] ?? null;
}

function strongest(policies: readonly Policy[]): Execution["isolation"] {
  const values = new Set(policies.map(({ document }) => document.execution?.isolation ?? "process"));
  if (values.has("wasm")) {
    if (values.has("gvisor") || values.has("microvm")) throw conflict("execution.isolation", [...values]);
    return "wasm";
  }
  return tiers.findLast((tier) => values.has(tier)) ?? "process";
}

/** What every list that was written holds; `NAME=VALUE` is held by a list that has the same, or `NAME`. */
function commonEnvironment(lists: readonly (readonly string[])[]): readonly string[] {
  const [first = [], ...more] = lists;
  const name = (entry: string) => entry.split("=", 1)[0] ?? "";
  const held = (entry: string, by: readonly string[]) => by.includes(entry) || by.includes(name(entry));
  const all = [...new Set(lists.flat())];
  const common =
    more.length === 0 ? [...new Set(first)] : all.filter((entry) => lists.every((list) => held(entry, list)));
  // The later of two entries for one name is what holds, as in a shell.
  return common.filter((entry, at) => !common.slice(at + 1).some((later) => name(later) === name(entry)));
}

function conflict(key: string, values: readonly string[]): Failure {
  return new Failure("policy_invalid", `the policies that hold together disagree about ${key}: ${values.join(", ")}`, {
    remedy: "Say it in one of them only.",
  });
}
