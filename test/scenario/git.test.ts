// git in a cell as people use it: their name, no keys, worktrees, submodules; and that nothing the agent planted in a
// repository runs when the person works there afterwards.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
/** The person's HOME. */
let person: string;
before(() => {
  place = openPlace("git");
  person = join(place.root, "person");
  mkdirSync(join(person, "work"), { recursive: true });
});
after(() => place?.close());

const env = () => ({ HOME: person, GIT_CONFIG_NOSYSTEM: "1" });
const git = (cwd: string, ...args: string[]): string =>
  execFileSync("git", args, { cwd, env: { PATH: process.env.PATH, ...env() }, encoding: "utf8", stdio: "pipe" });
const run = (cwd: string, script: string, flags: readonly string[] = []) =>
  place.run(["run", ...flags, "--", "sh", "-c", script], { cwd, env: env() });

let count = 0;
/** A new repository with one commit. */
function repository(): string {
  count += 1;
  const path = join(place.root, `repository-${count}`);
  mkdirSync(path);
  git(path, "init", "-q", "-b", "main");
  writeFileSync(join(path, "file"), "one\n");
  git(path, "add", "file");
  git(path, "commit", "-q", "-m", "first");
  return path;
}

beforeEach(() => {
  writeFileSync(
    join(person, ".gitconfig"),
    `[user] name = Ada Lovelace\n\temail = ada@home.example\n[credential]\n\thelper = store\n[alias]\n\tst = !touch /tmp/x\n[protocol "file"]\n\tallow = always\n[includeIf "gitdir:${place.root}/"]\n\tpath = work/config\n`,
  );
  writeFileSync(join(person, "work", "config"), "[user]\n\temail = ada@work.example\n");
  writeFileSync(join(person, ".git-credentials"), "https://ada:secret@example.com\n");
});

test("commits bear the person's name and the address that git would take in this folder", async () => {
  const path = repository();
  const ran = await run(path, "git commit -q --allow-empty -m inside && git log -1 --format='%an <%ae>'");
  assert.equal(ran.stdout, "Ada Lovelace <ada@work.example>\n", ran.stderr);
  assert.equal(git(path, "log", "-1", "--format=%s %ae"), "inside ada@work.example\n");
});

test("credential helpers, aliases and keys of the person's are not in the cell", async () => {
  const ran = await run(
    repository(),
    "git config --list --show-origin; git config credential.helper; ls -A ~ /root 2>&1; cat ~/.git-credentials 2>&1",
  );
  assert.doesNotMatch(ran.stdout, /credential\.|alias\.|secret|\.gitconfig/);
});

test("a push that needs a password fails at once, and says what to do", async () => {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () =>
      socket.end(
        'HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm="git"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n',
      ),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const host = `host.sallyport.internal:${(server.address() as { port: number }).port}`;
  const ran = await run(repository(), `git push http://${host}/a.git main`, ["--allow", host]);
  server.close();
  assert.notEqual(ran.code, 0);
  assert.match(ran.stderr, /sallyport: git asks: Username for/);
  assert.match(ran.stderr, /Push from outside when the run is over, or give the agent a token/);
});

test("an SSH remote fails with a word on keys", async () => {
  const ran = await run(repository(), "git push git@example.com:a/b.git main");
  assert.notEqual(ran.code, 0);
  assert.match(ran.stderr, /none of your SSH keys/);
});

test("a worktree works: commits arrive in the repository it belongs to", async () => {
  const main = repository();
  const tree = `${main}-tree`;
  git(main, "worktree", "add", "-q", "-b", "side", tree);
  const ran = await run(
    tree,
    "git status --short && echo two > file && git commit -qam second && git branch other && git log --oneline | wc -l",
  );
  assert.equal(ran.stdout.trim(), "2", ran.stderr);
  assert.equal(git(main, "log", "-1", "--format=%s", "side"), "second\n");
  assert.match(git(main, "branch", "--list", "other"), /other/);
  assert.equal(git(tree, "status", "--short"), "");
});

