// Makes the published program: JavaScript in dist/, because Node strips no types below node_modules. A development
// checkout needs none of this.
//
// Loading costs by the file, so there are few, in the order in which a run needs them: dist/sallyport.js, the entry; what
// begins a cell; the command line and the run; and in one more all other commands. What several share, esbuild splits
// off. A file that the program starts or loads by name (`new URL("./cell-init.ts", import.meta.url)`, or join(import.meta.dirname, …))
// stands beside the others, bundled by itself if it is TypeScript and as it is otherwise: everything is flat, so the
// name holds wherever its caller ends up.

import { copyFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";

const root = dirname(import.meta.dirname);
const out = join(root, "dist");
const { version: packageVersion } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

/** Native code, and what is seldom needed and loaded late by createRequire: they stay packages. */
const external = ["koffi", "yaml"];

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

/** The commands that share one chunk, `others`, because a run needs none of them. */
const others = [
  "alert-commands",
  "auth",
  "bundle",
  "policy",
  "profile",
  "init",
  "trust",
  "sessions",
  "ps",
  "logs",
  "attach",
  "publish-run",
  "stop",
  "replay",
  "audit",
  "doctor",
  "explain-code",
  "uninstall",
  "completion",
  "complete",
];

const dynamicImport = /(?:await )?import\(\s*"([#./][^"]+\.ts)",?\s*\)/g;

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
    .map((one) => one.replace(" as ", ": "));
  return names.length === 0 ? "" : `const { ${names.join(", ")} } = process.getBuiltinModule("${name}");`;
}

/**
 * A source as it goes into the bundle: flat names, only the dynamic imports that are meant to be chunks, and of built-ins
 * only what is used.
 */
function prepared(path: string): string {
  const source = readFileSync(path, "utf8")
    .replace(builtinImport, builtinTaken)
    .replace(
      byName,
      (_, before: string, _here, name: string, kind: string, quote: string) =>
        `${before}./${basename(name)}.${kind === "ts" ? "js" : kind}${quote}`,
    );
  const inMain = path.endsWith("/src/cli/main.ts");
  const heads: string[] = [];
  const body = source.replace(dynamicImport, (whole, specifier: string) => {
    const name = basename(specifier, ".ts");
    if (inMain && others.includes(name)) return `import("others").then((all) => all[${JSON.stringify(name)}])`;
    const namespace = `bundled${heads.length}`;
    heads.push(`import * as ${namespace} from ${JSON.stringify(specifier)};`);
    return whole.startsWith("await ") ? `await ${namespace}` : `Promise.resolve(${namespace})`;
  });
  return `${body}\n${heads.join("\n")}`;
}

const fewFiles: Plugin = {
  name: "few-files",
  setup(build) {
    build.onLoad({ filter: /\/src\/cli\/version\.ts$/ }, () => ({
      contents: `export const version = () => ${JSON.stringify(packageVersion)};`,
    }));
    build.onLoad({ filter: /\/bin\/.*\.ts$/ }, ({ path }) => ({
      loader: "ts",
      contents: readFileSync(path, "utf8").replace(builtinImport, builtinTaken),
    }));
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({ loader: "ts", contents: prepared(path) }));
    build.onResolve({ filter: /^others$/ }, () => ({ path: "others", namespace: "others" }));
    build.onLoad({ filter: /.*/, namespace: "others" }, () => ({
      resolveDir: join(root, "src", "cli"),
      contents: others.map((name) => `export * as "${name}" from "./${name}.ts";`).join("\n"),
    }));
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
  outdir: out,
  entryNames: "[name]",
  logLevel: "warning",
};

rmSync(out, { recursive: true, force: true });
await build({
  ...common,
  entryPoints: ["bin/sallyport.ts"],
  splitting: true,
  chunkNames: "[name]-[hash]",
  // commander is CommonJS, and asks for Node's built-ins by require; createRequire would cost some milliseconds.
  banner: { js: "const require = process.getBuiltinModule;" },
});
for (const path of startedByName()) {
  if (path.endsWith(".ts")) await build({ ...common, entryPoints: [path] });
  else copyFileSync(path, join(out, basename(path)));
}
