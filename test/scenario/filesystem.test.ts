// What an agent sees of the machine's files: `[filesystem]` and `level = "strict"`, with the files themselves as witnesses.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
let data: string;
let person: string;
const places: Place[] = [];
beforeEach(() => {
  place = openPlace("files");
  places.push(place);
  data = join(place.root, "data");
  person = join(place.root, "person");
  const files: { [path: string]: string } = {
    "data/agent/one": "one\n",
    "data/agent/.hidden": "hidden\n",
    "data/agent/deep/two": "two\n",
    "data/other/three": "three\n",
    "data/logs/a.log": "log a\n",
    "data/logs/b.txt": "text b\n",
    "data/x/public/p": "public\n",
    "data/x/private/q": "private\n",
    "person/notes/n": "note\n",
    "person/.ssh/id": "key\n",
    "person/.config/app/settings": "settings\n",
    "person/.config/gh/hosts.yml": "token\n",
    "workspace/.env": "SECRET=1\n",
    "workspace/src/main": "main\n",
    "workspace/src/.env": "SECRET=2\n",
    "workspace/out/old": "old\n",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(place.root, path, ".."), { recursive: true });
    writeFileSync(join(place.root, path), text);
  }
});
after(() => {
  for (const one of places) one.close();
});

const run = (policy: string, script: string, more: { cwd?: string } = {}) =>
  place.run(["run", "--policy", place.policy(policy), "--", "sh", "-c", script], { env: { HOME: person }, ...more });
const section = (text: string) => `[filesystem]\n${text.replaceAll("DATA", data)}\n`;

test("the filesystem section that the documents print is taken, and a folder that is not there is told", async () => {
  const ran = await run(section('default = "deny"\nallow_read = ["/data/agent/*"]\nallow_write = []'), "echo it runs");
  assert.equal(ran.stdout, "it runs\n");
  if (!existsSync("/data/agent")) assert.match(ran.stderr, /\/data\/agent\/\*: it is not there/);
});

/** A policy, what the agent tries, and what it gets. */
const cases: readonly [about: string, policy: string, script: string, out: string][] = [
  [
    "nothing is shown that no policy names",
    "",
    `cat DATA/agent/one 2>&1 | grep -c 'No such file'; ls DATA 2>&1 | grep -c 'No such'`,
    "1\n1\n",
  ],
  [
    "a folder with all in it is read",
    'allow_read = ["DATA/agent/*"]',
    "cat DATA/agent/one DATA/agent/.hidden DATA/agent/deep/two; ls DATA",
    "one\nhidden\ntwo\nagent\n",
  ],
  [
    "and not written",
    'allow_read = ["DATA/agent/**"]',
    `{ echo x > DATA/agent/one; rm DATA/agent/one; touch DATA/agent/new; chmod 777 DATA/agent; } 2>&1 | grep -c 'Read-only'; cat DATA/agent/one`,
    "4\none\n",
  ],
  ["one file alone", 'allow_read = ["DATA/agent/one"]', "cat DATA/agent/one; ls -A DATA/agent", "one\none\n"],
  [
    "a wildcard in the middle is what it finds",
    'allow_read = ["DATA/*/public", "DATA/logs/*.log"]',
    "cat DATA/x/public/p DATA/logs/a.log; ls DATA/x DATA/logs",
    `public\nlog a\nDATA/logs:\na.log\n\nDATA/x:\npublic\n`,
  ],
  [
    "a folder to write is written on the host",
    'allow_write = ["DATA/other"]',
    "echo new > DATA/other/new; cat DATA/other/three",
    "three\n",
  ],
  [
    "deny wins, in a folder that is shown and in the workspace",
    'allow_read = ["DATA/agent"]\ndeny = ["DATA/agent/deep", "./**/.env"]',
    "cat DATA/agent/one; ls -A DATA/agent/deep; { cat .env; cat src/.env; echo > .env; } 2>&1 | grep -c 'denied'; cat src/main",
    "one\n3\nmain\n",
  ],
  [
    "deny takes a whole path back",
    'allow_read = ["DATA/agent", "DATA/other"]\ndeny = ["DATA/agent"]',
    "ls DATA",
    "other\n",
  ],
  [
    "a program of the system's can be closed",
    'deny = ["/usr/bin/env"]',
    "env 2>&1 | grep -c denied; /bin/env 2>&1 | grep -c denied",
    "1\n1\n",
  ],
  [
    "paths of the home are named with ~",
    'allow_read = ["~/notes"]',
    "cat ~/notes/n; ls -A ~ | grep -c notes",
    "note\n1\n",
  ],
  [
    "keys that a wider path would show are closed",
    'allow_read = ["~/.config/*"]',
    "cat ~/.config/app/settings; ls -A ~/.config/gh",
    "settings\n",
  ],
  [
    "a read-only workspace is read",
    'workspace = "read"',
    "cat src/main; { echo x > src/main; touch new; } 2>&1 | grep -c Read-only",
    "main\n2\n",
  ],
  [
    "but for the parts that may be written",
    'workspace = "read"\nallow_write = ["./out"]',
    "echo x > out/new; ls out; touch new 2>&1 | grep -c Read-only",
    "new\nold\n1\n",
  ],
];
for (const [about, policy, script, out] of cases) {
  test(about, async () => {
    const ran = await run(section(policy), script.replaceAll("DATA", data));
    assert.equal(ran.stdout, out.replaceAll("DATA", data), ran.stderr);
    if (about.startsWith("a folder to write")) assert.equal(readFileSync(join(data, "other/new"), "utf8"), "new\n");
    if (about.startsWith("but for")) assert.ok(existsSync(join(place.workspace, "out/new")));
  });
}