test("two agents in two worktrees at once both get their branches and settings home", async () => {
  const main = repository();
  const trees = ["left", "right"].map((name) => {
    git(main, "worktree", "add", "-q", "-b", name, `${main}-${name}`);
    return { name, path: `${main}-${name}` };
  });
  const children = trees.map(({ name, path }) => {
    const script = `echo up; read go; echo ${name} > ${name} && git add ${name} && git commit -qm ${name} && git config branch.${name}.remote origin`;
    return place.start(["run", "--", "sh", "-c", script], { cwd: path, env: env() });
  });
  await Promise.all(children.map((child) => once(child.stdout as NodeJS.ReadableStream, "data")));
  for (const child of children) child.stdin?.write("go\n");
  await Promise.all(children.map((child) => once(child, "close")));
  for (const { name } of trees) {
    assert.equal(git(main, "log", "-1", "--format=%s", name), `${name}\n`);
    assert.equal(git(main, "config", `branch.${name}.remote`), "origin\n");
  }
});

test("in a worktree the shared repository's hooks and settings are as guarded as one's own", async () => {
  const main = repository();
  const tree = `${main}-tree`;
  git(main, "worktree", "add", "-q", "-b", "side", tree);
  const trap = join(place.root, `trap-${count}`);
  const ran = await run(
    tree,
    `d=$(git rev-parse --git-common-dir); printf '#!/bin/sh\\ntouch ${trap}\\n' > $d/hooks/post-checkout; chmod +x $d/hooks/post-checkout
     git config core.fsmonitor "touch ${trap}; false"; git config remote.origin.url https://example.com/x; mv $d/hooks $d/h; echo ../../evil > $d/commondir; true`,
  );
  git(main, "checkout", "-q", "-b", "after");
  git(main, "status");
  git(tree, "status");
  assert.equal(existsSync(trap), false);
  assert.equal(git(main, "config", "remote.origin.url"), "https://example.com/x\n", "what is harmless is carried over");
  assert.match(ran.stderr, /core\.fsmonitor/);
});

test("a .git file that names a repository which does not name it back opens nothing", async () => {
  const other = repository();
  git(other, "worktree", "add", "-q", `${other}-tree`);
  const forged = join(place.root, "forged");
  mkdirSync(forged);
  cpSync(join(`${other}-tree`, ".git"), join(forged, ".git"));
  const ran = await run(forged, `git status 2>&1; ls ${other}/.git 2>&1; echo x > ${other}/.git/HEAD`);
  assert.match(ran.stdout, /not a git repository/);
  assert.match(ran.stdout, /No such file|cannot access/);
  assert.equal(readFileSync(join(other, ".git/HEAD"), "utf8"), "ref: refs/heads/main\n");
});

test("hooks of the work tree, which the repository's or the person's settings name, cannot be changed", async () => {
  for (const where of ["repository", "person"]) {
    const path = repository();
    const trap = join(place.root, `trap-${count}`);
    if (where === "repository") git(path, "config", "core.hooksPath", "hooks/_");
    else git(path, "config", "--global", "core.hooksPath", "hooks/_");
    mkdirSync(join(path, "hooks/_"), { recursive: true });
    const plant = `mkdir -p hooks/_; printf '#!/bin/sh\\ntouch ${trap}\\n' > hooks/_/pre-commit; chmod +x hooks/_/pre-commit; true`;
    await run(path, plant);
    git(path, "commit", "-q", "--allow-empty", "-m", "after");
    assert.equal(existsSync(trap), false, where);
    rmSync(join(path, "hooks"), { recursive: true });
    await run(path, plant);
    git(path, "commit", "-q", "--allow-empty", "-m", "after");
    assert.equal(existsSync(trap), false, `${where}, where there was none`);
    // Without a cell it does run: else this would show nothing.
    execFileSync("sh", ["-c", plant], { cwd: path });
    git(path, "commit", "-q", "--allow-empty", "-m", "after");
    assert.ok(existsSync(trap));
  }
});

