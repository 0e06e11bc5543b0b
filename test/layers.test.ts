// The architecture, checked. The rules are data in layers/table.ts, each with its reason; a failure prints both.
// The second half shows that each rule can fail, on a small tree that breaks all of them.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { test } from "node:test";
import {
  closureRules,
  dependencyRules,
  fileRules,
  importEffectRules,
  importRules,
  ownerRules,
  reach,
  type Violation,
  wordRules,
} from "./layers/rules.ts";
import { readSource, readTree, type SourceFile } from "./layers/source.ts";

const root = dirname(import.meta.dirname);
const folders = ["bin", "src", "test", "bench", "quickstart", "scripts"];
const tree = readTree(root, folders);

function told(violations: readonly Violation[]): string {
  return violations.map(({ file, line, what, why }) => `${file}:${line}: ${what}\n    because: ${why}`).join("\n");
}

function assertNone(violations: readonly Violation[]): void {
  assert.equal(violations.length, 0, `\n${told(violations)}`);
}

test("every part imports itself, core, lib and what the table lets it", () => assertNone(importRules(tree)));
test("packages, built-ins and the environment are used by their owners", () => assertNone(ownerRules(tree)));
test("what must not be reached is not reached, however indirectly", () => assertNone(closureRules(tree)));
test("importing a file does nothing", () => assertNone(importEffectRules(tree)));
test("nothing names a proxy variable", () => assertNone(wordRules(tree)));
test("files and folders are named for what they hold, and can be read at once", () => assertNone(fileRules(tree)));

test("every dependency has one owning part", () => {
  const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    dependencies: object;
    devDependencies: object;
  };
  assertNone(dependencyRules(Object.keys(manifest.dependencies), Object.keys(manifest.devDependencies)));
});

// ---- each rule can fail

