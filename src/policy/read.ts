// A tree of values to a policy's document, by the schema. Nothing is skipped and nothing is guessed: every key that the
// schema does not know and every value it does not take is a problem with its place, and all are found in one go.

import type { Entry, List, Node, Place, Problem, Table } from "./document.ts";
import { checkFormat, checkHostKey } from "./formats.ts";
import type { Parsed } from "./host-pattern.ts";
import { nearest } from "./nearest.ts";
import { type Keys, operatorForm, type Shape, schema } from "./schema.ts";
import { parseDuration, parseSize } from "./units.ts";

/** A value of a policy's document: JSON without null. */
type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };

export interface Read {
  readonly document: { readonly [key: string]: Value };
  readonly places: Map<string, Place>;
  readonly problems: Problem[];
}

/** More than this are not told: the first ones are what the writer mends. */
const mostProblems = 100;

export function readDocument(root: Table): Read {
  const reader = new Reader();
  const straight = straighten(root, reader);
  const document = reader.table(straight, schema, [], "");
  return { document, places: reader.places, problems: reader.problems };
}

/** A text of another kind by its own table of keys; `what` is it in messages, e.g. "a profile". */
export function readKeys(root: Table, keys: Keys, what: string, required: readonly string[]): Read {
  const reader = new Reader(what);
  const document = reader.table(root, keys, required, "");
  return { document, places: reader.places, problems: reader.problems };
}

class Reader {
  readonly places = new Map<string, Place>();
  readonly problems: Problem[] = [];
  readonly #what: string;

  constructor(what = "a policy") {
    this.#what = what;
  }

  wrong(at: Place, message: string, remedy: string | null): undefined {
    if (this.problems.length < mostProblems) this.problems.push({ message, at, remedy });
    return undefined;
  }

  table(table: Table, keys: Keys, required: readonly string[], path: string): { [key: string]: Value } {
    const out: { [key: string]: Value } = {};
    for (const [name, entry] of table.entries) {
      if (!Object.hasOwn(keys, name)) {
        this.unknownKey(name, entry, Object.keys(keys), path);
        continue;
      }
      const inner = path === "" ? name : `${path}.${name}`;
      this.places.set(inner, entry.at);
      const key = keys[name];
      const value = key === undefined ? undefined : this.value(entry.node, key.shape, inner);
      if (value !== undefined) out[name] = value;
    }
    for (const name of required) {
      if (!table.entries.has(name))
        this.wrong(table.at, `${path === "" ? this.#what : path} has no "${name}"`, `Write ${name} = … there.`);
    }
    return out;
  }

  unknownKey(name: string, entry: Entry, known: readonly string[], path: string): void {
    const meant = nearest(name, known);
    const where = path === "" ? this.#what : `[${path.replaceAll(/\[\d+\]/g, "")}]`;
    const remedy = meant === null ? `It has ${known.join(", ")}.` : `Did you mean "${meant}"?`;
    this.wrong(entry.at, `${where} has no key ${JSON.stringify(name.slice(0, 64))}`, remedy);
  }

  value(node: Node, shape: Shape, path: string): Value | undefined {
    switch (shape.type) {
      case "table":
        if (node.kind !== "table")
          return this.wrong(node.at, `${path} is a table, not ${told(node)}`, `Write [${path}], or ${path} = { … }.`);
        return this.table(node, shape.keys, shape.required ?? [], path);
      case "map":
        return node.kind === "table"
          ? this.map(node, shape.of, path)
          : this.wrong(node.at, `${path} is a table, not ${told(node)}`, `Write ${path} = { "host" = … }.`);
      case "list":
        return node.kind === "list"
          ? this.list(node, shape.of, path)
          : this.wrong(node.at, `${path} is a list, not ${told(node)}`, listRemedy(shape.of, path));
      case "some":
        if (node.kind === "list") {
          if (node.items.length === 0)
            return this.wrong(node.at, `${path} is an empty list`, "Leave the key out, or name at least one.");
          return this.list(node, shape.of, path);
        }
        return this.all([this.value(node, shape.of, path)]);
      default:
        return node.kind === "scalar"
          ? this.scalar(node.value, node.at, shape, path)
          : this.wrong(node.at, `${path} is ${article(shape)}, not ${told(node)}`, null);
    }
  }

  list(node: List, of: Shape, path: string): Value | undefined {
    return this.all(
      node.items.map((item, index) => {
        this.places.set(`${path}[${index}]`, item.at);
        return this.value(item, of, `${path}[${index}]`);
      }),
    );
  }

  /** The values; undefined where one could not be read, so that no shorter list stands for what was written. */
  all(values: readonly (Value | undefined)[]): readonly Value[] | undefined {
    const read = values.filter((value) => value !== undefined);
    return read.length === values.length ? read : undefined;
  }

