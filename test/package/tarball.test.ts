// The published package, as a user meets it: packed once, installed by npm from a registry without the internet,
// started by the link that npm made.

import assert from "node:assert/strict";
import { execFile, type SpawnSyncReturns, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { openRegistry, type Registry } from "./registry.ts";

const root = dirname(dirname(import.meta.dirname));
const run = promisify(execFile);
const dir = mkdtempSync(join(tmpdir(), "sallyport-package-"));
const prefix = join(dir, "prefix");
const home = join(dir, "home");
const project = join(dir, "project");
const installed = join(prefix, "lib", "node_modules", "sallyport");
const command = join(prefix, "bin", "sallyport");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };

let registry: Registry;
let tarball: string;
let packed: readonly string[];

function npmEnvironment(): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: home,
    npm_config_registry: registry.url,
    npm_config_cache: join(dir, "cache"),
    npm_config_ignore_scripts: "true",
    npm_config_audit: "false",
    npm_config_fund: "false",
    npm_config_update_notifier: "false",
  };
}

/** The installed program, with a PATH that has no Node at all. */
function sallyport(args: readonly string[], more: { cwd?: string; command?: string } = {}): SpawnSyncReturns<string> {
  return spawnSync(more.command ?? command, args, {
    cwd: more.cwd ?? project,
    encoding: "utf8",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: home, LANG: "C.UTF-8" },
    timeout: 60_000,
  });
}

before(async () => {
  for (const folder of [home, project]) mkdirSync(folder, { mode: 0o700 });
  registry = await openRegistry(root);
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", dir], { cwd: root, maxBuffer: 1 << 24 });
  const [told] = JSON.parse(stdout.slice(stdout.indexOf("["))) as [{ filename: string; files: { path: string }[] }];
  tarball = join(dir, told.filename);
  packed = told.files.map((file) => file.path);
  await run("npm", ["install", "--global", "--prefix", prefix, tarball], { env: npmEnvironment(), cwd: project });
});

after(async () => {
  await registry.close();
  rmSync(dir, { recursive: true, force: true });
});

test("the package holds the program as JavaScript, its papers, and nothing else", () => {
  for (const path of ["bin/sallyport", "dist/sallyport.js", "package.json", "LICENSE", "README.md"]) {
    assert.ok(packed.includes(path), `${path} is missing`);
  }
  const strange = packed.filter((path) => /\.ts$|(^|\/)(test|tests|bench|scripts|src)\/|\.test\.|\.map$/.test(path));
  assert.deepEqual(strange, []);
});

test("what its pages link comes with it", () => {
  const missing: string[] = [];
  for (const page of packed.filter((path) => path.endsWith(".md"))) {
    const text = readFileSync(join(installed, page), "utf8").replace(/^```[\s\S]*?^```/gm, "");
    for (const [, to = ""] of text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g))
      if (!existsSync(join(installed, dirname(page), to))) missing.push(`${page} links ${to}`);
  }
  assert.deepEqual(missing, []);
});

test("everything it needs comes with it, none of it by an install script", () => {
  const modules = join(installed, "node_modules");
  assert.ok(existsSync(join(modules, `node-linux-${process.arch}`, "bin", "node")), "the Node binary");
  assert.ok(
    !existsSync(join(modules, "typescript")) && !existsSync(join(modules, "esbuild")),
    "no development package",
  );
});

test("it says its version, by npm's link, by a link to that link, and by its own path", () => {
  const link = join(dir, "linked");
  symlinkSync(command, link);
  for (const path of [command, link, join(installed, "bin", "sallyport")]) {
    const { stdout, stderr, status } = sallyport(["--version"], { command: path });
    assert.deepEqual({ stdout, stderr, status }, { stdout: `${version}\n`, stderr: "", status: 0 });
  }
});

