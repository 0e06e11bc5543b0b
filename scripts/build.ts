// Makes the published program: JavaScript in dist/, because Node strips no types below node_modules. A development
// checkout needs none of this.
//
// Loading costs by the file, so there is one: dist/sallyport.js. What the source imports dynamically stands in it too, and
// is not run before it is asked for; so neither is what it takes of Node. A file that the program starts or loads by name
// (`new URL("./name.ts", import.meta.url)`, or join(import.meta.dirname, …)) stands beside it, bundled by itself if it is
// TypeScript and as it is otherwise: everything is flat, so the name holds wherever its caller ends up.

import { copyFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";

const root = dirname(import.meta.dirname);
const out = join(root, "dist");
const { version: packageVersion } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

/** Native code, and what is seldom needed and loaded late by createRequire: they stay packages. */
const external = ["age-encryption", "koffi", "yaml"];

const byName =
  /((?:new URL\(|import\.meta\.resolve\(|join\(import\.meta\.dirname,)\s*["'])(\.\/)?([a-z0-9./-]+)\.(ts|mjs)(["'])/g;

/** Files that other files start or load by name, with the names they are known by. */
function startedByName(): string[] {
  const found = new Set<string>();
  for (const name of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts") || name.endsWith(".test.ts")) continue;
    const path = join(root, "src", name);
    for (const match of readFileSync(path, "utf8").matchAll(byName))
      found.add(join(dirname(path), `${match[3]}.${match[4]}`));
  }
  return [...found].sort();
}

const builtinImport = /^import \{([^}]+)\} from "(node:[a-z/_]+)";$/gm;

/**
 * An import of a built-in reads everything that the built-in exports, and so loads what is behind it and never used (with
 * node:fs all of its streams, before a cell can begin). This takes only the names that are asked for.
 */
function builtinTaken(_: string, list: string, name: string): string {
  const names = list
    .split(",")
    .map((one) => one.trim())
    .filter((one) => one !== "" && !one.startsWith("type "))
    .map((one) => one.split(" as ") as [string, string?]);
  if (names.length === 0) return "";
  if (!neededLate.has(name))
    return `const { ${names.map((pair) => pair.join(": ")).join(", ")} } = process.getBuiltinModule("${name}");`;
  return names
    .map(([theirs, ours = theirs]) =>
      /^[A-Z]/.test(theirs)
        ? `const ${ours} = lateClass(() => process.getBuiltinModule("${name}").${theirs});`
        : `const ${ours} = (...words) => process.getBuiltinModule("${name}").${theirs}(...words);`,
    )
    .join(" ");
}

/** Built-ins that only what comes after a start needs: loaded by the first call. */
const neededLate = new Set([
  "node:tls",
  "node:dns/promises",
  "node:dgram",
  "node:child_process",
  "node:fs/promises",
  "node:http",
  "node:v8",
  "node:vm",
]);

/** A class that is looked for when it is first used; nothing can extend it. */
const lateClass =
  "const lateClass = (find) => new Proxy(function () {}, { construct: (_, words) => new (find())(...words), get: (_, name) => find()[name] });";

/** A source as it goes into the bundle: flat names, and of built-ins only what is used. */
function prepared(path: string): string {
  return readFileSync(path, "utf8")
    .replace(builtinImport, builtinTaken)
    .replace(
      byName,
      (_, before: string, _here, name: string, kind: string, quote: string) =>
        `${before}./${basename(name)}.${kind === "ts" ? "js" : kind}${quote}`,
    );
}

const builtinDefault = /^import (\w+) from '(node:[a-z_]+)';$/gm;

/** Commander imports built-ins whole, to start programs among others: here each is taken where it is used. */
function commanderPrepared(path: string): string {
  let source = readFileSync(path, "utf8").replaceAll(/^import .* from 'node:.*$/gm, (line) =>
    line.replaceAll("'", '"'),
  );
  source = source.replace(builtinImport, builtinTaken);
  for (const [line, local, name] of [...source.replaceAll('"', "'").matchAll(builtinDefault)])
    source = source
      .replace(line.replaceAll("'", '"'), "")
      .replaceAll(
        new RegExp(`(?<![\\w.])${local}\\.`, "g"),
        name === "node:process" ? "globalThis.process." : `process.getBuiltinModule("${name}").`,
      );
  return source;
}

const fewFiles: Plugin = {
  name: "few-files",
  setup(build) {
    build.onLoad({ filter: /\/src\/cli\/version\.ts$/ }, () => ({
      contents: `export const version = () => ${JSON.stringify(packageVersion)};`,
    }));
    build.onLoad({ filter: /\/(src|bin)\/.*\.ts$/ }, ({ path }) => ({ loader: "ts", contents: prepared(path) }));
    // The entry turns the compile cache on, so what is to be cached must be another file.
    build.onResolve({ filter: /\/src\/cli\/(begin-cell|main)\.ts$/ }, ({ importer }) =>
      importer.endsWith("/bin/sallyport.ts") ? { path: "./program.js", external: true } : null,
    );
    build.onResolve({ filter: /^program$/ }, () => ({ path: "program", namespace: "program" }));
    build.onLoad({ filter: /.*/, namespace: "program" }, () => ({
      resolveDir: join(root, "src", "cli"),
      contents: `export * from "./begin-cell.ts";
export const main = (...words) => import("./main.ts").then((loaded) => loaded.main(...words));`,
    }));
    build.onLoad({ filter: /\/commander\/lib\/.*\.js$/ }, ({ path }) => ({ contents: commanderPrepared(path) }));
  },
};

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  // One byte a character in memory, and less to read and compare with the compile cache; names stay for stack traces.
  charset: "ascii",
  minifyWhitespace: true,
  minifySyntax: true,
  legalComments: "eof",
  external,
  plugins: [fewFiles],
  // `performance` loads the whole of node:perf_hooks, some milliseconds of each start; the clock is the same one.
  define: { "performance.now": "monotonic" },
  // commander's remains ask for built-ins by require; createRequire would cost some milliseconds.
  banner: {
    js: `const require = process.getBuiltinModule, monotonic = () => Number(process.hrtime.bigint()) / 1e6; ${lateClass}`,
  },
  outdir: out,
  entryNames: "[name]",
  logLevel: "warning",
};

rmSync(out, { recursive: true, force: true });
await build({ ...common, entryPoints: ["bin/sallyport.ts", "program"] });
for (const path of startedByName()) {
  if (path.endsWith(".ts")) await build({ ...common, entryPoints: [path] });
  else copyFileSync(path, join(out, basename(path)));
}
