// A real npm registry (verdaccio) over TLS with no uplink: it has what the test published, and asks nobody.

import { execFile, spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Leaf } from "./certificate-authority.ts";

export interface NpmRegistry {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts a registry that keeps its data under `folder` and holds `packages`, published with npm itself. */
export async function startNpmRegistry(o: {
  modules: string;
  leaf: Leaf;
  caFile: string;
  folder: string;
  packages: readonly {
    name: string;
    version: string;
    files: { readonly [file: string]: string };
    dependencies?: { readonly [name: string]: string };
  }[];
}): Promise<NpmRegistry> {
  mkdirSync(o.folder, { recursive: true });
  const at = (name: string): string => join(o.folder, name);
  writeFileSync(at("leaf.pem"), o.leaf.cert);
  writeFileSync(at("leaf.key"), o.leaf.key);
  const configuration = {
    configPath: at("config.yaml"),
    self_path: at("config.yaml"),
    storage: at("storage"),
    listen: "https://127.0.0.1:0",
    https: { key: at("leaf.key"), cert: at("leaf.pem") },
    auth: { htpasswd: { file: at("htpasswd"), max_users: 10 } },
    uplinks: {},
    packages: { "**": { access: "$all", publish: "$all", unpublish: "$all" } },
    web: { enable: false },
    log: { type: "stdout", format: "json", level: "fatal" },
  };
  const script = join(dirname(fileURLToPath(import.meta.url)), "npm-registry-process.ts");
  const child = spawn(process.execPath, [script, o.modules, JSON.stringify(configuration)], {
    cwd: o.folder,
    stdio: ["pipe", "pipe", "inherit"],
  });
  const port = await new Promise<number>((resolve, reject) => {
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const line = /^(\d+)$/m.exec(text);
      if (line) resolve(Number(line[1]));
    });
    child.once("exit", (code) => reject(new Error(`the registry ended with ${code} before it listened`)));
  });

  for (const [index, { name, version, files, dependencies }] of o.packages.entries()) {
    const source = at(`source-${index}`);
    mkdirSync(source);
    writeFileSync(join(source, "package.json"), JSON.stringify({ name, version, main: "index.js", dependencies }));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(source, file), text);
    // npm wants a token to publish, though this registry asks for none
    writeFileSync(join(source, ".npmrc"), `//127.0.0.1:${port}/:_authToken=none\n`);
    // As flags: under `npm test` npm's own settings are in the environment, which goes before a file.
    const flags = [
      `--registry=https://127.0.0.1:${port}/`,
      `--cafile=${o.caFile}`,
      "--ignore-scripts",
      "--loglevel=error",
    ];
    await promisify(execFile)("npm", ["publish", ...flags], { cwd: source }).catch((error: unknown) => {
      child.kill();
      throw error;
    });
  }

  return {
    port,
    close: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.stdin.end();
      }),
  };
}