test("it prints its help, and each command its own", () => {
  const { stdout, status } = sallyport(["--help"]);
  assert.equal(status, 0);
  const commands = [...stdout.matchAll(/^ {2}([a-z][a-z-]+) /gm)]
    .map((match) => match[1] ?? "")
    .filter((name) => name !== "help");
  assert.ok(commands.includes("run") && commands.includes("doctor"), stdout);
  for (const name of commands) {
    const told = sallyport([name, "--help"]);
    assert.equal(told.status, 0, `${name}: ${told.stderr}`);
    assert.match(told.stdout, new RegExp(`Usage: sallyport ${name}`));
  }
});

test("a command that needs no cell works: explain-code, policy check of TOML and YAML", () => {
  assert.match(sallyport(["explain-code", "domain_not_allowed"]).stdout, /HTTP 403/);
  writeFileSync(join(project, "policy.toml"), '# zero_trust.runtime.v1\n[network]\nallow = ["example.com"]\n');
  writeFileSync(join(project, "policy.yaml"), 'version: "zero_trust.runtime.v1"\nnetwork:\n  allow: ["example.com"]\n');
  for (const name of ["policy.toml", "policy.yaml"]) {
    const { status, stderr } = sallyport(["policy", "check", name]);
    assert.equal(status, 0, `${name}: ${stderr}`);
  }
});

test("keys are sealed by a package that comes with it", () => {
  writeFileSync(join(home, "passphrase"), "correct horse battery staple");
  const told = sallyport(["auth", "init", "--passphrase-file", join(home, "passphrase")]);
  assert.match(told.stdout, /its secret is sealed/, told.stderr);
});

