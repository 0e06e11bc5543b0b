// The comments of a policy's text, each with the key or list element it stands at, so that another spelling of the policy
// can keep them.

import { createRequire } from "node:module";
import type * as Yaml from "yaml";
import { placesOf } from "./document.ts";
import type { PolicyPlace } from "./policy.ts";

export interface Comments {
  /** Before anything else, `#` included. */
  readonly head: readonly string[];
  /** On lines of their own before what stands at a path. */
  readonly before: ReadonlyMap<string, readonly string[]>;
  /** Behind it, on the same line. */
  readonly behind: ReadonlyMap<string, string>;
  /** After everything else. */
  readonly foot: readonly string[];
}

export const noComments: Comments = { head: [], before: new Map(), behind: new Map(), foot: [] };

interface Found {
  readonly text: string;
  readonly line: number;
  /** True where nothing else stands before it on its line. */
  readonly alone: boolean;
}

/** `places` are those of the policy before its presets were expanded: where keys and elements stand in `text`, which is YAML. */
export function commentsOfYaml(text: string, places: ReadonlyMap<string, PolicyPlace>): Comments {
  const spots = [...places]
    .flatMap(([path, place]) => (typeof place === "string" ? [] : [{ path, ...place }]))
    .sort((one, other) => one.line - other.line || one.column - other.column);
  const first = spots[0]?.line ?? 1;
  const head: string[] = [];
  const foot: string[] = [];
  const before = new Map<string, string[]>();
  const behind = new Map<string, string>();
  const found = yamlComments(text);
  // A blank line, or a comment of the version, ends what is said of the whole.
  const lines = text.split("\n");
  const opening = lines.findIndex((line) => !line.trimStart().startsWith("#"));
  for (const { text: comment, line, alone } of found) {
    const here = spots.findLast((spot) => spot.line === line);
    const next = spots.find((spot) => spot.line > line);
    if (!alone && here !== undefined) behind.set(here.path, comment);
    else if (line <= opening && lines[opening]?.trim() === "" && line < first) head.push(comment);
    else if (next !== undefined) before.set(next.path, [...(before.get(next.path) ?? []), comment]);
    else foot.push(comment);
  }
  return { head, before, behind, foot };
}

function yamlComments(text: string): Found[] {
  const { Lexer } = createRequire(import.meta.url)("yaml") as typeof Yaml;
  const place = placesOf(text);
  const found: Found[] = [];
  let at = 0;
  let scalar = false;
  for (const lexeme of new Lexer().lex(text)) {
    // What announces a document, an error in flow, or a scalar stands for no text.
    if (lexeme === "\u0002" || lexeme === "\u0018" || lexeme === "\u001f") {
      scalar = lexeme === "\u001f";
      continue;
    }
    if (lexeme.startsWith("#") && !scalar) {
      const { line, column } = place(at);
      const before = text.slice(at - column + 1, at);
      found.push({ text: printableComment(lexeme), line, alone: before.trim() === "" });
    }
    scalar = false;
    at += lexeme.length;
  }
  return found;
}

/** TOML takes no control characters in a comment. */
function printableComment(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a comment must not have
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f]/g, " ").trimEnd();
}
