// A policy's text as a tree of values that know where they stand, whichever of TOML, YAML and JSON it was written in.

/** 1-based; columns count UTF-16 code units. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface Scalar {
  readonly kind: "scalar";
  readonly at: Place;
  /** A string, a finite number or a boolean; null for anything that no key of a policy takes. */
  readonly value: string | number | boolean | null;
}

export interface List {
  readonly kind: "list";
  readonly at: Place;
  readonly items: readonly Node[];
}

export interface Table {
  readonly kind: "table";
  readonly at: Place;
  readonly entries: ReadonlyMap<string, Entry>;
}

export interface Entry {
  /** Where the key stands. */
  readonly at: Place;
  readonly node: Node;
}

export type Node = Scalar | List | Table;

/** Something wrong with a policy's text. */
export interface Problem {
  readonly message: string;
  readonly at: Place;
  readonly remedy: string | null;
}

/** A text that is not even TOML, YAML or JSON. */
export class SyntaxProblem extends Error {
  readonly at: Place;
  constructor(message: string, at: Place, cause: unknown) {
    super(message, { cause });
    this.name = "SyntaxProblem";
    this.at = at;
  }
}

/** Gives the place of an offset into `text`, in logarithmic time. */
export function placesOf(text: string): (offset: number) => Place {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (starts[low] ?? 0) + 1 };
  };
}
