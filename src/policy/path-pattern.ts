// Which paths a rule names. Segments are compared in normal form (#lib/http-path.ts) and with their case:
// `*` is exactly one whole segment, not empty; `**`, only as the last segment, is one or more (or an empty last one), so
// `/api/**` matches `/api/`, `/api/x` and `/api/x/y`, and not `/api`. Nothing else is a wildcard.

import { normalPath } from "#lib/http-path.ts";
import type { Parsed } from "./host-pattern.ts";

/** The segments after the first slash: literals in normal form, `*` and `**`. A literal `*` is written `%2A`. */
export type PathPattern = readonly string[];

export function parsePathPattern(text: string): Parsed<PathPattern> {
  if (!text.startsWith("/")) return bad(`the path "${text}" does not begin with a slash`, `Write "/${text}".`);
  if (text.includes("?"))
    return bad(
      `the path "${text}" has a query`,
      `Queries are not matched: write "${text.slice(0, text.indexOf("?"))}".`,
    );
  const normal = normalPath(text);
  if (normal === null)
    return bad(
      `the path "${text}" could be read in two ways`,
      "Write it without dot segments, empty segments, ; # \\ or escapes of / % ; # ? \\, and what is not ASCII as %XX.",
    );
  const segments = normal.slice(1).split("/");
  for (const [at, segment] of segments.entries()) {
    if (segment === "*" || !segment.includes("*")) continue;
    if (segment !== "**")
      return bad(`"${segment}" in the path "${text}" is no pattern`, "A wildcard is a whole segment: /repos/*/issues.");
    if (at !== segments.length - 1)
      return bad(`"**" stands inside the path "${text}"`, 'Use "*" for one segment; "**" can only be the last.');
  }
  return { ok: true, value: segments };
}

export function pathPatternText(pattern: PathPattern): string {
  return `/${pattern.join("/")}`;
}

/** `path` in normal form. */
export function matchesPath(pattern: PathPattern, path: string): boolean {
  const segments = path.slice(1).split("/");
  const deep = pattern.at(-1) === "**";
  const fixed = deep ? pattern.slice(0, -1) : pattern;
  if (deep ? segments.length <= fixed.length : segments.length !== fixed.length) return false;
  return fixed.every((part, index) => (part === "*" ? segments[index] !== "" : part === segments[index]));
}

function bad(problem: string, remedy: string): { ok: false; problem: string; remedy: string } {
  return { ok: false, problem, remedy };
}