  map(node: Table, of: Shape, path: string): Value {
    const out: { [key: string]: Value } = Object.create(null);
    for (const [name, entry] of node.entries) {
      const key = this.parsed(checkHostKey(name), entry.at, path);
      if (key === undefined) continue;
      this.places.set(`${path}.${key}`, entry.at);
      if (key in out) this.wrong(entry.at, `${path} names ${key} twice`, null);
      const value = this.value(entry.node, of, `${path}.${key}`);
      if (value !== undefined) out[key] = value;
    }
    return { ...out };
  }

  scalar(value: string | number | boolean | null, at: Place, shape: Shape, path: string): Value | undefined {
    const expected = () => this.wrong(at, `${path} is ${article(shape)}, not ${toldValue(value)}`, null);
    switch (shape.type) {
      case "string":
        return typeof value === "string"
          ? this.parsed(checkFormat(shape.format, value, path.replaceAll(/\[\d+\]/g, "")), at, path)
          : expected();
      case "boolean":
        return typeof value === "boolean" ? value : expected();
      case "integer":
        return typeof value === "number" && Number.isSafeInteger(value) && value >= shape.least && value <= shape.most
          ? value
          : expected();
      case "number":
        return typeof value === "number" && value >= shape.least ? value : expected();
      case "choice": {
        if (typeof value === "string" && shape.of.includes(value)) return value;
        const meant = typeof value === "string" ? nearest(value, shape.of) : null;
        return this.wrong(
          at,
          `${path} is ${article(shape)}, not ${toldValue(value)}`,
          meant === null ? null : `Did you mean "${meant}"?`,
        );
      }
      case "size":
      case "duration": {
        const parse = shape.type === "size" ? parseSize : parseDuration;
        const parsed = typeof value === "string" || typeof value === "number" ? parse(String(value)) : null;
        return parsed ?? expected();
      }
      default:
        return expected();
    }
  }

  parsed(result: Parsed<string>, at: Place, path: string): string | undefined {
    return result.ok ? result.value : this.wrong(at, `${path}: ${result.problem}`, result.remedy);
  }
}

/** The operators' form, if it is there, moved to where the schema has the same keys. */
function straighten(root: Table, reader: Reader): Table {
  const sections = new Set(Object.keys(operatorForm).map((path) => path.split(".", 1)[0] ?? ""));
  if (![...root.entries.keys()].some((name) => sections.has(name))) return root;
  const entries = new Map(root.entries);
  const move = (table: Table, path: string): void => {
    for (const [name, entry] of table.entries) {
      const inner = `${path}.${name}`;
      const target = operatorForm[inner];
      const [section = "", key = ""] = target?.split(".") ?? [];
      if (
        target === undefined &&
        entry.node.kind === "table" &&
        Object.keys(operatorForm).some((known) => known.startsWith(`${inner}.`))
      )
        move(entry.node, inner);
      else if (target === undefined) {
        const known = Object.keys(operatorForm).filter((form) => form.startsWith(`${path}.`));
        const names = known.map((form) => form.slice(path.length + 1).split(".", 1)[0] ?? "");
        reader.unknownKey(name, entry, [...new Set(names)], path);
      } else {
        const existing = entries.get(section);
        const table = existing?.node.kind === "table" ? existing.node : null;
        if (existing !== undefined && table === null) continue; // its own problem is told where it is read
        if (table?.entries.has(key))
          reader.wrong(entry.at, `${inner} says ${target} a second time`, "Leave one of the two out.");
        const node: Table = {
          kind: "table",
          at: table?.at ?? entry.at,
          entries: new Map(table?.entries).set(key, entry),
        };
        entries.set(section, { at: existing?.at ?? entry.at, node });
      }
    }
  };
  for (const name of sections) {
    const entry = entries.get(name);
    entries.delete(name);
    if (entry?.node.kind === "table") move(entry.node, name);
    else if (entry !== undefined) reader.wrong(entry.at, `${name} is a table, not ${told(entry.node)}`, null);
  }
  return { ...root, entries };
}

function listRemedy(of: Shape, path: string): string {
  return of.type === "table" ? `Write [[${path}]].` : `Write ${path.slice(path.lastIndexOf(".") + 1)} = [ … ].`;
}

function told(node: Node): string {
  return node.kind === "scalar" ? toldValue(node.value) : node.kind === "list" ? "a list" : "a table";
}

function toldValue(value: string | number | boolean | null): string {
  if (value === null) return "a value of this kind";
  return typeof value === "string" ? JSON.stringify(value.slice(0, 64)) : String(value);
}

function article(shape: Shape): string {
  switch (shape.type) {
    case "string":
      return "a text";
    case "boolean":
      return "true or false";
    case "integer":
      return shape.most === Number.MAX_SAFE_INTEGER
        ? `a whole number from ${shape.least}`
        : `a whole number from ${shape.least} to ${shape.most}`;
    case "number":
      return `a number from ${shape.least}`;
    case "size":
      return 'a size (bytes, or "50MB", "50MiB")';
    case "duration":
      return 'a duration (seconds, or "300s", "5m")';
    case "choice":
      return `one of ${shape.of.map((word) => `"${word}"`).join(", ")}`;
    case "list":
    case "some":
      return "a list";
    default:
      return "a table";
  }
}
