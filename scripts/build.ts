// Makes the published program: JavaScript in dist/, because Node strips no types below node_modules. A development
// checkout needs none of this.
//
// dist/sallyport.js is the entry and each command a chunk of its own, loaded when it is asked for. A file that the
// program starts or loads by name (`new URL("./cell-init.ts", import.meta.url)`, or join(import.meta.dirname, …))
// stands beside the others, bundled by itself if it is TypeScript and as it is otherwise: everything is flat, so the
// name holds wherever its caller ends up.

import { copyFileSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type BuildOptions, build, type Plugin } from "esbuild";

const root = dirname(import.meta.dirname);
const out = join(root, "dist");

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

const flatNames: Plugin = {
  name: "flat-names",
  setup(build) {
    build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => ({
      loader: "ts",
      contents: readFileSync(path, "utf8").replace(
        byName,
        (_, before: string, _here, name: string, kind: string, quote: string) =>
          `${before}./${basename(name)}.${kind === "ts" ? "js" : kind}${quote}`,
      ),
    }));
  },
};

const common: BuildOptions = {
  absWorkingDir: root,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  charset: "utf8",
  legalComments: "inline",
  external,
  plugins: [flatNames],
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
  // commander is CommonJS, and asks for Node's built-ins by require.
  banner: {
    js: 'import { createRequire as createBundleRequire } from "node:module"; const require = createBundleRequire(import.meta.url);',
  },
});
for (const path of startedByName()) {
  if (path.endsWith(".ts")) await build({ ...common, entryPoints: [path] });
  else copyFileSync(path, join(out, basename(path)));
}
