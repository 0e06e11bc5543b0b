// Methods and paths of one host and port. A request costs its own number of segments, not the number of rules:
// a map by method, and below it a trie of path segments.

import { normalPath } from "#lib/http-path.ts";
import { compareRules, type Rule } from "./rule.ts";

/** The best rule of a place, and the best of those that let a body pass on GET. */
interface Slot {
  any: Rule | null;
  body: Rule | null;
}

/** Most nodes lead to one other: they hold it themselves, because what costs time in a large policy is reaching into memory. */
interface PathNode {
  here: Slot | null;
  /** `**` from here on. */
  below: Slot | null;
  /** The only literal that goes on from here, one segment or several, and where to; null once there are `literals`. */
  segment: string | null;
  only: PathNode | null;
  literals: Map<string, PathNode> | null;
  star: PathNode | null;
}

interface Paths {
  /** Rules that name no path. */
  readonly whole: Slot;
  /** Null where no rule names one. */
  trie: PathNode | null;
}

export interface RequestTable {
  /** The rule for every request without a body on GET, where no rule names a method or path; else null. */
  only: Rule | null;
  readonly everyMethod: Paths;
  readonly byMethod: Map<string, Paths>;
}

/** Null where there are no rules. */
export function buildRequestTable(rules: readonly Rule[]): RequestTable | null {
  if (rules.length === 0) return null;
  const table: RequestTable = { only: null, everyMethod: { whole: slot(), trie: null }, byMethod: new Map() };
  for (const rule of rules) {
    if (rule.methods === null) add(table.everyMethod, rule);
    for (const method of rule.methods ?? []) {
      const paths = table.byMethod.get(method) ?? { whole: slot(), trie: null };
      table.byMethod.set(method, paths);
      add(paths, rule);
    }
  }
  for (const { trie } of [table.everyMethod, ...table.byMethod.values()]) if (trie !== null) join(trie);
  if (table.byMethod.size === 0 && table.everyMethod.trie === null) table.only = table.everyMethod.whole.any;
  return table;
}

/** The rule that lets a request pass; null where none does. `target` is path and query as on the wire. */
export function findRequest(table: RequestTable, method: string, target: string, body: boolean): Rule | null {
  if (table.only !== null && !body) return table.only;
  const own = table.byMethod.size === 0 ? undefined : table.byMethod.get(method);
  const every = table.everyMethod;
  const needsBody = body && (method === "GET" || method === "HEAD");
  if (own?.trie || every.trie) {
    const path = normalPath(target);
    if (path !== null) {
      const found =
        (own?.trie && findPath(own.trie, path, 1, needsBody)) ??
        (every.trie && findPath(every.trie, path, 1, needsBody));
      if (found) return found;
    }
  }
  if (own !== undefined) {
    const whole = needsBody ? own.whole.body : own.whole.any;
    if (whole !== null) return whole;
  }
  return needsBody ? every.whole.body : every.whole.any;
}

export type Miss = "method_not_allowed" | "path_not_allowed" | "malformed_request";

/** Why a request that `findRequest` did not find is denied: the nearest miss. */
export function missOf(table: RequestTable, method: string, target: string, body: boolean): Miss {
  if (body && findRequest(table, method, target, false) !== null) return "malformed_request";
  const path = normalPath(target);
  const all = [table.everyMethod, ...table.byMethod.values()];
  if (path === null && target !== "*" && all.some(({ trie }) => trie !== null)) return "malformed_request";
  const elsewhere = all.some(
    ({ whole, trie }) =>
      whole.any !== null || (path !== null && trie !== null && findPath(trie, path, 1, false) !== null),
  );
  return elsewhere ? "method_not_allowed" : "path_not_allowed";
}

/** Depth first, literals before `*` before `**`, so that the most specific pattern gives the decision. */
function findPath(node: PathNode, path: string, from: number, needsBody: boolean): Rule | null {
  if (from > path.length) return node.here === null ? null : needsBody ? node.here.body : node.here.any;
  if (node.only !== null) {
    const end = endOfLiteral(node.segment, path, from);
    const found = end < 0 ? null : findPath(node.only, path, end + 1, needsBody);
    if (found !== null) return found;
  }
  if (node.literals !== null || node.star !== null) {
    const slash = path.indexOf("/", from);
    const end = slash < 0 ? path.length : slash;
    const literal = node.literals?.get(path.slice(from, end));
    const found = literal === undefined ? null : findPath(literal, path, end + 1, needsBody);
    if (found !== null) return found;
    if (node.star !== null && end > from) {
      const starred = findPath(node.star, path, end + 1, needsBody);
      if (starred !== null) return starred;
    }
  }
  return node.below === null ? null : needsBody ? node.below.body : node.below.any;
}

/** Where a literal of whole segments that stands at `from` ends; -1 where it does not stand there. */
function endOfLiteral(literal: string | null, path: string, from: number): number {
  if (literal === null || !path.startsWith(literal, from)) return -1;
  const end = from + literal.length;
  return end === path.length || path.charCodeAt(end) === 47 ? end : -1;
}

/** Makes one node of those that only lead to one another. No rule is added after this. */
function join(node: PathNode): void {
  for (let next = node.only; next !== null; next = node.only) {
    if (next.only === null || next.segment === null || next.here !== null || next.below !== null || next.star !== null)
      break;
    node.segment += `/${next.segment}`;
    node.only = next.only;
  }
  for (const next of [node.only, node.star, ...(node.literals?.values() ?? [])]) if (next !== null) join(next);
}

function add(paths: Paths, rule: Rule): void {
  if (rule.paths === null) put(paths.whole, rule);
  for (const pattern of rule.paths ?? []) {
    paths.trie ??= pathNode();
    let node = paths.trie;
    const deep = pattern.at(-1) === "**";
    for (const segment of deep ? pattern.slice(0, -1) : pattern) {
      if (segment === "*") {
        node.star ??= pathNode();
        node = node.star;
        continue;
      }
      node = literalAt(node, segment);
    }
    if (deep) node.below ??= slot();
    else node.here ??= slot();
    put((deep ? node.below : node.here) ?? slot(), rule);
  }
}

/** The node behind a literal segment, made if it is not there. */
function literalAt(node: PathNode, segment: string): PathNode {
  const known = node.segment === segment ? node.only : node.literals?.get(segment);
  if (known) return known;
  const made = pathNode();
  if (node.literals !== null) node.literals.set(segment, made);
  else if (node.segment === null || node.only === null) {
    node.segment = segment;
    node.only = made;
  } else {
    node.literals = new Map([
      [node.segment, node.only],
      [segment, made],
    ]);
    node.segment = null;
    node.only = null;
  }
  return made;
}

function put(into: Slot, rule: Rule): void {
  if (into.any === null || compareRules(rule, into.any) < 0) into.any = rule;
  if (rule.allow.obligations.bodyOnGet && (into.body === null || compareRules(rule, into.body) < 0)) into.body = rule;
}

function slot(): Slot {
  return { any: null, body: null };
}

function pathNode(): PathNode {
  return { here: null, below: null, segment: null, only: null, literals: null, star: null };
}
