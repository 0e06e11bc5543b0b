// TOML text to a tree with places.

import { parse, TomlError } from "smol-toml";
import { type Entry, type Node, type Place, placesOf, SyntaxProblem, type Table } from "./document.ts";
import { type Placed, tomlPlaces } from "./toml-places.ts";

const deepest = 32;

/** @throws SyntaxProblem where the text is no TOML. */
export function readToml(text: string): Table {
  let values: object;
  try {
    values = parse(text, { maxDepth: deepest });
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const said = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "") ?? "";
    throw new SyntaxProblem(`this is no TOML: ${said}`, { line: error.line, column: error.column }, error);
  }
  const places = tomlPlaces(text);
  return tableOf(values, places, placesOf(text), places.at);
}

function nodeOf(value: unknown, placed: Placed | undefined, place: (offset: number) => Place, fallback: number): Node {
  const at = placed?.at ?? fallback;
  if (Array.isArray(value)) {
    return {
      kind: "list",
      at: place(at),
      items: value.map((item, index) => nodeOf(item, placed?.elements[index], place, at)),
    };
  }
  if (typeof value === "object" && value !== null && isPlain(value)) return tableOf(value, placed, place, at);
  const scalar =
    typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
  return { kind: "scalar", at: place(at), value: scalar ? value : null };
}

function tableOf(value: object, placed: Placed | undefined, place: (offset: number) => Place, fallback: number): Table {
  const entries = new Map<string, Entry>();
  for (const [key, member] of Object.entries(value)) {
    const found = placed?.members.get(key);
    const at = found?.at ?? fallback;
    entries.set(key, { at: place(at), node: nodeOf(member, found?.value, place, at) });
  }
  return { kind: "table", at: place(placed?.at ?? fallback), entries };
}

/** Tables, as against dates and times. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