const refused: readonly [about: string, policy: string, code: string, says: RegExp][] = [
  ["a path through a symbolic link", 'allow_read = ["DATA/link/one"]', "path_refused", /symbolic link.*agent/s],
  ["a link itself", 'allow_read = ["DATA/link"]', "path_refused", /Name what it leads to/],
  ["the whole home", 'allow_read = ["~"]', "path_refused", /whole home folder/],
  ["what contains the home", 'allow_read = ["DATA/.."]', "policy_invalid", /goes up/],
  ["sallyport's own home", 'allow_read = ["DATA/../home"]', "policy_invalid", /goes up/],
  ["the machine's insides", 'allow_read = ["/proc/1"]', "path_refused", /kernel/],
  ["the system, to write", 'allow_write = ["/usr/bin"]', "path_refused", /system/],
  ["the person's keys, to write", 'allow_write = ["~/.ssh"]', "path_refused", /~\/\.ssh/],
  ["the workspace, to be closed", 'deny = ["."]', "path_refused", /workspace itself/],
  ["a socket", 'allow_read = ["DATA/socket"]', "path_refused", /a way out that no rule sees/],
  ["a socket among what a pattern finds", 'allow_write = ["DATA/s*t"]', "path_refused", /neither a file nor a folder/],
  ["a path that begins nowhere", 'allow_read = ["data"]', "policy_invalid", /where it begins/],
  ["everything", 'allow_read = ["/"]', "policy_invalid", /whole machine/],
  ["a default that opens all", 'default = "allow"', "not_enforced_yet", /filesystem\.default/],
  ["a workspace that is a copy", 'workspace = "copy"', "not_enforced_yet", /filesystem\.workspace/],
];
for (const [about, policy, code, says] of refused) {
  test(`refused, with its reason: ${about}`, async () => {
    symlinkSync(join(data, "agent"), join(data, "link"));
    execFileSync("/usr/bin/python3", [
      "-c",
      "import socket,sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])",
      join(data, "socket"),
    ]);
    const file = place.policy(section(policy));
    const ran = await place.run(["run", "--json", "--policy", file, "--", "echo", "ran"], { env: { HOME: person } });
    assert.equal(ran.code, 125);
    assert.equal(ran.stdout, "");
    assert.match(ran.stderr, new RegExp(`"${code}"`));
    assert.match(ran.stderr, says);
  });
}

test("sallyport's own home is never shown, whatever a policy names", async () => {
  for (const path of [place.home, join(place.home, "keys"), place.root]) {
    const ran = await run(`[filesystem]\nallow_read = ["${path}"]\n`, "echo ran");
    assert.equal(ran.stdout, "");
    assert.match(ran.stderr, /never shown|whole home/);
  }
});

test("a pattern follows no link, so an agent that may write a folder does not choose what is shown", async () => {
  symlinkSync(join(person, ".ssh"), join(data, "x", "link"));
  symlinkSync(join(data, "agent", "one"), join(data, "logs", "c.log"));
  const ran = await run(
    section('allow_read = ["DATA/x/*/id", "DATA/logs/*.log", "DATA/x/*"]'),
    `cat ${data}/x/link/id 2>&1; ls ${data}/logs`,
  );
  assert.doesNotMatch(ran.stdout, /key/);
  assert.match(ran.stdout, /a\.log\n$/);
});

test("what lies in a folder that may be written is guarded as the workspace is", async () => {
  execFileSync("git", ["init", "-q", join(data, "other")]);
  const trap = join(place.root, "trap");
  const ran = await run(
    section('allow_write = ["DATA/other"]'),
    `cd ${data}/other; git config core.fsmonitor 'touch ${trap}; false'; echo evil > .envrc; printf '#!/bin/sh\\n' > .git/hooks/pre-commit; true`,
  );
  execFileSync("git", ["status"], { cwd: join(data, "other") });
  assert.equal(existsSync(trap), false);
  assert.equal(existsSync(join(data, "other/.envrc")), false);
  assert.match(ran.stderr, /data\/other\/\.envrc/);
});

