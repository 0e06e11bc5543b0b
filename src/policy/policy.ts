// A policy once parsed: what it says, in normal form and under the schema's own names, and where it says it.
// `document` is JSON in the same schema: its text parses again to an equal document, which is how a decision is computed
// anew from a log. Only parse.ts and compile.ts make one.

import type { Place } from "./document.ts";

export interface Policy {
  /** The file as the user named it, `flags`, or the like. */
  readonly name: string;
  readonly document: PolicyDocument;
  /** Where each key and element stands, by path: `network.rule[0].host`. Empty for a policy that no text spells. */
  readonly places: ReadonlyMap<string, PolicyPlace>;
  /** A token's narrowing: without a [network] it leaves the network to the policies before it. */
  readonly narrows?: true;
  /** Stands beside a token's policy: a decision keeps the rule of that one, by which it can be revoked. */
  readonly beside?: true;
  /** Held by somebody further down than its own holder: its `delegate_only` rules count. */
  readonly delegated?: true;
}

/** A place in the policy's own text, or, as it is to be told, one elsewhere: of what was added by another policy. */
export type PolicyPlace = Place | string;

export interface PolicyDocument {
  readonly version: "zero_trust.runtime.v1";
  readonly extendable?: boolean;
  readonly identity?: { readonly require_attestation?: boolean; readonly allowed_issuers?: readonly string[] };
  readonly network?: NetworkSection;
  readonly upstream?: {
    /** Host to `address` or `address:port`. */
    readonly resolve?: { readonly [host: string]: readonly string[] };
    readonly ca?: readonly string[];
  };
  readonly filesystem?: {
    readonly default?: "deny" | "allow";
    readonly allow_read?: readonly string[];
    readonly allow_write?: readonly string[];
    readonly deny?: readonly string[];
    readonly workspace?: "write" | "read" | "copy";
  };
  readonly execution?: ExecutionSection;
  readonly budget?: { readonly max_spend_usd?: number; readonly max_requests?: number };
  readonly tools?: {
    readonly default?: "deny" | "allow";
    readonly allow?: readonly string[];
    readonly deny?: readonly string[];
  };
  readonly content?: {
    readonly scan?: readonly string[];
    readonly redact?: readonly string[];
    readonly block?: readonly string[];
  };
  readonly approval?: { readonly approvers?: readonly string[]; readonly timeout_seconds?: number };
  readonly label?: readonly { readonly name: string; readonly match?: readonly string[] }[];
  readonly hook?: readonly {
    readonly id?: string;
    readonly rego?: string;
    readonly url?: string;
    readonly timeout_seconds?: number;
  }[];
  readonly violation?: {
    readonly action?: "deny" | "kill_process_group";
    readonly on_revoke?: "kill" | "cut";
    readonly alert_webhook?: string;
  };
}

export interface NetworkSection {
  readonly default?: "deny" | "allow";
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
  readonly dns_deny?: "answer" | "nxdomain";
  /** bytes */
  readonly max_inspect_bytes?: number;
  readonly rule?: readonly NetworkRule[];
}

export interface NetworkRule {
  readonly id?: string;
  readonly host: readonly string[];
  readonly port?: readonly number[];
  readonly method?: readonly string[];
  readonly path?: readonly string[];
  readonly protocol?: "any" | "http" | "tls" | "tcp";
  readonly tls?: "terminate" | "pass";
  readonly private?: readonly string[];
  readonly body_on_get?: boolean;
  readonly delegate_only?: boolean;
  readonly credential?: string;
  readonly budget?: string;
  readonly ask?: boolean;
  readonly body?: readonly string[];
}

export interface ExecutionSection {
  readonly level?: "standard" | "strict";
  /** seconds */
  readonly max_runtime_seconds?: number;
  readonly max_output_bytes?: number;
  readonly max_output_lines?: number;
  readonly max_requests?: number;
  /** bytes */
  readonly max_memory?: number;
  readonly max_processes?: number;
  readonly user?: string;
  readonly terminate_on_policy_violation?: boolean;
  readonly audit_all_actions?: boolean;
  readonly isolation?: "process" | "gvisor" | "microvm" | "wasm";
  readonly nested_sandbox?: "deny" | "allow";
  /** Agents' ids. */
  readonly spawn?: readonly string[];
  /** `NAME` or `NAME=VALUE` */
  readonly env?: readonly string[];
  readonly durability?: "group" | "each";
}

/** `name:line:column` of a path in a policy, of its nearest parent that has a place, or the name alone. */
export function placeIn(policy: Policy, path: string): string {
  for (let at = path; ; at = at.slice(0, Math.max(at.lastIndexOf("."), at.lastIndexOf("[")))) {
    const place = policy.places.get(at);
    if (typeof place === "string") return place;
    if (place !== undefined) return `${policy.name}:${place.line}:${place.column}`;
    if (!/[.[]/.test(at)) return policy.name;
  }
}
