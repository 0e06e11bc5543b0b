import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parse, stringify } from "smol-toml";
import { placesOf, type Table } from "./document.ts";
import { readToml } from "./toml.ts";
import { type Placed, tomlPlaces } from "./toml-places.ts";

/** Paths with line:column of the keys (of elements: of the value). */
function listed(table: Table, path = ""): string[] {
  return [...table.entries].flatMap(([name, { at, node }]) => {
    const inner = path === "" ? name : `${path}.${name}`;
    const own = `${inner} ${at.line}:${at.column}`;
    if (node.kind === "table") return [own, ...listed(node, inner)];
    if (node.kind !== "list") return [own];
    return [
      own,
      ...node.items.flatMap((item, index) => [
        `${inner}[${index}] ${item.at.line}:${item.at.column}`,
        ...(item.kind === "table" ? listed(item, `${inner}[${index}]`) : []),
      ]),
    ];
  });
}

const cases: readonly (readonly [title: string, text: string, places: readonly string[]])[] = [
  ["plain keys and comments", "# [x]\na = 1 # b = 2\n\n  c = 3\n", ["a 2:1", "c 4:3"]],
  ["line ends of two characters", "a = 1\r\nb = 2\r\n[c]\r\nd = 3\r\n", ["a 1:1", "b 2:1", "c 3:2", "c.d 4:1"]],
  [
    "inline tables",
    "a = { b = 1, c = { d = [ { e = 1 } ] } }\n",
    ["a 1:1", "a.b 1:7", "a.c 1:14", "a.c.d 1:20", "a.c.d[0] 1:26", "a.c.d[0].e 1:28"],
  ],
  ["dotted keys", "a.b.c = 1\na . d = 2\n", ["a 1:1", "a.b 1:3", "a.b.c 1:5", "a.d 2:5"]],
  [
    "quoted keys",
    '"a b" = 1\n\'c.d\' = 2\n"\\u0065" = 3\n"f\\"]".g = 4\n',
    ["a b 1:1", "c.d 2:1", "e 3:1", 'f"] 4:1', 'f"].g 4:8'],
  ],
  [
    "arrays of tables",
    "[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3\n[[a.e]]\nf = 4\n",
    [
      "a 1:3",
      "a[0] 1:3",
      "a[0].b 2:1",
      "a[1] 3:3",
      "a[1].b 4:1",
      "a[1].c 5:4",
      "a[1].c.d 6:1",
      "a[1].e 7:5",
      "a[1].e[0] 7:3",
      "a[1].e[0].f 8:1",
    ],
  ],
  [
    "arrays over lines, with comments and a last comma",
    'a = [ # "x",\n  "b", # ]\n  # "y"\n  [1,\n 2],\n]\nc = 1\n',
    ["a 1:1", "a[0] 2:3", "a[1] 4:3", "c 7:1"],
  ],
  ["strings over lines that look like keys", 'a = """\nb = 1\n[c]\n\\""" """\nd = 2\n', ["a 1:1", "d 5:1"]],
  ["literal strings over lines", "a = '''\nb = 1 \\'''\nc = 2\n", ["a 1:1", "c 3:1"]],
  [
    "quotes of its own at a string's end",
    'a = """x"""""\nb = \'\'\'y\'\'\'\'\nc = ""\nd = \'\'\ne = 1\n',
    ["a 1:1", "b 2:1", "c 3:1", "d 4:1", "e 5:1"],
  ],
  [
    "escaped quotes and brackets in strings",
    'a = ["]\\"", \'[\', "#"]\nb = 1\n',
    ["a 1:1", "a[0] 1:6", "a[1] 1:13", "a[2] 1:18", "b 2:1"],
  ],
  ["headers with blanks and quotes", '[ a . "b c" ]\nd = 1\n', ["a 1:3", "a.b c 1:7", "a.b c.d 2:1"]],
  [
    "dates and numbers",
    "a = 1979-05-27 07:32:00\nb = [ 1.5e3 , 0xff]\nc = inf\n",
    ["a 1:1", "b 2:1", "b[0] 2:7", "b[1] 2:15", "c 3:1"],
  ],
  ["a table defined after one below it", "[a.b]\nc = 1\n[a]\nd = 2\n", ["a 1:2", "a.b 1:4", "a.b.c 2:1", "a.d 4:1"]],
];
for (const [title, text, places] of cases)
  test(`places: ${title}`, () => assert.deepEqual(listed(readToml(text)), places));

test("at every place of a generated text stands that key", () => {
  const value = fc.letrec((tie) => ({
    leaf: fc.oneof(fc.string(), fc.integer(), fc.boolean()),
    table: fc.dictionary(
      fc.oneof(fc.stringMatching(/^[a-z-]{1,4}$/), fc.string({ minLength: 1, maxLength: 4 })),
      fc.oneof({ maxDepth: 4 }, tie("leaf"), tie("table"), tie("list")),
      { maxKeys: 4, noNullPrototype: true },
    ),
    list: fc.oneof(fc.array(tie("leaf"), { maxLength: 3 }), fc.array(tie("table"), { maxLength: 3 })),
  })).table;
  fc.assert(
    fc.property(value, (made) => {
      const text = stringify(made as Record<string, unknown>);
      assertAll(parse(text), tomlPlaces(text), text);
    }),
  );
});

function assertAll(value: unknown, placed: Placed, text: string): void {
  if (Array.isArray(value)) {
    assert.equal(placed.elements.length, value.length);
    for (const [index, item] of value.entries()) assertAll(item, placed.elements[index] as Placed, text);
  } else if (typeof value === "object" && value !== null) {
    assert.deepEqual([...placed.members.keys()].sort(), Object.keys(value).sort());
    for (const [name, member] of Object.entries(value)) {
      const found = placed.members.get(name);
      assert.ok(found !== undefined);
      assert.ok(
        text.startsWith(name, found.at) || text[found.at] === '"' || text[found.at] === "'",
        `${name} at ${found.at}`,
      );
      assertAll(member, found.value, text);
    }
  }
}

test("an offset's place counts lines and columns from 1", () => {
  const place = placesOf("ab\n\ncd");
  assert.deepEqual([0, 2, 3, 4, 6].map(place), [
    { line: 1, column: 1 },
    { line: 1, column: 3 },
    { line: 2, column: 1 },
    { line: 3, column: 1 },
    { line: 3, column: 3 },
  ]);
});
