// A policy's document as TOML text, in the order of the schema, with the comments it had in another spelling. It parses to
// the same document.

import { type Comments, noComments } from "./comments.ts";
import type { PolicyDocument } from "./policy.ts";
import { type Key, type Keys, type Shape, schema, schemaVersion } from "./schema.ts";

type Value = string | number | boolean | readonly Value[] | { readonly [key: string]: Value };
type Table = { readonly [key: string]: Value };

/** Longer lists stand one element a line. */
const widest = 100;

export function policyToml(document: PolicyDocument, comments: Comments = noComments): string {
  const writer = new Writer(comments);
  const { version: _, ...rest } = document;
  const head = comments.head.filter((comment) => comment.slice(1).trim() !== schemaVersion);
  writer.lines.push(`# ${schemaVersion}`, ...head);
  writer.table(rest as unknown as Table, schema, "", null);
  if (comments.foot.length > 0) writer.lines.push("", ...comments.foot);
  return `${writer.lines.join("\n")}\n`;
}

class Writer {
  readonly lines: string[] = [];
  readonly #comments: Comments;

  constructor(comments: Comments) {
    this.#comments = comments;
  }

  /** A table's own keys under its header, then the tables below it. */
  table(table: Table, keys: Keys, path: string, header: string | null, at: string = path): void {
    const known = Object.entries(keys).filter(([name]) => table[name] !== undefined);
    const own = known.filter(([name, { shape }]) => !isSection(shape, table[name]));
    const below = known.filter(([name, { shape }]) => isSection(shape, table[name]));
    // A header of its own is needed where there are keys, or nothing else would say that the table is there.
    const needed = header !== null && (own.length > 0 || below.length === 0 || header.startsWith("[["));
    if (needed || header === null) {
      if (own.length > 0 || needed) this.lines.push("");
      this.#before(at);
      if (needed) this.lines.push(header + this.#behind(at));
    }
    for (const [name, key] of own) this.#key(name, key, table[name] as Value, inside(at, name));
    for (const [name, { shape }] of below) {
      const value = table[name] as Value;
      const inner = inside(path, name);
      if (shape.type === "table") this.table(value as Table, shape.keys, inner, `[${inner}]`);
      else if (shape.type === "list" && shape.of.type === "table")
        for (const [index, item] of (value as readonly Table[]).entries()) {
          if (index === 0) this.#before(inner);
          this.table(item, shape.of.keys, inner, `[[${inner}]]`, `${inner}[${index}]`);
        }
    }
  }

  #key(name: string, { shape }: Key, value: Value, path: string): void {
    this.#before(path);
    const told = valueText(value, shape);
    const elements = Array.isArray(value) ? value.map((_, index) => `${path}[${index}]`) : [];
    const commented = elements.some((element) => this.#has(element));
    if (!commented && name.length + told.length + 3 <= widest) {
      this.lines.push(`${name} = ${told}${this.#behind(path)}`);
      return;
    }
    if (!Array.isArray(value) || (shape.type !== "list" && shape.type !== "some")) {
      this.lines.push(`${name} = ${told}${this.#behind(path)}`);
      return;
    }
    this.lines.push(`${name} = [${this.#behind(path)}`);
    for (const [index, element] of value.entries()) {
      for (const comment of this.#comments.before.get(`${path}[${index}]`) ?? []) this.lines.push(`  ${comment}`);
      this.lines.push(`  ${valueText(element, shape.of)},${this.#behind(`${path}[${index}]`)}`);
    }
    this.lines.push("]");
  }

  #before(path: string): void {
    this.lines.push(...(this.#comments.before.get(path) ?? []));
  }

  #behind(path: string): string {
    const comment = this.#comments.behind.get(path);
    return comment === undefined ? "" : ` ${comment}`;
  }

  #has(path: string): boolean {
    return this.#comments.before.has(path) || this.#comments.behind.has(path);
  }
}

function inside(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

/** An empty list of tables has no header to stand under. */
function isSection(shape: Shape, value: Value | undefined): boolean {
  if (shape.type === "table") return true;
  return shape.type === "list" && shape.of.type === "table" && Array.isArray(value) && value.length > 0;
}

function valueText(value: Value, shape: Shape): string {
  if (typeof value === "string") return quoted(value);
  if (typeof value === "boolean") return String(value);
  if (typeof value === "number") return shape.type === "size" ? sizeText(value) : numberText(value);
  if (Array.isArray(value)) {
    const of = shape.type === "list" || shape.type === "some" ? shape.of : shape;
    const [only] = value;
    if (shape.type === "some" && value.length === 1 && only !== undefined) return valueText(only, of);
    return `[${value.map((element) => valueText(element, of)).join(", ")}]`;
  }
  const of = shape.type === "map" ? shape.of : shape;
  const entries = Object.entries(value as Table).map(([key, inner]) => `${quoted(key)} = ${valueText(inner, of)}`);
  return entries.length === 0 ? "{}" : `{ ${entries.join(", ")} }`;
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}

/** TOML has whole numbers to 2^63 only, and this program reads them exactly to 2^53. */
function numberText(value: number): string {
  const text = JSON.stringify(value);
  return Number.isSafeInteger(value) || /[.e]/.test(text) ? text : `${text}.0`;
}

const units = [
  ["TiB", 2 ** 40],
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["GB", 1e9],
  ["MB", 1e6],
  ["KiB", 2 ** 10],
  ["KB", 1e3],
] as const;

function sizeText(bytes: number): string {
  const unit = units.find(([, factor]) => bytes % factor === 0);
  return unit === undefined ? String(bytes) : `"${bytes / unit[1]}${unit[0]}"`;
}
