// What every failure in the source says, read from its syntax tree: message, place and remedy as far as they are written out,
// also where a function of the same file makes the failure from what it is handed (`refused(place, message, remedy)`).

import { readFileSync } from "node:fs";
import { parseSync } from "oxc-parser";

export interface Said {
  readonly file: string;
  readonly line: number;
  /** With `…` for each part that is worked out at run time; null where nothing is written out. */
  readonly message: string | null;
  readonly remedy: string | null;
  /** The source text of the parts that the message works out, and of the place. */
  readonly parts: readonly string[];
  readonly place: string | null;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [field: string]: unknown;
}

export function failuresIn(file: string, text = readFileSync(file, "utf8")): Said[] {
  const root = parseSync(file, text, { lang: "ts", sourceType: "module" }).program as unknown as Node;
  const source = (node: Node | undefined): string | null =>
    node === undefined ? null : text.slice(node.start, node.end);
  const said: Said[] = [];
  const makers = new Map<string, Maker>();
  const tell = (at: Node, message: Node | undefined, place: Node | undefined, remedy: Node | undefined): void => {
    const written = words(message, source);
    said.push({
      file,
      line: text.slice(0, at.start).split("\n").length,
      message: written?.text ?? null,
      remedy: words(remedy, source)?.text ?? null,
      parts: written?.parts ?? [],
      place: source(place),
    });
  };
  each(root, (node, around) => {
    if (node.type !== "NewExpression" || (node.callee as Node).name !== "Failure") return;
    const [, message, more] = node.arguments as Node[];
    const place = property(more, "place");
    const remedy = property(more, "remedy");
    tell(node, message, place, remedy);
    const name = functionName(around);
    if (name !== null)
      makers.set(name.name, {
        message: name.parameters.indexOf(source(message) ?? ""),
        place: name.parameters.indexOf(source(place) ?? ""),
        remedy: name.parameters.indexOf(source(remedy) ?? ""),
      });
  });
  each(root, (node) => {
    const maker = node.type === "CallExpression" ? makers.get(String((node.callee as Node).name)) : undefined;
    if (maker === undefined) return;
    const given = node.arguments as Node[];
    tell(node, given[maker.message], given[maker.place], given[maker.remedy]);
  });
  return said;
}

interface Maker {
  readonly message: number;
  readonly place: number;
  readonly remedy: number;
}

/** A string, a template, or strings that are added; null for anything else. */
function words(
  node: Node | undefined,
  source: (node: Node) => string | null,
): { text: string; parts: string[] } | null {
  if (node === undefined) return null;
  if (node.type === "Literal" && typeof node.value === "string") return { text: node.value, parts: [] };
  if (node.type === "TemplateLiteral") {
    const quasis = (node.quasis as { value: { cooked: string } }[]).map(({ value }) => value.cooked);
    return { text: quasis.join("…"), parts: (node.expressions as Node[]).map((each) => source(each) ?? "") };
  }
  if (node.type === "BinaryExpression") {
    const [left, right] = [words(node.left as Node, source), words(node.right as Node, source)];
    return left === null || right === null
      ? null
      : { text: left.text + right.text, parts: [...left.parts, ...right.parts] };
  }
  return null;
}

function property(node: Node | undefined, name: string): Node | undefined {
  if (node?.type !== "ObjectExpression") return undefined;
  const found = (node.properties as Node[]).find((each) => (each.key as Node | undefined)?.name === name);
  return found?.value as Node | undefined;
}

/** The innermost function that has a name, and the names of its parameters. */
function functionName(around: readonly Node[]): { name: string; parameters: string[] } | null {
  for (let at = around.length - 1; at >= 0; at--) {
    const node = around[at] as Node;
    if (!/Function/.test(node.type)) continue;
    const above = around[at - 1];
    const name =
      (node.id as Node | null)?.name ?? (above?.type === "VariableDeclarator" ? (above.id as Node).name : undefined);
    if (typeof name !== "string") return null;
    return {
      name,
      parameters: (node.params as Node[]).map((each) => String(each.name ?? (each.left as Node | undefined)?.name)),
    };
  }
  return null;
}

function each(node: Node, visit: (node: Node, around: readonly Node[]) => void, around: readonly Node[] = []): void {
  visit(node, around);
  for (const [field, value] of Object.entries(node)) {
    if (field === "parent") continue;
    for (const child of Array.isArray(value) ? value : [value])
      if (typeof child === "object" && child !== null && typeof (child as Node).type === "string")
        each(child as Node, visit, [...around, node]);
  }
}
