// What `npm ci` asks of package-lock.json: without it a fresh clone does not install.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";

const root = dirname(dirname(import.meta.dirname));

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly hasInstallScript?: boolean;
  readonly dev?: boolean;
}

const read = (name: string): unknown => JSON.parse(readFileSync(join(root, name), "utf8"));
const manifest = read("package.json") as Manifest;
const { packages } = read("package-lock.json") as { packages: Readonly<Record<string, Manifest>> };

test("the lockfile names every optional package of every platform (a registry that lacks one makes npm drop it)", () => {
  const missing = Object.entries(packages).flatMap(([path, entry]) =>
    Object.keys(entry.optionalDependencies ?? {})
      .filter((name) => packages[`node_modules/${name}`] === undefined)
      .filter((name) => packages[`${path}/node_modules/${name}`] === undefined)
      .map((name) => `${path} wants ${name}`),
  );
  assert.deepEqual(missing, []);
});

test("the lockfile and the manifest ask for the same, in exact versions", () => {
  for (const kind of ["dependencies", "devDependencies", "optionalDependencies"] as const) {
    assert.deepEqual(packages[""]?.[kind], manifest[kind], kind);
    for (const [name, version] of Object.entries(manifest[kind] ?? {})) {
      assert.match(version, /^\d+\.\d+\.\d+$/, name);
      assert.equal(packages[`node_modules/${name}`]?.version, version, name);
    }
  }
});

test("nothing that runs needs an install script, but koffi, whose addon comes as a package", () => {
  const scripted = Object.entries(packages).filter(
    ([, entry]) => entry.hasInstallScript === true && entry.dev !== true,
  );
  assert.deepEqual(
    scripted.map(([path]) => path),
    ["node_modules/koffi"],
  );
});