/** Ways to leave a repository below this one that runs something when git on the host goes into it. `$T` is what it would run. */
const plants: readonly [about: string, script: string][] = [
  [
    "a repository that is added",
    `git init -q n && cd n && git commit -q --allow-empty -m n && git config core.fsmonitor "$T" && cd .. && git add n`,
  ],
  [
    "one in an index of version 4",
    `git init -q n && cd n && git commit -q --allow-empty -m n && git config core.fsmonitor "$T" && cd .. && git add n && git update-index --index-version 4`,
  ],
  [
    "one in a split index",
    `git init -q n && cd n && git commit -q --allow-empty -m n && git config core.fsmonitor "$T" && cd .. && git add n && git update-index --split-index && touch x && git add x`,
  ],
  [
    "a folder of git's beside the work tree, named by a file",
    `git init -q --separate-git-dir=$PWD/evil n && cd n && git commit -q --allow-empty -m n && git config core.fsmonitor "$T" && cd .. && git add n`,
  ],
  [
    "a folder among those of submodules",
    `mkdir -p .git/modules && git init -q --separate-git-dir=$PWD/.git/modules/n n && cd n && git commit -q --allow-empty -m n && git config core.fsmonitor "$T" && cd .. && git add n`,
  ],
  [
    "another in the place of a submodule that was there",
    `rm -rf sub; rm -f sub/.git; mv sub old; mkdir -p sub; cd sub; rm -rf .git; git init -q . && git commit -q --allow-empty -m n; git --git-dir=.git config core.fsmonitor "$T"; cd ..; git add sub; true`,
  ],
  [
    "the settings of the submodule that was there",
    `cd sub && git config core.fsmonitor "$T"; printf '[core]\\n\\tfsmonitor = "%s"\\n' "$T" >> ../.git/modules/sub/config; true`,
  ],
  [
    "a hook of the submodule that was there",
    `printf '#!/bin/sh\\n%s\\n' "$T" > .git/modules/sub/hooks/post-index-change && chmod +x .git/modules/sub/hooks/post-index-change`,
  ],
];

/** A repository with a submodule. */
function withSubmodule(): string {
  const part = repository();
  const path = repository();
  git(path, "submodule", "add", "-q", part, "sub");
  git(path, "commit", "-q", "-m", "with a part");
  return path;
}

for (const [about, script] of plants) {
  test(`git status on the host runs nothing that was planted: ${about}`, async () => {
    const path = withSubmodule();
    const bare = `${path}-bare`;
    cpSync(path, bare, { recursive: true });
    const trap = join(place.root, `trap-${count}`);
    const planted = `T="touch ${trap}; false"\n${script}`;

    // The same without a cell does run: else this would show nothing.
    execFileSync("sh", ["-c", planted], { cwd: bare, env: { PATH: process.env.PATH, ...env() }, stdio: "pipe" });
    git(bare, "status");
    assert.ok(existsSync(trap), "this plant does nothing");
    rmSync(trap);

    await run(path, planted);
    git(path, "status");
    git(path, "diff");
    git(path, "status", "--ignore-submodules=none", "--porcelain=v2");
    assert.equal(existsSync(trap), false);
  });
}

test("a submodule that the agent added properly goes on working on the host", async () => {
  const part = repository();
  const path = repository();
  cpSync(part, join(path, "part.git"), { recursive: true });
  const ran = await run(
    path,
    "git -c protocol.file.allow=always submodule add -q ./part.git mod 2>&1 && git add .gitmodules mod && git commit -qm mod && git config --get submodule.mod.url",
  );
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.equal(git(join(path, "mod"), "log", "--format=%s"), "first\n");
  assert.match(git(path, "submodule", "status"), /mod/);
});
