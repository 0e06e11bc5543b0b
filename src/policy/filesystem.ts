// What several policies together say about files: each part that names what may be seen bounds the others; what any of them
// denies is denied; the workspace is as the tightest has it.

import type { Policy } from "./policy.ts";

/** What one policy lets the agent see besides what every cell shows. */
export interface FilePart {
  readonly read: readonly string[];
  /** What may be written may be read. */
  readonly write: readonly string[];
}

export interface Filesystem {
  /** What is in every part holds; no part: nothing more is shown. */
  readonly parts: readonly FilePart[];
  readonly deny: readonly string[];
  readonly workspace: "write" | "read" | "copy";
}

const loosest = ["read", "copy", "write"] as const;

/** `strict`: the workspace is read-only unless a policy says otherwise. */
export function mergeFilesystem(policies: readonly Policy[], strict: boolean): Filesystem {
  const said = policies.map(({ document }) => document.filesystem).filter((section) => section !== undefined);
  const parts = said
    .filter(({ default: rest, allow_read, allow_write }) =>
      [rest, allow_read, allow_write].some((key) => key !== undefined),
    )
    .map(({ allow_read = [], allow_write = [] }) => ({ read: allow_read, write: allow_write }));
  const stated = said.map(({ workspace }) => workspace).filter((value) => value !== undefined);
  const tightest = loosest.find((value) => stated.includes(value));
  return {
    parts,
    deny: [...new Set(said.flatMap(({ deny = [] }) => deny))],
    workspace: tightest ?? (strict ? "read" : "write"),
  };
}
