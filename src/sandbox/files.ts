// A policy's `[filesystem]` on this machine: which paths are shown, which of them may be written, and which are closed. Worked
// out once, before the cell is made, into paths that exist; mounts do the rest, and nothing is asked later.
// Rules: a path that leads through a symbolic link is never shown, because whoever can write the link would choose what it
// shows; a pattern follows none; what may not be shown at all stops the run; deny wins over everything.

import { lstatSync, readdirSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { isWithin } from "#lib/file-path.ts";
import { credentialPaths } from "./toolchains.ts";
import { systemReason } from "./workspace.ts";

/** Patterns: absolute, `~/…` or `./…`; `*` within a segment, `**` any number of segments. */
export interface FileRules {
  /** What holds is what every one of these has. */
  readonly parts: readonly { readonly read: readonly string[]; readonly write: readonly string[] }[];
  readonly deny: readonly string[];
  readonly workspace: "write" | "read";
}

export interface Files {
  /** Absolute paths that exist; none lies in another of the same list, nor of `write`. */
  readonly read: readonly string[];
  readonly write: readonly string[];
  readonly deny: readonly string[];
  readonly workspace: "write" | "read";
  /** Entries that name nothing on this machine. */
  readonly missing: readonly string[];
}

export interface FilePlaces {
  readonly home: string;
  readonly workspace: string;
  readonly sallyportHome: string;
}

/** Folder entries that a pattern may look at. */
const mostLookedAt = 200_000;

/** @throws Failure path_refused */
export function resolveFiles(rules: FileRules, places: FilePlaces): Files {
  const missing: string[] = [];
  const found = (patterns: readonly string[], check: (path: string, pattern: string) => void) =>
    patterns.flatMap((pattern) => {
      const paths = expand(pattern, places, "refuse");
      if (paths.length === 0) missing.push(pattern);
      for (const path of paths) check(path, pattern);
      return paths;
    });
  const parts = rules.parts.map(({ read, write }) => ({
    read: found(read, (path, pattern) => refuseRead(path, pattern, places)),
    write: found(write, (path, pattern) => refuseWrite(path, pattern, places)),
  }));
  const deny = new Set<string>();
  for (const pattern of rules.deny)
    for (const path of expand(pattern, places, "resolve")) {
      if (isWithin(places.workspace, path)) throw refused(pattern, "it closes the workspace itself", null);
      deny.add(path);
    }
  const closed = [...deny];
  const isOpen = (path: string) => !closed.some((at) => isWithin(path, at));
  const inside = (path: string) => isWithin(path, places.workspace);
  const write = common(parts.map((part) => part.write))
    .filter(isOpen)
    .filter((path) => rules.workspace === "read" || !inside(path));
  const read = common(parts.map((part) => [...part.read, ...part.write])).filter(
    (path) => isOpen(path) && !inside(path) && !write.some((at) => isWithin(path, at)),
  );
  // What a wider path would show of the caller's keys; one that is named itself was meant.
  const shown = [...read, ...write];
  for (const kept of credentialPaths(places.home))
    if (shown.some((path) => path !== kept && isWithin(kept, path)) && !shown.some((path) => isWithin(path, kept)))
      for (const path of expand(kept, places, "resolve")) deny.add(path);
  return {
    read: outermost(read),
    write: outermost(write),
    deny: outermost([...deny]),
    workspace: rules.workspace,
    missing,
  };
}

/** What lies in every list. */
function common(lists: readonly (readonly string[])[]): string[] {
  const [first = [], ...more] = lists;
  return more.reduce<string[]>(
    (held, list) => [
      ...held.filter((path) => list.some((at) => isWithin(path, at))),
      ...list.filter((path) => held.some((at) => path !== at && isWithin(path, at))),
    ],
    [...first],
  );
}

function outermost(paths: readonly string[]): string[] {
  const all = [...new Set(paths)];
  return all.filter((path) => !all.some((other) => other !== path && isWithin(path, other))).sort();
}

/** The cell's own, or the machine's insides. */
const never = ["/proc", "/sys", "/dev"];
const neverWhole = ["/", "/etc", "/run", "/tmp", "/var", "/var/tmp", "/var/run"];

function refuseRead(path: string, pattern: string, { home, sallyportHome }: FilePlaces): void {
  if (isWithin(sallyportHome, path) || isWithin(path, sallyportHome))
    throw refused(pattern, "sallyport's own home is never shown", null);
  if (isWithin(home, path))
    throw refused(pattern, "it shows the whole home folder", "Name the folders in it that are meant.");
  if (neverWhole.includes(path))
    throw refused(pattern, `the cell has a ${path} of its own`, "Name what in it is meant.");
  if (never.some((at) => isWithin(path, at))) throw refused(pattern, "it is the kernel's", null);
  const facts = lstatSync(path);
  if (!facts.isFile() && !facts.isDirectory())
    throw refused(
      pattern,
      `${path} is neither a file nor a folder`,
      "A socket would be a way out that no rule sees: let the agent reach the service by host.sallyport.internal:PORT.",
    );
}

function refuseWrite(path: string, pattern: string, places: FilePlaces): void {
  refuseRead(path, pattern, places);
  const reason = systemReason(path, places.home);
  if (reason !== null) throw refused(pattern, reason, "Give the agent a folder of its own.");
}

function refused(pattern: string, why: string, remedy: string | null): Failure {
  return new Failure("path_refused", `${pattern} cannot be had: ${why}`, {
    place: `[filesystem] ${pattern}`,
    ...(remedy === null ? {} : { remedy }),
  });
}

/** The paths that exist for a pattern. `links`: a path through a link is refused, or what it leads to is meant too. */
function expand(pattern: string, places: FilePlaces, links: "refuse" | "resolve"): string[] {
  const base = pattern.startsWith("/") ? "/" : pattern.startsWith("~") ? places.home : places.workspace;
  const segments = pattern.split("/").slice(1);
  // All that is in a folder, at any depth, is the folder.
  while (segments.at(-1) === "*" || segments.at(-1) === "**") segments.pop();
  const found: string[] = [];
  let left = mostLookedAt;
  const take = (path: string) => {
    found.push(path);
    if (links === "refuse") return;
    const real = realpathSync(path);
    if (real !== path) found.push(real);
  };
  const walk = (at: string, rest: readonly string[]): void => {
    const [segment, ...more] = rest;
    if (segment === undefined) {
      take(at);
      return;
    }
    if (!segment.includes("*")) {
      const path = join(at, segment);
      const facts = lstatSync(path, { throwIfNoEntry: false });
      if (facts === undefined) return;
      if (facts.isSymbolicLink()) follow(path, more);
      else if (more.length === 0 || facts.isDirectory()) walk(path, more);
      return;
    }
    if (segment === "**") walk(at, more);
    for (const entry of readFolder(at)) {
      left -= 1;
      if (left < 0)
        throw refused(pattern, `it looks at more than ${mostLookedAt} files`, "Begin it with a narrower folder.");
      const path = join(at, entry.name);
      if (segment === "**") {
        if (entry.isDirectory()) walk(path, rest);
      } else if (!matches(segment, entry.name)) continue;
      else if (entry.isSymbolicLink()) {
        if (links === "resolve") follow(path, more);
      } else if (more.length === 0 || entry.isDirectory()) walk(path, more);
    }
  };
  const follow = (path: string, more: readonly string[]): void => {
    const real = realpath(path);
    if (links === "refuse")
      throw refused(
        pattern,
        `${path} is a symbolic link`,
        real === null ? "Name what it leads to." : `Name what it leads to: ${[real, ...more].join("/")}.`,
      );
    if (real === null) return;
    if (more.length === 0) found.push(real);
    else walk(real, more);
  };
  walk(base, segments);
  return [...new Set(found)];
}

function readFolder(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EACCES" || code === "ENOTDIR" || code === "ENOENT") return []; // nothing there that the agent could see either
    throw error;
  }
}

function realpath(path: string): string | null {
  try {
    return realpathSync(path);
  } catch {
    return null; // it leads nowhere
  }
}

function matches(segment: string, name: string): boolean {
  const source = segment.split("*").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${source.join("[^/]*")}$`, "s").test(name);
}
