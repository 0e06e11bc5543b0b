// Where each key and value of a TOML text stands. The parser that gives the values (smol-toml) does not tell, so this
// walks the same text once more. It MUST be handed text that the parser accepted: it finds structure, and checks nothing.

/** Offsets into the text, shaped like the value. */
export interface Placed {
  readonly at: number;
  /** Members of a table; empty for anything else. */
  readonly members: Map<string, PlacedMember>;
  /** Elements of an array; empty for anything else. */
  readonly elements: Placed[];
}

export interface PlacedMember {
  readonly at: number;
  readonly value: Placed;
}

interface Key {
  readonly name: string;
  readonly at: number;
}

/** The places of everything in `text`. */
export function tomlPlaces(text: string): Placed {
  const scan = new Scan(text);
  const root = placed(0);
  let table = root;
  for (scan.blank(true); !scan.atEnd(); scan.blank(true)) {
    if (scan.skip("[[")) table = element(root, scan.keyPath());
    else if (scan.skip("[")) table = open(root, scan.keyPath());
    else {
      assign(table, scan.keyPath(), scan);
      continue;
    }
    scan.line();
  }
  return root;
}

function placed(at: number): Placed {
  return { at, members: new Map(), elements: [] };
}

/** The table that a header's path names, made on the way; a path through an array goes on in its last element. */
function open(from: Placed, path: readonly Key[]): Placed {
  let table = from;
  for (const { name, at } of path) {
    let member = table.members.get(name);
    if (member === undefined) {
      member = { at, value: placed(at) };
      table.members.set(name, member);
    }
    table = member.value.elements.at(-1) ?? member.value;
  }
  return table;
}

function element(from: Placed, path: readonly Key[]): Placed {
  const last = path.at(-1);
  if (last === undefined) return from;
  const parent = open(from, path.slice(0, -1));
  let member = parent.members.get(last.name);
  if (member === undefined) {
    member = { at: last.at, value: placed(last.at) };
    parent.members.set(last.name, member);
  }
  const made = placed(path[0]?.at ?? last.at);
  member.value.elements.push(made);
  return made;
}

function assign(table: Placed, path: readonly Key[], scan: Scan): void {
  scan.skip("=");
  scan.blank(false);
  const value = scan.value();
  const last = path.at(-1);
  if (last !== undefined) open(table, path.slice(0, -1)).members.set(last.name, { at: last.at, value });
}

class Scan {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  skip(word: string): boolean {
    if (!this.#text.startsWith(word, this.#at)) return false;
    this.#at += word.length;
    return true;
  }

  /** Spaces and tabs; with `lines`, also line ends and comments. */
  blank(lines: boolean): void {
    for (; !this.atEnd(); this.#at++) {
      const c = this.#text[this.#at];
      if (c === " " || c === "\t" || (lines && (c === "\n" || c === "\r" || c === "\ufeff"))) continue;
      if (!lines || c !== "#") return;
      this.line();
    }
  }

  /** To the end of the line, not past it. */
  line(): void {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end;
  }

  /** `a . "b" . 'c'`, and the blanks around it. */
  keyPath(): Key[] {
    const path: Key[] = [];
    do {
      this.blank(false);
      const at = this.#at;
      path.push({ name: this.#key(), at });
      this.blank(false);
    } while (this.skip("."));
    return path;
  }

  value(): Placed {
    const found = placed(this.#at);
    if (this.skip("[")) this.#array(found);
    else if (this.skip("{")) this.#inlineTable(found);
    else if (this.#text[this.#at] === '"' || this.#text[this.#at] === "'") this.#string();
    else this.#bare(/[,\]}#\r\n]/g);
    return found;
  }

  #array(into: Placed): void {
    for (this.blank(true); !this.atEnd() && !this.skip("]"); this.blank(true)) {
      if (this.skip(",")) continue;
      const before = this.#at;
      into.elements.push(this.value());
      if (this.#at === before) this.#at++;
    }
  }

  #inlineTable(into: Placed): void {
    for (this.blank(true); !this.atEnd() && !this.skip("}"); this.blank(true)) {
      if (this.skip(",")) continue;
      const before = this.#at;
      assign(into, this.keyPath(), this);
      if (this.#at === before) this.#at++;
    }
  }

  #key(): string {
    const quote = this.#text[this.#at];
    if (quote !== '"' && quote !== "'") return this.#bare(/[^A-Za-z0-9_-]/g);
    const raw = this.#string();
    return quote === "'" ? raw.slice(1, -1) : unescaped(raw.slice(1, -1));
  }

  /** Everything before the first match of `end`. */
  #bare(end: RegExp): string {
    end.lastIndex = this.#at;
    const from = this.#at;
    this.#at = end.exec(this.#text)?.index ?? this.#text.length;
    return this.#text.slice(from, this.#at);
  }

  /** A string of any of the four kinds, quotes included. */
  #string(): string {
    const from = this.#at;
    const quote = this.#text[from] ?? "";
    const fence = this.#text.startsWith(quote.repeat(3), from) ? quote.repeat(3) : quote;
    let at = from + fence.length;
    while (at < this.#text.length && !this.#text.startsWith(fence, at))
      at += quote === '"' && this.#text[at] === "\\" ? 2 : 1;
    at = Math.min(at + fence.length, this.#text.length);
    // A multi-line string may end in one or two quotes of its own before the fence.
    if (fence.length === 3) for (let own = 0; own < 2 && this.#text[at] === quote; own++) at++;
    this.#at = at;
    return this.#text.slice(from, at);
  }
}

const shortEscapes: { readonly [letter: string]: string } = {
  b: "\b",
  t: "\t",
  n: "\n",
  f: "\f",
  r: "\r",
  e: "\u001b",
};

function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/gs, (_, x, u, big, letter) => {
    const code = x ?? u ?? big;
    return code === undefined ? (shortEscapes[letter] ?? letter) : String.fromCodePoint(Number.parseInt(code, 16));
  });
}
