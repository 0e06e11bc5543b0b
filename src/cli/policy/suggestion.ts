// What a run's policy lacked, from its decisions: the flags or the policy that would have been enough. Fed by the run itself
// while it is observed, and by a session's log afterwards (`sallyport policy suggest`).

import type { Action } from "#core/action.ts";
import type { DenyReason } from "#core/reason.ts";
import { parseAddress } from "#lib/address.ts";
import { addressClass } from "#lib/address-class.ts";
import { createSuggesting, type SuggestedRule, suggestionText } from "#policy/suggest.ts";

/** A decision as far as a suggestion needs it. */
export interface Decided {
  /** Why the policy denies it, or would have; null where it allows it. */
  readonly reason: DenyReason | null;
  /** What the denial said would allow it. */
  readonly remedy: string | null;
  /** True where a rule, or the machine's ceiling, denied it: nothing that could be added opens it. */
  readonly byRule: boolean;
}

export interface Suggested {
  /** The policy file that `allow` and `rules` are to be added to; null where they are enough by themselves. */
  readonly base: string | null;
  /** Entries of `[network] allow`, sorted. */
  readonly allow: readonly string[];
  readonly rules: readonly SuggestedRule[];
  /** The same as flags of `run`; null where flags cannot say it, or may not add to the policy. */
  readonly flags: readonly string[] | null;
  /** TOML. */
  readonly policy: string;
  /** Hosts that were denied because they are private, or lead there: no suggestion opens them. */
  readonly private: readonly string[];
  /** Hosts that did not fit. */
  readonly more: number;
}

export interface Suggester {
  take(action: Action, decided: Decided): void;
  /** `session`: whose it is, for the text. */
  result(session: string): Suggested;
}

const mostPrivate = 100;

/** `sources`: where the policy came from, as `policy.loaded` says. `paths`: name methods and paths for every host. */
export function createSuggester(sources: readonly string[], paths: boolean): Suggester {
  const suggesting = createSuggesting();
  const closed = new Set<string>();
  // Flags are repeated whole; to a file or a profile is added what it lacks.
  const base = sources.find((source) => source !== "--allow" && !source.startsWith("/etc/sallyport/")) ?? null;
  let byFlag = true;

  function take(action: Exclude<Action, { kind: "dns" }>, narrow: boolean): void {
    const { host, port } = action;
    const request = action.kind === "http" ? { method: action.method, path: action.path } : null;
    suggesting.take({ host, port, request }, narrow || paths);
  }

  return {
    take(action, { reason, remedy, byRule }) {
      if (action.kind === "dns" || byRule) return;
      if (reason !== null && isPrivate(action.host)) {
        if (closed.size < mostPrivate) closed.add(action.host);
        return;
      }
      switch (reason) {
        case null:
          if (base === null) take(action, false);
          return;
        case "private_address":
          if (closed.size < mostPrivate) closed.add(action.host);
          return;
        case "domain_not_allowed":
        case "port_not_allowed":
          byFlag &&= remedy?.startsWith("--allow ") ?? false;
          take(action, false);
          return;
        case "method_not_allowed":
        case "path_not_allowed":
          take(action, true);
          return;
        default:
          return;
      }
    },
    result(session) {
      const { allow, rules, more } = suggesting.result();
      const heading =
        base === null
          ? `What session ${session} asked for. Read it before you use it.`
          : `What session ${session} asked for beyond ${base}. Read it, then add it there.`;
      return {
        base,
        allow,
        rules,
        flags: byFlag && rules.length === 0 ? allow.flatMap((entry) => ["--allow", entry]) : null,
        policy: suggestionText({ allow, rules, more }, heading, base !== null),
        private: [...closed].sort(),
        more,
      };
    },
  };
}

/** To name such an address opens it, so it is never suggested. */
function isPrivate(host: string): boolean {
  const address = parseAddress(host);
  return address !== null && addressClass(address) !== "public";
}

/** For a person, after a heading of the caller's. */
export function suggestedLines({ allow, rules, flags, policy, private: closed, base }: Suggested): string[] {
  if (allow.length === 0 && rules.length === 0)
    return [
      base === null ? "nothing was asked for: the policy that allows nothing is enough" : `${base} is enough as it is`,
      ...privateLines(closed),
    ];
  return [
    ...(flags === null || flags.length === 0
      ? []
      : [base === null ? "as flags:" : "as more flags:", "", `  ${flags.join(" ")}`, ""]),
    base === null ? "as a policy:" : `to be added to ${base}:`,
    "",
    ...policy
      .trimEnd()
      .split("\n")
      .map((line) => (line === "" ? "" : `  ${line}`)),
    "",
    ...privateLines(closed),
  ];
}

function privateLines(closed: readonly string[]): string[] {
  if (closed.length === 0) return [];
  return [
    `denied all the same, because it is private: ${closed.join(", ")} (a [[network.rule]] with private opens it)`,
  ];
}
