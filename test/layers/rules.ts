// The rules of table.ts applied to a tree of sources. Each gives what breaks it: file, line, what, and the reason
// that the table has for the rule. Test files may import what they like; the rules are for what runs.

import { posix } from "node:path";
import type { SourceFile } from "./source.ts";
import * as table from "./table.ts";

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly what: string;
  readonly why: string;
}

export function isTest(path: string): boolean {
  return (
    path.endsWith(".test.ts") ||
    path.endsWith("/fixture.ts") ||
    path.startsWith("test/") ||
    path.startsWith("bench/") ||
    path.startsWith("quickstart/") ||
    path.startsWith("scripts/")
  );
}

/** The part of a source file: its folder below src, or `bin`. */
function partOf(path: string): string {
  return path.startsWith("src/") ? (path.split("/")[1] ?? "") : (path.split("/")[0] ?? "");
}

/** The file that an import means, the package, or the built-in. */
export function resolve(from: string, specifier: string): { file?: string; builtin?: string; package?: string } {
  if (specifier.startsWith("node:")) return { builtin: specifier };
  if (specifier.startsWith("#"))
    return { file: `${specifier.startsWith("#test/") ? "" : "src/"}${specifier.slice(1)}` };
  if (specifier.startsWith(".")) return { file: posix.join(posix.dirname(from), specifier) };
  const [scope = "", name = ""] = specifier.split("/");
  return { package: scope.startsWith("@") ? `${scope}/${name}` : scope };
}

/** A part imports only what the table lets it, by the part's own name, with its extension. */
export function importRules(tree: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  const known = new Map(table.parts.map((part) => [part.name, part]));
  const files = new Set(tree.map((file) => file.path));
  for (const file of tree.filter((each) => !isTest(each.path))) {
    const part = partOf(file.path);
    const rule = known.get(part);
    const may = part === "bin" ? table.binMay : rule?.may;
    if (may === undefined || (part !== "bin" && file.path.split("/").length < 3)) {
      found.push({
        file: file.path,
        line: 1,
        what: `stands in no part of the table (${part})`,
        why: "every file has a part",
      });
      continue;
    }
    for (const { specifier, line } of file.imports) {
      const say = (what: string, why: string): number => found.push({ file: file.path, line, what, why });
      if (specifier === "" && !Object.hasOwn(table.unseenImports, file.path))
        say("imports something that only running it would tell", "imports are literal, so that they can be judged");
      const target = resolve(file.path, specifier);
      if (target.file === undefined) continue;
      const other = partOf(target.file);
      if (!files.has(target.file))
        say(`imports ${specifier}, which does not exist`, "an import names a file, with its extension");
      if (isTest(target.file)) say(`imports ${specifier}`, "what runs does not need tests");
      if (other === part) continue;
      if (part !== "bin" && !specifier.startsWith("#"))
        say(`reaches ${other} by a relative path`, "another part is imported by its name");
      const free = part === "core" ? [] : part === "lib" ? ["core"] : ["core", "lib"];
      if (![...free, ...may].includes(other) && !may.includes("*")) {
        say(`${part} imports ${other} (${specifier})`, rule?.why ?? "bin only starts");
      }
    }
  }
  return found;
}

/** Packages, built-ins and ambient things are used by their owners alone. */
export function ownerRules(tree: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  for (const file of tree.filter((each) => !isTest(each.path))) {
    for (const { specifier, line } of file.imports) {
      if (specifier === "") continue; // told by the import rules
      const target = resolve(file.path, specifier);
      if (target.package !== undefined) {
        const owned = table.packages.find((entry) => entry.what === target.package);
        if (owned === undefined) {
          found.push({
            file: file.path,
            line,
            what: `imports ${specifier}`,
            why: "each package has an owner in the table",
          });
        } else if (!owns(owned, file.path))
          found.push({ file: file.path, line, what: `imports ${specifier}`, why: owned.why });
      }
      const owned = table.builtins.find((entry) => entry.what === target.builtin);
      if (owned !== undefined && !owns(owned, file.path)) {
        found.push({ file: file.path, line, what: `imports ${specifier}`, why: owned.why });
      }
    }
    for (const { what, line } of file.uses) {
      const owned = table.ambient.find((entry) => entry.what === what);
      if (owned !== undefined && !owns(owned, file.path))
        found.push({ file: file.path, line, what: `uses ${what}`, why: owned.why });
    }
  }
  return found;
}

function owns(owned: table.Owned, path: string): boolean {
  return owned.owners.some((owner) => owner === path || `src/${owner}` === path || owner === partOf(path));
}

/** Every dependency of the published package has an owner; every owner's package is there, bundled or as a dependency. */
export function dependencyRules(dependencies: readonly string[], development: readonly string[]): Violation[] {
  const owned = table.packages.map((entry) => entry.what);
  return [
    ...dependencies.filter((name) => !owned.includes(name)).map((name) => `${name} has no owner`),
    ...owned
      .filter((name) => !dependencies.includes(name) && !development.includes(name))
      .map((name) => `${name} is owned but not a dependency`),
  ].map((what) => ({ file: "package.json", line: 1, what, why: "each third-party package has one owning part" }));
}

