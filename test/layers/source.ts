// What the import rules need to know of a source file, read from its syntax tree: what it imports, which ambient
// things it touches, what it does when it is merely imported. Nothing is run. A file that does not parse is an error.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Erased before the program runs. */
  readonly typeOnly: boolean;
  /** The imported names; `*` for a namespace, a whole-module export or a dynamic import. */
  readonly names: readonly string[];
}

export interface Use {
  readonly what: string;
  readonly line: number;
}

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** Ambient names and members: `process.env`, `Date.now`, `new Date`, `Math.random`, `fetch`, … */
  readonly uses: readonly Use[];
  /** Statements that act, or keep changeable state, when the file is imported. */
  readonly effects: readonly Use[];
  /** String literals and property names, for rules about what must not be spelled out. */
  readonly words: readonly Use[];
}

/** Every source file below the folders of `root` named in `folders` (those that exist), in a stable order. */
export function readTree(root: string, folders: readonly string[]): SourceFile[] {
  const files: SourceFile[] = [];
  for (const folder of folders) {
    let names: string[];
    try {
      names = readdirSync(join(root, folder), { recursive: true, encoding: "utf8" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw error;
    }
    for (const name of names.sort()) {
      if (!/\.(ts|mts|mjs|js)$/.test(name) || name.includes("node_modules/")) continue;
      const path = `${folder}/${name}`;
      files.push(readSource(path, readFileSync(join(root, path), "utf8")));
    }
  }
  return files;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

export function readSource(path: string, text: string): SourceFile {
  const { program, errors } = parseSync(path, text, { lang: "ts", sourceType: "module" });
  const first = errors[0];
  if (first !== undefined) throw new Error(`${path}: ${first.message}`);
  const starts = lineStarts(text);
  const lineOf = (at: number): number => upperBound(starts, at);
  const root = program as unknown as Node;

  const declared = declaredNames(root);
  const imports: Import[] = [];
  const uses: Use[] = [];
  const words: Use[] = [];

  walk(root, (node, parent, field) => {
    const line = lineOf(node.start);
    switch (node.type) {
      case "ImportDeclaration":
      case "ExportAllDeclaration":
      case "ExportNamedDeclaration": {
        const source = asNode(node.source);
        if (source === null) break;
        const parts = asNodes(node.specifiers);
        const kind = String(node.importKind ?? node.exportKind ?? "value");
        const erased = (part: Node): boolean => (part.importKind ?? part.exportKind) === "type";
        imports.push({
          specifier: String(source.value),
          line,
          typeOnly: kind === "type" || (parts.length > 0 && parts.every(erased)),
          names: parts.length === 0 ? ["*"] : parts.filter((part) => !erased(part)).map(importedName),
        });
        return false;
      }
      case "ImportExpression": {
        const source = asNode(node.source);
        const literal = source?.type === "Literal" && typeof source.value === "string";
        imports.push({ specifier: literal ? String(source.value) : "", line, typeOnly: false, names: ["*"] });
        return !literal;
      }
      case "CallExpression": {
        // createRequire(…)("package") is how a synchronous function loads what it seldom needs; createRequire(…).resolve
        // only tells where a file is, and loads nothing.
        const called = asNode(node.callee);
        const looksUp = called?.type === "MemberExpression" && asNode(called.property)?.name === "resolve";
        const made = looksUp ? asNode(called.object) : called;
        if (made?.type !== "CallExpression" || asNode(made.callee)?.name !== "createRequire") break;
        if (looksUp) return "arguments";
        const wanted = asNodes(node.arguments)[0]?.value;
        imports.push({ specifier: typeof wanted === "string" ? wanted : "", line, typeOnly: false, names: ["*"] });
        return "arguments";
      }
      case "TSImportType": {
        const source = asNode(node.source) ?? asNode(node.argument);
        imports.push({ specifier: String(source?.value ?? ""), line, typeOnly: true, names: [] });
        return false;
      }
      case "MemberExpression": {
        const object = asNode(node.object);
        const property = asNode(node.property);
        if (object?.type !== "Identifier" || declared.has(String(object.name)) || property === null) break;
        const name = node.computed === true ? property.value : property.name;
        uses.push({ what: `${String(object.name)}.${typeof name === "string" ? name : "*"}`, line });
        return node.computed === true;
      }
      case "NewExpression": {
        const callee = asNode(node.callee);
        if (callee?.type === "Identifier" && callee.name === "Date" && !declared.has("Date")) {
          if (asNodes(node.arguments).length === 0) uses.push({ what: "new Date", line });
          for (const argument of asNodes(node.arguments))
            if (argument.type === "SpreadElement") uses.push({ what: "new Date", line });
          return "arguments";
        }
        break;
      }
      case "Identifier": {
        const name = String(node.name);
        if (name === "createRequire") imports.push({ specifier: "", line, typeOnly: false, names: ["*"] });
        if (isReference(node, parent, field) && !declared.has(name)) uses.push({ what: name, line });
        else if (!isReference(node, parent, field)) words.push({ what: name, line });
        break;
      }
      case "Literal":
        if (typeof node.value === "string") words.push({ what: node.value, line });
        break;
      case "TemplateElement":
        words.push({ what: String((node.value as { raw?: unknown }).raw), line });
        break;
      default:
        if (node.type.startsWith("TS") && typeOnlyNodes.has(node.type)) return false;
    }
    return true;
  });

  return {
    path,
    lines: starts.length - (text.endsWith("\n") ? 1 : 0),
    imports,
    uses,
    effects: effectsOf(root, lineOf),
    words,
  };
}

const typeOnlyNodes = new Set([
  "TSTypeAnnotation",
  "TSInterfaceDeclaration",
  "TSTypeParameterInstantiation",
  "TSTypeParameterDeclaration",
]);

/** Statements at the top of a file that do more than declare. */
function effectsOf(program: Node, lineOf: (at: number) => number): Use[] {
  const effects: Use[] = [];
  for (const statement of asNodes(program.body)) {
    const inner =
      statement.type === "ExportNamedDeclaration" ? (asNode(statement.declaration) ?? statement) : statement;
    const line = lineOf(statement.start);
    if (inner.type === "VariableDeclaration") {
      if (inner.kind !== "const") effects.push({ what: `keeps state in a top-level ${String(inner.kind)}`, line });
      for (const declarator of asNodes(inner.declarations)) {
        if (hasTopLevelAwait(asNode(declarator.init))) effects.push({ what: "waits while it is imported", line });
      }
    } else if (!declarations.has(inner.type)) {
      effects.push({ what: `runs a ${inner.type} while it is imported`, line });
    }
  }
  return effects;
}

const declarations = new Set([
  "ImportDeclaration",
  "ExportAllDeclaration",
  "ExportNamedDeclaration",
  "ExportDefaultDeclaration",
  "FunctionDeclaration",
  "ClassDeclaration",
  "TSTypeAliasDeclaration",
  "TSInterfaceDeclaration",
  "TSDeclareFunction",
]);

function hasTopLevelAwait(node: Node | null): boolean {
  if (node === null) return false;
  let found = false;
  walk(node, (inner) => {
    if (inner.type === "AwaitExpression") found = true;
    return !/Function/.test(inner.type);
  });
  return found;
}

/** Names bound anywhere in the file; a use of one of them is not a use of the ambient thing of that name. */
function declaredNames(program: Node): Set<string> {
  const names = new Set<string>();
  const bind = (pattern: Node | null): void => {
    if (pattern === null) return;
    if (pattern.type === "Identifier") names.add(String(pattern.name));
    else if (pattern.type === "AssignmentPattern") bind(asNode(pattern.left));
    else if (pattern.type === "RestElement") bind(asNode(pattern.argument));
    else if (pattern.type === "ArrayPattern") for (const element of asNodes(pattern.elements)) bind(element);
    else if (pattern.type === "ObjectPattern")
      for (const property of asNodes(pattern.properties)) bind(asNode(property.value) ?? property);
  };
  walk(program, (node) => {
    if (node.type === "VariableDeclarator" || node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") {
      bind(asNode(node.id));
    }
    if (node.type === "CatchClause") bind(asNode(node.param));
    if (/Function/.test(node.type)) for (const param of asNodes(node.params)) bind(param);
    if (/^Import(Default|Namespace)?Specifier$/.test(node.type)) bind(asNode(node.local));
    return true;
  });
  return names;
}

/** Whether an identifier stands for a value, not for the name of a member, key, label or type. */
function isReference(node: Node, parent: Node | null, field: string): boolean {
  if (parent === null) return true;
  if (parent.type.startsWith("TS") && !valueBearing.has(parent.type)) return false;
  if (field === "property" && parent.type === "MemberExpression") return parent.computed === true;
  if (field === "key") return parent.computed === true || (parent.shorthand === true && parent.value === node);
  if (field === "label" || parent.type === "MetaProperty") return false;
  return true;
}

const valueBearing = new Set(["TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression", "TSTypeAssertion"]);

type Visit = (node: Node, parent: Node | null, field: string) => boolean | string;

/** Depth first. `visit` gives false to stay out of a node, or the one field to enter. */
function walk(node: Node, visit: Visit, parent: Node | null = null, field = ""): void {
  const enter = visit(node, parent, field);
  if (enter === false) return;
  for (const [name, value] of Object.entries(node)) {
    if (typeof enter === "string" && name !== enter) continue;
    for (const child of Array.isArray(value) ? value : [value]) {
      const inner = asNode(child);
      if (inner !== null) walk(inner, visit, node, name);
    }
  }
}

function importedName(part: Node): string {
  if (part.type === "ImportDefaultSpecifier") return "default";
  if (part.type === "ImportNamespaceSpecifier") return "*";
  const imported = asNode(part.imported) ?? asNode(part.local);
  return String(imported?.name ?? imported?.value ?? "*");
}

function asNode(value: unknown): Node | null {
  return typeof value === "object" && value !== null && typeof (value as Node).type === "string"
    ? (value as Node)
    : null;
}

function asNodes(value: unknown): Node[] {
  return Array.isArray(value) ? value.map(asNode).filter((node) => node !== null) : [];
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return starts;
}

/** How many of the ascending `starts` are at or before `at`: the 1-based line. */
function upperBound(starts: readonly number[], at: number): number {
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((starts[middle] ?? 0) <= at) low = middle + 1;
    else high = middle;
  }
  return low;
}
