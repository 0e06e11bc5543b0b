// The tables of docs/reference/policy.md and profiles.md, from the schema.

import { profileKeys } from "./profile.ts";
import { type Key, type Keys, type Shape, schema } from "./schema.ts";

/** Markdown: a heading and a table for each section. */
function referenceTables(keys: Keys): string {
  const plain = Object.entries(keys).filter(([, { shape }]) => inner(shape) === null);
  const sections = Object.entries(keys).flatMap(([name, key]) => section(name, key));
  return [["### Top level", "", ...rows(Object.fromEntries(plain))].join("\n"), ...sections].join("\n\n");
}

function section(name: string, key: Key): string[] {
  const keys = inner(key.shape);
  if (keys === null) return [];
  const heading = key.shape.type === "list" ? `### \`[[${name}]]\`` : `### \`[${name}]\``;
  const below = Object.entries(keys).flatMap(([member, memberKey]) => section(`${name}.${member}`, memberKey));
  const own = Object.fromEntries(Object.entries(keys).filter(([, { shape }]) => inner(shape) === null));
  return [[heading, "", key.doc, "", ...rows(own)].join("\n"), ...below];
}

function inner(shape: Shape): Keys | null {
  if (shape.type === "table") return shape.keys;
  return shape.type === "list" && shape.of.type === "table" ? shape.of.keys : null;
}

function rows(keys: Keys): string[] {
  const lines = Object.entries(keys).map(
    ([name, key]) => `| \`${name}\` | ${kind(key.shape)} | ${key.absent ?? ""} | ${key.doc}${notes(key)} |`,
  );
  return ["| key | value | when absent | what it does |", "| --- | --- | --- | --- |", ...lines];
}

function notes({ enforced, operator }: Key): string {
  const told = operator === true ? " _Operator's key._" : "";
  if (enforced === false) return `${told} **Not enforced yet.**`;
  return enforced === undefined
    ? told
    : `${told} **Only ${enforced.map((value) => `\`${JSON.stringify(value)}\``).join(", ")} is enforced yet.**`;
}

function kind(shape: Shape): string {
  switch (shape.type) {
    case "string":
      return shape.format === "text" ? "text" : shape.format;
    case "boolean":
      return "`true`, `false`";
    case "integer":
      return shape.most === Number.MAX_SAFE_INTEGER ? "whole number" : `${shape.least}–${shape.most}`;
    case "choice":
      return shape.of.map((word) => `\`"${word}"\``).join(", ");
    case "list":
      return `list of ${kind(shape.of)}`;
    case "some":
      return `${kind(shape.of)}, or a list`;
    case "map":
      return `table of host to ${kind(shape.of)}`;
    default:
      return shape.type;
  }
}

/** The page with the tables of these keys between its two marks, which name the file that they are made from. */
export function withTables(page: string, keys: Keys = schema, file = "src/policy/schema.ts"): string {
  const begin = `<!-- tables: made from ${file} -->\n`;
  const end = "\n<!-- /tables -->";
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error("the page has lost the marks around its tables");
  return `${page.slice(0, from + begin.length)}\n${referenceTables(keys)}\n${page.slice(to)}`;
}

/** The same for a profile; its `[network]` is the policy's. */
export function withProfileTables(page: string): string {
  const { network: _, ...keys } = profileKeys;
  return withTables(page, keys, "src/policy/profile.ts");
}
