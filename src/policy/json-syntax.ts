// Where a text stops being JSON (RFC 8259). JSON.parse says that it is none, but not always where.

interface JsonProblem {
  readonly message: string;
  /** Offset of the first character that could not stand there; the text's length where it ends too early. */
  readonly at: number;
}

const space = /[ \t\n\r]*/y;
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a string must not have
const stringPart = /(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;

/** What may come next: a value, a value or the end of an empty list, a key, a key or the end of an empty table, `:`, or what follows a value. */
type Expects = "value" | "element" | "key" | "member" | "colon" | "more";

/** Null where the text is JSON. */
export function jsonProblem(text: string): JsonProblem | null {
  const open: ("[" | "{")[] = [];
  let at = 0;
  let expects: Expects = "value";
  const take = (form: RegExp): boolean => {
    form.lastIndex = at;
    const found = form.exec(text);
    if (found !== null) at += found[0].length;
    return found !== null;
  };
  const wrong = (message: string): JsonProblem => ({ message, at });
  for (;;) {
    take(space);
    const c = text[at];
    if (c === undefined) return open.length === 0 && expects === "more" ? null : wrong("it ends too early");
    const inside = open.at(-1);
    const isKey: boolean = expects === "key" || expects === "member";
    if (expects === "colon") {
      if (c !== ":") return wrong(`${told(c)} where ":" was expected`);
      at++;
      expects = "value";
    } else if (expects === "more" || (expects === "element" && c === "]") || (expects === "member" && c === "}")) {
      if (inside !== undefined && c === (inside === "[" ? "]" : "}")) {
        open.pop();
        expects = "more";
      } else if (inside !== undefined && c === ",") expects = inside === "[" ? "value" : "key";
      else return wrong(inside === undefined ? `${told(c)} after its end` : `${told(c)} where "," was expected`);
      at++;
    } else if (c === '"') {
      at++;
      take(stringPart);
      if (text[at] !== '"') {
        if (text[at] === undefined) return wrong("a string does not end");
        return wrong(text[at] === "\\" ? "an escape that JSON does not know" : "a control character in a string");
      }
      at++;
      expects = isKey ? "colon" : "more";
    } else if (isKey) return wrong(`${told(c)} where a key in quotes was expected`);
    else if (c === "[" || c === "{") {
      open.push(c);
      at++;
      expects = c === "[" ? "element" : "member";
    } else if (take(scalar)) expects = "more";
    else return wrong(`${told(c)} where a value was expected`);
  }
}

function told(c: string): string {
  return JSON.stringify(c);
}
