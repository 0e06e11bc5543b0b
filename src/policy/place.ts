// Paths of files as `[filesystem]` names them: absolute, `~/…` (the agent's HOME on the host), or `./…` (the workspace). A `*`
// stands for anything within one segment, `**` for any number of whole segments.
// Rules: pure text; no segment is `.` or `..`; what it means on a machine is worked out where the machine is (sandbox/files.ts).

import type { Parsed } from "./host-pattern.ts";

/** The normal form: no doubled or trailing slash. */
export function parsePlace(text: string): Parsed<string> {
  const bad = (problem: string, remedy: string | null): Parsed<string> => ({ ok: false, problem, remedy });
  if (text.includes("\0")) return bad("a path holds no NUL", null);
  const start = /^(?:\/|~(?=\/|$)|\.(?=\/|$))/.exec(text)?.[0];
  if (start === undefined)
    return bad(
      `"${text}" does not say where it begins`,
      `Write "/${text}", "~/${text}" (the home), or "./${text}" (the workspace).`,
    );
  const segments = text
    .slice(start.length)
    .split("/")
    .filter((segment) => segment !== "");
  if (segments.some((segment) => segment === "." || segment === ".."))
    return bad(`"${text}" goes up or stays where it is on its way`, "Write the path that it leads to.");
  if (segments.some((segment) => segment.includes("**") && segment !== "**"))
    return bad(
      `"${text}" has "**" inside a segment`,
      'Write "*" for a part of a name, "**" between slashes for any depth.',
    );
  if (start === "/" && segments.length === 0)
    return bad('"/" is the whole machine', "Name the folders that are meant.");
  const rest = segments.join("/");
  return { ok: true, value: start === "/" ? `/${rest}` : rest === "" ? start : `${start}/${rest}` };
}