function broken(sources: Record<string, string>): SourceFile[] {
  const dir = mkdtempSync(join(tmpdir(), "sallyport-layers-"));
  try {
    for (const [path, text] of Object.entries(sources)) {
      mkdirSync(join(dir, dirname(path)), { recursive: true });
      writeFileSync(join(dir, path), text);
    }
    return readTree(dir, folders);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

const cases: readonly {
  readonly title: string;
  readonly rule: (tree: readonly SourceFile[]) => Violation[];
  readonly sources: Record<string, string>;
  readonly finds: RegExp;
}[] = [
  {
    title: "a judge that imports a mover",
    rule: importRules,
    sources: { "src/policy/a.ts": 'import { x } from "#proxy/b.ts";', "src/proxy/b.ts": "export const x = 1;" },
    finds: /policy imports proxy/,
  },
  {
    title: "a type is an import too",
    rule: importRules,
    sources: { "src/core/a.ts": 'import type { X } from "#lib/b.ts";', "src/lib/b.ts": "export type X = 1;" },
    finds: /core imports lib/,
  },
  {
    title: "a type in a signature is an import too",
    rule: importRules,
    sources: { "src/core/a.ts": 'export type Y = import("#lib/b.ts").X;', "src/lib/b.ts": "export type X = 1;" },
    finds: /core imports lib/,
  },
  {
    title: "an export from another part is an import",
    rule: importRules,
    sources: { "src/audit/a.ts": 'export * from "#session/b.ts";', "src/session/b.ts": "export const x = 1;" },
    finds: /audit imports session/,
  },
  {
    title: "a way round by a relative path",
    rule: importRules,
    sources: { "src/cli/a.ts": 'import "../proxy/b.ts";', "src/proxy/b.ts": "export const x = 1;" },
    finds: /by a relative path/,
  },
  {
    title: "a dynamic import of another part",
    rule: importRules,
    sources: { "src/scan/a.ts": 'export const f = () => import("#cli/b.ts");', "src/cli/b.ts": "export const x = 1;" },
    finds: /scan imports cli/,
  },
  {
    title: "a dynamic import that only running it would tell",
    rule: importRules,
    sources: { "src/lib/a.ts": "export const f = (x: string) => import(x);" },
    finds: /only running it/,
  },
  { title: "a file outside every part", rule: importRules, sources: { "src/a.ts": "" }, finds: /no part/ },
  {
    title: "a part that the table does not know",
    rule: importRules,
    sources: { "src/magic/a.ts": "" },
    finds: /no part/,
  },
  {
    title: "an import without its extension",
    rule: importRules,
    sources: { "src/lib/a.ts": 'import "./b";', "src/lib/b.ts": "" },
    finds: /does not exist/,
  },
  {
    title: "a program that needs a test",
    rule: importRules,
    sources: { "src/lib/a.ts": 'import "./b.test.ts";', "src/lib/b.test.ts": "" },
    finds: /does not need tests/,
  },
  {
    title: "a process started by a proxy",
    rule: ownerRules,
    sources: { "src/proxy/a.ts": 'import { spawn } from "node:child_process"; export const f = () => spawn("x");' },
    finds: /node:child_process/,
  },
  {
    title: "node:http anywhere",
    rule: ownerRules,
    sources: { "src/cli/a.ts": 'await import("node:http");' },
    finds: /node:http/,
  },
  {
    title: "a package used by another part",
    rule: ownerRules,
    sources: { "src/proxy/a.ts": 'import { parse } from "smol-toml"; export { parse };' },
    finds: /smol-toml/,
  },
  {
    title: "a package used by another part, required late",
    rule: ownerRules,
    sources: {
      "src/proxy/a.ts":
        'import { createRequire } from "node:module"; export const f = () => createRequire(import.meta.url)("yaml");',
    },
    finds: /imports yaml/,
  },
  {
    title: "a require that is kept for anything",
    rule: importRules,
    sources: {
      "src/lib/a.ts":
        'import { createRequire } from "node:module"; export const require = createRequire(import.meta.url);',
    },
    finds: /only running it/,
  },
  {
    title: "a package without an owner",
    rule: ownerRules,
    sources: { "src/proxy/a.ts": 'import x from "@left/pad/deep.js"; export { x };' },
    finds: /has an owner/,
  },
  {
    title: "the environment read outside the wiring",
    rule: ownerRules,
    sources: { "src/audit/a.ts": "export const f = () => process.env.HOME;" },
    finds: /process\.env/,
  },
  {
    title: "the environment by another spelling",
    rule: ownerRules,
    sources: { "src/audit/a.ts": 'export const f = () => process["env"];' },
    finds: /process\.env/,
  },
  {
    title: "a judgement that looks at the clock",
    rule: closureRules,
    sources: { "src/policy/a.ts": "export const f = () => Date.now();" },
    finds: /uses Date\.now/,
  },
  {
    title: "a judgement that looks at the clock by a new Date",
    rule: closureRules,
    sources: { "src/policy/a.ts": "export const f = () => new Date().getTime();" },
    finds: /uses new Date/,
  },
  {
    title: "a judgement that reads a file far away",
    rule: closureRules,
    sources: {
      "src/policy/a.ts": 'import { f } from "#lib/b.ts"; export { f };',
      "src/lib/b.ts": 'import { readFileSync } from "node:fs"; export const f = () => readFileSync("/etc/hosts");',
    },
    finds: /takes readFileSync from node:fs \(by src\/policy\/a\.ts → src\/lib\/b\.ts\)/,
  },
  {
    title: "a judgement that takes chance from a module it may use for digests",
    rule: closureRules,
    sources: {
      "src/policy/a.ts": 'import { randomBytes, createHash } from "node:crypto"; export { randomBytes, createHash };',
    },
    finds: /takes randomBytes/,
  },
  {
    title: "a verifier that reaches the writer",
    rule: closureRules,
    sources: {
      "src/audit/verify/a.ts": 'import { x } from "../log/event-log.ts"; export { x };',
      "src/audit/log/event-log.ts": "export const x = 1;",
    },
    finds: /reaches src\/audit\/log\/event-log\.ts/,
  },
  {
    title: "a gate that reaches a mover",
    rule: closureRules,
    sources: { "src/enforce/a.ts": 'import "#proxy/b.ts";', "src/proxy/b.ts": "" },
    finds: /the order of the checks: reaches/,
  },
  { title: "a closure whose start was moved away", rule: closureRules, sources: {}, finds: /there is no such file/ },
  {
    title: "state at the top of a file",
    rule: importEffectRules,
    sources: { "src/lib/a.ts": "let x = 1; export { x };" },
    finds: /let/,
  },
  {
    title: "an act on import",
    rule: importEffectRules,
    sources: { "src/lib/a.ts": "Object.freeze({});" },
    finds: /ExpressionStatement/,
  },
  {
    title: "a wait on import",
    rule: importEffectRules,
    sources: { "src/lib/a.ts": 'export const x = await import("node:fs");' },
    finds: /waits/,
  },
  {
    title: "a proxy variable as a key",
    rule: wordRules,
    sources: { "src/sandbox/a.ts": "export const e = { HTTPS_PROXY: 1 };" },
    finds: /HTTPS_PROXY/,
  },
  {
    title: "a proxy variable as text",
    rule: wordRules,
    sources: { "src/sandbox/a.ts": 'export const e = ["http_proxy"];' },
    finds: /http_proxy/,
  },
  { title: "a file that is named nothing", rule: fileRules, sources: { "src/lib/utils.ts": "" }, finds: /named utils/ },
  { title: "a file in camel case", rule: fileRules, sources: { "src/lib/hostName.ts": "" }, finds: /kebab/ },
  {
    title: "a file that is too long",
    rule: fileRules,
    sources: { "src/lib/a.ts": "//\n".repeat(401) },
    finds: /401 lines/,
  },
];

for (const { title, rule, sources, finds } of cases) {
  test(`is found: ${title}`, () => assert.match(told(rule(broken(sources))), finds));
}

test("is found: a dependency nobody owns, and an owner of nothing", () => {
  const said = told(dependencyRules(["left-pad"], []));
  assert.match(said, /left-pad has no owner/);
  assert.match(said, /commander is owned but not a dependency/);
});

test("what is not a violation is not found", () => {
  const fine = broken({
    "src/policy/a.ts": `// process.env, Date.now() and import("node:http") in a comment
      import type { Socket } from "node:net";
      import { createHash } from "node:crypto";
      export interface Event { Date: string; process: { env: string } }
      export const f = (process: { env: string }, socket: Socket, at: number) =>
        [process.env, socket, new Date(at), Date.UTC(2026), createHash("sha256"), /import("node:http")/, "node:http"];`,
    "src/audit/verify/a.ts": 'import type { Log } from "../log/event-log.ts"; export const f = (log: Log) => log;',
    "src/audit/log/event-log.ts": "export type Log = 1;",
    "src/enforce/a.ts": 'import { f } from "#policy/a.ts"; export { f };',
  });
  for (const rule of [importRules, closureRules, importEffectRules, wordRules]) assertNone(rule(fine));
});

test("a reach tells the way, and leaves types out", () => {
  const small = broken({
    "src/lib/a.ts": 'import "./b.ts"; import type { D } from "./d.ts";',
    "src/lib/b.ts": 'export const f = () => import("./c.ts");',
    "src/lib/c.ts": "",
    "src/lib/d.ts": "export type D = 1;",
  });
  assert.deepEqual([...reach(small, ["src/lib/a.ts"]).values()].at(-1), [
    "src/lib/a.ts",
    "src/lib/b.ts",
    "src/lib/c.ts",
  ]);
  assert.equal(reach(small, ["src/lib/a.ts"]).size, 3);
});

test("a file that cannot be parsed is an error, not an empty file", () => {
  assert.throws(() => readSource("a.ts", "import {"), /a\.ts/);
});