test("what was shown is in the log", async () => {
  await run(section('allow_read = ["DATA/agent"]\nallow_write = ["DATA/other"]\ndeny = ["./.env"]'), "true");
  const ready = place.events().find(({ type }) => type === "sandbox.ready");
  assert.deepEqual((ready?.detail as { files?: unknown } | undefined)?.files, {
    read: [join(data, "agent")],
    write: [join(data, "other")],
    deny: [join(place.workspace, ".env")],
    workspace: "write",
  });
});

test("a policy without a word on files shows what it always did", async () => {
  await run("", "touch new");
  assert.ok(existsSync(join(place.workspace, "new")));
  const ready = place.events().find(({ type }) => type === "sandbox.ready");
  assert.equal((ready?.detail as { files?: unknown } | undefined)?.files, undefined);
});

const debug = `/usr/bin/python3 - <<'E'
import ctypes, os
pid = os.fork()
if pid == 0:
    os.execv("/bin/sleep", ["sleep", "5"])
print("ptrace", ctypes.CDLL(None, use_errno=True).ptrace(16, pid, 0, 0))
os.kill(pid, 9)
E`;

test('level = "strict": a read-only workspace, nothing nested, no ptrace', async () => {
  const strict = await run(
    '[execution]\nlevel = "strict"\nnested_sandbox = "allow"\n',
    `touch new 2>&1 | grep -c Read-only; unshare --user true 2>/dev/null || echo no nesting; ${debug}`,
  );
  assert.equal(strict.stdout, "1\nno nesting\nptrace -1\n", strict.stderr);
  const standard = await run(
    '[execution]\nnested_sandbox = "allow"\n',
    `touch new && echo written; unshare --user true && echo nested; ${debug}`,
  );
  assert.equal(standard.stdout, "written\nnested\nptrace 0\n", standard.stderr);
});

test('level = "strict": the first denied action ends the run', async () => {
  const ran = await run('[execution]\nlevel = "strict"\n', "curl -s https://example.com/; sleep 20; echo on");
  assert.equal(ran.code, 121);
  assert.doesNotMatch(ran.stdout, /on\n/);
  assert.equal((place.record().termination as { kind?: string } | null)?.kind, "policy_violation");
});

test('level = "strict": what a policy says may be written is written', async () => {
  const some = await run(
    '[execution]\nlevel = "strict"\n[filesystem]\nallow_write = ["./out"]\n',
    "touch out/new && touch new",
  );
  assert.match(some.stderr, /Read-only/);
  assert.ok(existsSync(join(place.workspace, "out/new")));
  const all = await run('[execution]\nlevel = "strict"\n[filesystem]\nworkspace = "write"\n', "touch new2");
  assert.equal(all.code, 0, all.stderr);
});

test("a workspace whose owner cannot get to it by its path is worked in all the same, when root starts the run", async (t) => {
  if (process.geteuid?.() !== 0) return t.diagnostic("only root meets this");
  const closed = join(place.root, "closed");
  const workspace = join(closed, "workspace");
  mkdirSync(workspace, { recursive: true });
  execFileSync("git", ["init", "-q", workspace]);
  execFileSync("chown", ["-R", "61234:61234", workspace]);
  chownSync(closed, 0, 0);
  chmodSync(closed, 0o700);
  const ran = await run("", "id -u; echo new > new; git config user.name me && git add new && git status --short", {
    cwd: workspace,
  });
  rmSync(join(workspace, ".git/index.lock"), { force: true });
  assert.equal(ran.stdout, "61234\nA  new\n", ran.stderr);
  assert.equal(readFileSync(join(workspace, "new"), "utf8"), "new\n");
});

test("what is denied stays denied to a later run, whatever an agent renames", async () => {
  const secret = join(place.workspace, "keys", "deep", "secret");
  mkdirSync(join(secret, ".."), { recursive: true });
  writeFileSync(secret, "TOP\n");
  for (const path of ["keys", "keys/deep", "keys/deep/secret"]) chmodSync(join(place.workspace, path), 0o777);
  const policy = section('deny = ["./keys/deep/secret"]');
  const first = await run(
    policy,
    "mv keys moved 2>&1; mv keys/deep keys/moved 2>&1; touch keys/deep/new; ls keys/deep",
  );
  assert.match(first.stdout, /busy.*busy.*new\nsecret/s);
  const second = await run(policy, "find . -name secret -exec cat {} + 2>&1");
  assert.doesNotMatch(second.stdout, /TOP/);
});