test("the presets come with it: show spells one out, and init names them", () => {
  const shown = sallyport(["policy", "show", "--allow", "@npm"]);
  assert.match(shown.stdout, /^registry\.npmjs\.org\s+443\s+GET HEAD\s+@npm\/1 \(--allow\)$/m, shown.stderr);
  writeFileSync(join(project, "package.json"), "{}");
  assert.match(sallyport(["init", "--stdout"]).stdout, /"@npm", # package\.json/);
});

test("it runs a command in a cell, and passes on what it writes and how it ends", () => {
  const told = sallyport(["run", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
  assert.equal(told.status, 7, told.stderr);
  assert.equal(told.stdout, "out\n");
  assert.match(told.stderr, /^err$/m);
});

test("a cell of the installed program has no network but the boundary", () => {
  const inside = sallyport(["run", "--", "readlink", "/proc/self/ns/net"]);
  const outside = spawnSync("readlink", ["/proc/self/ns/net"], { encoding: "utf8" }).stdout;
  assert.equal(inside.status, 0, inside.stderr);
  assert.match(inside.stdout, /^net:\[\d+\]\n$/);
  assert.notEqual(inside.stdout, outside);
});

test("started by an older Node it starts again under the one it came with, and says so", () => {
  const older = "data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.19.0'})";
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ["--import", older, join(installed, "dist", "sallyport.js"), "--version"],
    { encoding: "utf8", env: { PATH: "/usr/bin:/bin", HOME: home } },
  );
  assert.equal(status, 0, stderr);
  assert.equal(stdout, `${version}\n`);
  assert.match(stderr, /started by Node\.js 20\.19\.0; starting again/);
});

test("it works as a project's own dependency, where npm puts its packages beside it", async () => {
  writeFileSync(join(project, "package.json"), '{"name":"a-project","version":"1.0.0"}');
  await run("npm", ["install", "--prefer-offline", tarball], { env: npmEnvironment(), cwd: project });
  const linked = join(project, "node_modules", ".bin", "sallyport");
  assert.ok(!existsSync(join(project, "node_modules", "sallyport", "node_modules")), "hoisted");
  assert.equal(sallyport(["--version"], { command: linked }).stdout, `${version}\n`);
  const { stdout } = await run("npx", ["--no", "--", "sallyport", "--version"], {
    env: npmEnvironment(),
    cwd: project,
  });
  assert.equal(stdout, `${version}\n`);
});

test("its manual is where man finds it, a page for each command", () => {
  const manual = join(prefix, "share", "man");
  const pages = packed
    .filter((path) => /^man\/.*\.1$/.test(path))
    .map((path) => path.slice("man/".length, -".1".length));
  assert.ok(pages.length > 8);
  for (const page of pages) {
    const found = spawnSync("man", ["-M", manual, "-w", page], { encoding: "utf8" });
    assert.equal(found.stdout.trim(), join(installed, "man", `${page}.1`), found.stderr);
  }
  const shown = spawnSync("man", ["-M", manual, "sallyport-run"], {
    encoding: "utf8",
    env: { PATH: process.env.PATH, MANPAGER: "cat" },
  });
  assert.match(shown.stdout, /NAME\n +sallyport-run - run a command in a closed cell/);
});

test("it completes in a shell, sums up a run, checks this machine, and says how it is taken away again", () => {
  const completed = sallyport(["__complete", "--", "run", "--max-run"]);
  assert.match(completed.stdout, /^--max-runtime\t.*\n:none\n$/);
  sallyport(["run", "-q", "--summary", "summary.md", "--summary", "log.sarif", "--", "true"]);
  assert.match(readFileSync(join(project, "summary.md"), "utf8"), /\*\*Result:\*\* exit code 0/);
  assert.equal((JSON.parse(readFileSync(join(project, "log.sarif"), "utf8")) as { version: string }).version, "2.1.0");
  const checked = sallyport(["doctor", "--json"]);
  assert.equal(checked.status, 0, checked.stdout);
  const { stdout } = sallyport(["uninstall", "--dry-run"]);
  assert.match(stdout, /The program itself goes with: npm uninstall --global sallyport\n$/);
});

test("npx runs it straight from the tarball", async () => {
  const { stdout } = await run(
    "npx",
    ["--yes", `--package=${tarball}`, "--", "sallyport", "run", "-q", "--", "echo", "in a cell"],
    {
      env: { ...npmEnvironment(), SALLYPORT_HOME: join(dir, "npx-home") },
      cwd: project,
    },
  );
  assert.equal(stdout, "in a cell\n");
});

test("an ordinary user installs it into a folder of their own, uses it, and removes it without a trace", async (t) => {
  if (process.geteuid?.() !== 0) return t.diagnostic("these tests run as an ordinary user already");
  const user = { uid: 1234, gid: 1234 };
  chmodSync(dir, 0o755);
  const own = join(dir, "user");
  mkdirSync(join(own, "project"), { recursive: true });
  for (const folder of [own, join(own, "project")]) chownSync(folder, user.uid, user.gid);
  const env = {
    ...npmEnvironment(),
    HOME: own,
    npm_config_cache: join(own, "npm-cache"),
    npm_config_prefix: join(own, ".local"),
  };
  const npm = (...args: string[]) => run("npm", args, { env, cwd: join(own, "project"), ...user });
  const told = (args: readonly string[]) =>
    spawnSync(join(own, ".local", "bin", "sallyport"), args, {
      cwd: join(own, "project"),
      encoding: "utf8",
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: own },
      ...user,
    });
  await npm("install", "--global", tarball);
  const ran = told(["run", "-q", "--", "sh", "-c", "id -u; echo made > made"]);
  assert.equal(ran.stdout, "1234\n", ran.stderr);
  assert.equal(told(["sessions", "list"]).stdout.split("\n").length, 3);
  assert.equal(told(["completion", "fish", "--install"]).status, 0);
  assert.equal(told(["uninstall", "--yes"]).status, 0);
  await npm("uninstall", "--global", "sallyport");
  const left = readdirSync(own, { recursive: true, encoding: "utf8" }).filter(
    (path) => !path.startsWith("npm-cache") && path.includes("sallyport"),
  );
  assert.deepEqual(left, []);
});