/** What a set of files reaches at run time, however indirectly, with one way there. */
export function reach(tree: readonly SourceFile[], from: readonly string[]): Map<string, readonly string[]> {
  const files = new Map(tree.map((file) => [file.path, file]));
  const ways = new Map<string, readonly string[]>();
  const open = tree.filter((file) => !isTest(file.path) && matches(from, file.path)).map((file) => [file.path]);
  for (let way = open.shift(); way !== undefined; way = open.shift()) {
    const path = way.at(-1) ?? "";
    if (ways.has(path)) continue;
    ways.set(path, way);
    for (const { specifier, typeOnly } of files.get(path)?.imports ?? []) {
      const next = resolve(path, specifier).file;
      if (!typeOnly && next !== undefined && files.has(next)) open.push([...way, next]);
    }
  }
  return ways;
}

export function closureRules(tree: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  const files = new Map(tree.map((file) => [file.path, file]));
  for (const rule of table.closures) {
    const ways = reach(tree, rule.from);
    if (ways.size === 0 && rule.later !== true) {
      found.push({ file: rule.from.join(", "), line: 1, what: `${rule.name}: there is no such file`, why: rule.why });
    }
    for (const [path, way] of ways) {
      const by = way.length === 1 ? "" : ` (by ${way.join(" → ")})`;
      const say = (line: number, what: string): number =>
        found.push({ file: path, line, what: `${rule.name}: ${what}${by}`, why: rule.why });
      if (matches(rule.neverFiles ?? [], path)) say(1, `reaches ${path}`);
      for (const { specifier, line, typeOnly, names } of files.get(path)?.imports ?? []) {
        if (typeOnly) continue;
        const target = resolve(path, specifier);
        if (target.package !== undefined && rule.neverPackages?.includes(target.package))
          say(line, `reaches ${target.package}`);
        if (target.builtin === undefined) continue;
        if (rule.neverBuiltins?.includes(target.builtin)) say(line, `reaches ${target.builtin}`);
        if (rule.builtins === undefined) continue;
        const allowed = rule.builtins[target.builtin] ?? [];
        for (const name of names) if (!allowed.includes(name)) say(line, `takes ${name} from ${target.builtin}`);
      }
      for (const { what, line } of files.get(path)?.uses ?? []) {
        const all = `${what.split(".")[0]}.*`;
        if (rule.neverAmbient?.includes(what) || rule.neverAmbient?.includes(all)) say(line, `uses ${what}`);
      }
    }
  }
  return found;
}

function matches(patterns: readonly string[], path: string): boolean {
  return patterns.some((pattern) => (pattern.endsWith("/") ? path.startsWith(pattern) : path === pattern));
}

/** Nothing happens, and nothing is kept, by importing a file. */
export function importEffectRules(tree: readonly SourceFile[]): Violation[] {
  return tree
    .filter((file) => !isTest(file.path) && !matches(table.programs, file.path))
    .flatMap((file) =>
      file.effects
        .filter(({ what }) => table.keepers[file.path] === undefined || !what.startsWith("keeps state"))
        .map(({ what, line }) => ({
          file: file.path,
          line,
          what,
          why: "things are made by functions, and closed by who made them",
        })),
    );
}

export function wordRules(tree: readonly SourceFile[]): Violation[] {
  return tree
    .filter((file) => !isTest(file.path))
    .flatMap((file) =>
      table.forbiddenWords.flatMap(({ pattern, why }) =>
        file.words
          .filter(({ what }) => pattern.test(what))
          .map(({ what, line }) => ({ file: file.path, line, what: `spells out ${what}`, why })),
      ),
    );
}

/** A folder is a noun of the field, a file one noun or verb of it, and short enough to be read at once. */
export function fileRules(tree: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  for (const file of tree) {
    const say = (what: string, why: string): number => found.push({ file: file.path, line: 1, what, why });
    const names = file.path.replace(/(\.property)?(\.test)?\.(ts|mts|mjs|js)$/, "").split("/");
    for (const name of names) {
      if (table.emptyNames.test(name)) say(`is named ${name}`, "a name says what is there");
      if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) say(`is named ${name}`, "files are kebab-case");
    }
    const reason = table.longFiles[file.path];
    const limit = file.path.endsWith(".test.ts") ? table.longFile.test : table.longFile.source;
    if (file.lines > limit && reason === undefined) {
      say(`has ${file.lines} lines`, `over ${limit} lines a file needs a reason in the table`);
    }
    if (file.lines <= limit && reason !== undefined)
      say("is not long any more", "reasons that nobody needs are dropped");
  }
  for (const path of Object.keys(table.longFiles)) {
    if (!tree.some((file) => file.path === path))
      found.push({ file: path, line: 1, what: "does not exist", why: "reasons that nobody needs are dropped" });
  }
  return found;
}
