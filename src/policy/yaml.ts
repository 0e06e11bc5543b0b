// YAML and JSON text to a tree with places. YAML is the 1.2 core schema without anchors, aliases, tags and merge keys:
// one document, and nothing in it that two readers could take differently. The parser is loaded when first needed,
// so that a run under a TOML policy does not pay for it.

import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import { type Entry, type Node, type Place, placesOf, SyntaxProblem, type Table } from "./document.ts";
import { jsonProblem } from "./json-syntax.ts";

const deepest = 32;

/** @throws SyntaxProblem where the text is no YAML, or uses what is left out. */
export function readYaml(text: string): Table {
  const yaml = createRequire(import.meta.url)("yaml") as typeof Yaml;
  const place = placesOf(text);
  const documents = yaml.parseAllDocuments(text, {
    version: "1.2",
    schema: "core",
    merge: false,
    uniqueKeys: true,
    stringKeys: true,
    logLevel: "silent",
  });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  if (document === undefined) return { kind: "table", at: { line: 1, column: 1 }, entries: new Map() };
  if (documents.length > 1)
    throw new SyntaxProblem("this is more than one YAML document", place(document.range[2]), undefined);
  const error = document.errors[0] ?? document.warnings[0];
  if (error !== undefined)
    throw new SyntaxProblem(`this is no YAML: ${error.message.split("\n")[0]}`, place(error.pos[0]), error);

  const nodeOf = (node: unknown, fallback: number, depth: number): Node => {
    const at = place(yaml.isNode(node) ? (node.range?.[0] ?? fallback) : fallback);
    if (depth > deepest) throw new SyntaxProblem(`nested deeper than ${deepest} levels`, at, undefined);
    if (yaml.isAlias(node)) throw new SyntaxProblem("aliases are not part of a policy", at, undefined);
    if (yaml.isNode(node) && (("anchor" in node && node.anchor !== undefined) || node.tag !== undefined)) {
      if ("anchor" in node && node.anchor !== undefined)
        throw new SyntaxProblem("anchors are not part of a policy", at, undefined);
      if (!/^tag:yaml\.org,2002:(map|seq|str|int|float|bool|null)$/.test(node.tag ?? ""))
        throw new SyntaxProblem("tags are not part of a policy", at, undefined);
    }
    const offset = yaml.isNode(node) ? (node.range?.[0] ?? fallback) : fallback;
    if (yaml.isMap(node)) return tableOf(node.items, at, offset, depth);
    if (yaml.isSeq(node)) return { kind: "list", at, items: node.items.map((item) => nodeOf(item, offset, depth + 1)) };
    const value = yaml.isScalar(node) ? node.value : null;
    const known =
      typeof value === "string" || typeof value === "boolean" || (typeof value === "number" && Number.isFinite(value));
    return { kind: "scalar", at, value: known ? value : null };
  };
  const tableOf = (pairs: readonly Yaml.Pair[], at: Place, offset: number, depth: number): Table => {
    const entries = new Map<string, Entry>();
    for (const { key, value } of pairs) {
      const keyOffset = yaml.isNode(key) ? (key.range?.[0] ?? offset) : offset;
      const name = yaml.isScalar(key) ? String(key.value) : "";
      entries.set(name, { at: place(keyOffset), node: nodeOf(value, keyOffset, depth + 1) });
    }
    return { kind: "table", at, entries };
  };

  const root = nodeOf(document.contents, 0, 0);
  if (root.kind === "table") return root;
  if (document.contents === null) return { kind: "table", at: { line: 1, column: 1 }, entries: new Map() };
  throw new SyntaxProblem("a policy is a table of sections", root.at, undefined);
}

/** @throws SyntaxProblem where the text is no JSON. */
export function readJson(text: string): Table {
  const problem = jsonProblem(text);
  if (problem !== null)
    throw new SyntaxProblem(`this is no JSON: ${problem.message}`, placesOf(text)(problem.at), undefined);
  // JSON is YAML in flow style; read so, it has places, and a key that is there twice is an error.
  return readYaml(text);
}
