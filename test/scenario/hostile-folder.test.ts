// A folder that somebody hostile made, or an agent of an earlier run left, as the person who works in it meets it: nothing waits
// for ever, nothing is looked for where a link leads now, and everything can be taken away again.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { openPlace, type Place, program } from "./program.ts";

let place: Place;
beforeEach(() => {
  place = openPlace("hostile-folder");
});
afterEach(() => place.close());

const limit = { timeout: 120_000 };

const policies: readonly [title: string, make: (file: string) => void][] = [
  ["a pipe that nobody writes to", (file) => void execFileSync("mkfifo", [file])],
  ["a link to what has no end", (file) => symlinkSync("/dev/zero", file)],
  ["a folder", (file) => mkdirSync(file)],
];
for (const [title, make] of policies)
  test(`a project's policy that is ${title} is refused at once`, limit, async () => {
    make(join(place.workspace, "sallyport.policy.toml"));
    for (const command of [
      ["run", "--", "true"],
      ["policy", "show"],
      ["trust", "--yes"],
    ]) {
      const ran = await place.run(command);
      assert.equal(ran.code, 125, command.join(" "));
      assert.match(ran.stderr, /policy_unreadable/);
    }
  });

test("a program that PATH names from where one stands is found", limit, async () => {
  const bin = join(place.workspace, "tools", "bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "claude"), "#!/bin/sh\necho ran $ANTHROPIC_API_KEY\n", { mode: 0o755 });
  const env = { PATH: `./tools/bin:${process.env.PATH}`, ANTHROPIC_API_KEY: "sk-secret" };
  const ran = await place.run(["run", "claude"], { env });
  assert.equal(ran.stdout, "ran\n", ran.stderr);
});

test("a workspace that was replaced while its agent ran is left alone, wherever it leads now", limit, async () => {
  const victim = join(place.root, "victim");
  mkdirSync(join(victim, ".vscode"), { recursive: true });
  writeFileSync(join(victim, ".envrc"), "export MINE=1\n");
  const running = place.start(["run", "--", "sh", "-c", "echo started; read line"]);
  const output: Buffer[] = [];
  const errors: Buffer[] = [];
  running.stderr?.on("data", (chunk: Buffer) => errors.push(chunk));
  await new Promise<void>((resolve) => {
    running.stdout?.on("data", (chunk: Buffer) => {
      output.push(chunk);
      if (Buffer.concat(output).includes("started")) resolve();
    });
  });
  renameSync(place.workspace, `${place.workspace}-before`);
  symlinkSync(victim, place.workspace);
  running.stdin?.end("on\n");
  await new Promise((resolve) => running.once("close", resolve));
  assert.deepEqual(readdirSync(victim).sort(), [".envrc", ".vscode"]);
  assert.match(Buffer.concat(errors).toString(), /could not be put right/);
});

test("what an agent made deeper than a path or a stack is no hindrance to those who clean up", limit, async () => {
  const deep = [
    "import os",
    "def go(top, name, times):",
    "  os.makedirs(top); os.chdir(top)",
    "  for _ in range(times): os.mkdir(name); os.chdir(name)",
    'go(os.getcwd() + "/.vscode", "d" * 100, 100)',
    'go(os.environ["HOME"] + "/deep", "d", 20000)',
  ].join("\n");
  const ran = await place.run(["run", "--", "python3", "-c", deep]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /\.vscode: the agent's change undone/);
  const pruned = await place.run(["sessions", "prune", "--max-size", "1KB", "--yes"]);
  assert.equal(pruned.code, 0, pruned.stderr);
  assert.deepEqual(place.sessions(), []);
  const caches = join(place.root, "caches");
  const removed = await place.run(["uninstall", "--yes"], { env: { XDG_CACHE_HOME: caches, HOME: place.root } });
  assert.doesNotMatch(removed.stdout, /could not be removed/);
  assert.ok(!existsSync(join(place.home, "agents")), removed.stdout);
});

test("submodules' folders that are deeper than a path do not stop the next run", limit, async () => {
  execFileSync("git", ["init", "-q", place.workspace]);
  open(join(place.workspace, ".git"));
  const deep =
    'import os; os.makedirs(".git/modules/x"); os.chdir(".git/modules/x"); [(os.mkdir("d" * 100), os.chdir("d" * 100)) for _ in range(100)]';
  const ran = await place.run(["run", "--", "python3", "-c", deep]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.doesNotMatch(ran.stderr, /error/);
  const next = await place.run(["run", "--", "echo", "goes on"]);
  assert.equal(next.stdout, "goes on\n", next.stderr);
});

test("where sallyport keeps its compiled code, no agent may write", limit, async () => {
  const person = join(place.root, "person");
  const code = join(person, ".cache", "sallyport", "code");
  mkdirSync(code, { recursive: true });
  const policy = place.policy('[filesystem]\nallow_write = ["~/.cache"]\n');
  const named = await place.run(["run", "--policy", policy, "--", "true"], { env: { HOME: person } });
  assert.match(named.stderr, /path_refused/);
  for (const cwd of [join(person, ".cache"), code]) {
    const ran = await place.run(["run", "--", "touch", "poison"], { env: { HOME: person }, cwd });
    assert.match(ran.stderr, /workspace_refused/, cwd);
    assert.ok(!existsSync(join(cwd, "poison")));
  }
});

test("by a link of any name, the launcher asks the system's tools, not those of PATH", limit, () => {
  const bin = join(place.workspace, "bin");
  mkdirSync(bin);
  const seen = join(place.root, "seen");
  for (const name of ["readlink", "uname"])
    writeFileSync(join(bin, name), `#!/bin/sh\necho ${name} >> ${seen}\n`, { mode: 0o755 });
  const link = join(place.root, "sp");
  symlinkSync(program, link);
  const version = execFileSync(link, ["--version"], { env: { ...process.env, PATH: `${bin}:${process.env.PATH}` } });
  assert.match(version.toString(), /\d/);
  assert.ok(!existsSync(seen), existsSync(seen) ? readFileSync(seen, "utf8") : "");
});

/** For the cell's user, who is not root. */
function open(path: string): void {
  const { uid, gid } = statSync(place.workspace);
  chownSync(path, uid, gid);
  chmodSync(path, 0o777);
  if (statSync(path).isDirectory()) for (const name of readdirSync(path)) open(join(path, name));
}
