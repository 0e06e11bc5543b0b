// What a person gets wrong, and what they are told: each with its code, its exit code, and what to do about it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, openPlace, type Place, program, type RunOptions } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("wrong-use");
  writeFileSync(join(place.workspace, "not-a-program"), "text\n", { mode: 0o644 });
  writeFileSync(join(place.root, "a-file"), "");
  mkdirSync(join(place.root, "open"), { mode: 0o755 });
  mkdirSync(join(place.root, "bare"));
});
after(() => place?.close());

interface Case {
  readonly title: string;
  readonly args: readonly string[] | ((place: Place) => readonly string[]);
  readonly how?: (place: Place) => RunOptions;
  readonly exit?: number;
  readonly code: string;
  /** What the line names. */
  readonly names: RegExp;
  /** What is to be done. */
  readonly remedy: RegExp | null;
}

const run = (...flags: readonly string[]) => ["run", ...flags, "--", "true"];
const cases: readonly Case[] = [
  {
    title: "a flag that does not exist",
    args: run("--max-run", "5"),
    code: "usage",
    names: /--max-run/,
    remedy: /--max-runtime|--help/,
  },
  { title: "a command that does not exist", args: ["runn"], code: "usage", names: /runn/, remedy: /run\b.*--help/ },
  { title: "no program to run", args: ["run"], code: "usage", names: /command/, remedy: /sallyport run --help/ },
  {
    title: "a group without its command",
    args: ["sessions"],
    code: "usage",
    names: /sessions/,
    remedy: /sessions --help/,
  },
  {
    title: "a flag that a command of a group does not have",
    args: ["sessions", "prune", "--nope"],
    code: "usage",
    names: /--nope/,
    remedy: /sallyport sessions prune --help/,
  },
  {
    title: "a program that is not there",
    args: ["run", "--", "no-such-program"],
    exit: 127,
    code: "program_not_found",
    names: /no-such-program/,
    remedy: /path/i,
  },
  {
    title: "a program without a name",
    args: ["run", "--", ""],
    exit: 127,
    code: "program_not_found",
    names: /no (such )?program/,
    remedy: /path/i,
  },
  {
    title: "a program that is not executable",
    args: ["run", "--", "./not-a-program"],
    exit: 126,
    code: "program_not_executable",
    names: /not-a-program/,
    remedy: /chmod \+x/,
  },
  {
    title: "a folder for a program",
    args: ["run", "--", "./"],
    exit: 126,
    code: "program_not_executable",
    names: /\.\//,
    remedy: /chmod|interpreter/,
  },
  {
    title: "more words than a cell takes",
    args: ["run", "--", "echo", ...Array.from({ length: 8000 }, String)],
    code: "usage",
    names: /8001 words/,
    remedy: /script/,
  },
  {
    title: "a policy that is not there",
    args: run("--policy", "/no/such.toml"),
    code: "policy_unreadable",
    names: /\/no\/such\.toml/,
    remedy: /readable policy/,
  },
  {
    title: "a folder for a policy",
    args: run("--policy", "/tmp"),
    code: "policy_unreadable",
    names: /\/tmp/,
    remedy: /readable policy/,
  },
  {
    title: "a policy with a key that is none",
    args: (p) => run("--policy", p.policy("[network]\nalow = []\n")),
    code: "policy_invalid",
    names: /:3:1: .*alow/,
    remedy: /allow/,
  },
  {
    title: "a policy that is no TOML",
    args: (p) => run("--policy", p.policy("[network\n")),
    code: "policy_invalid",
    names: /:2:/,
    remedy: null,
  },
  {
    title: "a host that is none",
    args: run("--allow", "https://example.com/"),
    code: "usage",
    names: /--allow/,
    remedy: /example\.com/,
  },
  {
    title: "a time that is none",
    args: run("--max-runtime", "soon"),
    code: "usage",
    names: /soon.*5m/,
    remedy: /--help/,
  },
  { title: "a grace that is none", args: run("--grace", "-1"), code: "usage", names: /--grace/, remedy: /--help/ },
  {
    title: "a size that is none",
    args: run("--max-output-bytes", "lots"),
    code: "usage",
    names: /lots.*50MiB/,
    remedy: /--help/,
  },
  {
    title: "a count of none",
    args: run("--max-requests", "0"),
    code: "usage",
    names: /--max-requests.*at least 1/,
    remedy: /--help/,
  },
  {
    title: "the home for a workspace",
    args: run(),
    how: (p) => ({ env: { HOME: p.workspace } }),
    code: "workspace_refused",
    names: /home folder/,
    remedy: /cd/,
  },
  {
    title: "the root for a workspace",
    args: run(),
    how: () => ({ cwd: "/" }),
    code: "workspace_refused",
    names: /\//,
    remedy: /cd/,
  },
  {
    title: "/etc for a workspace",
    args: run(),
    how: () => ({ cwd: "/etc" }),
    code: "workspace_refused",
    names: /\/etc/,
    remedy: /cd/,
  },
  {
    title: "what holds sallyport's own home for a workspace",
    args: run(),
    how: (p) => ({ cwd: p.root }),
    code: "workspace_refused",
    names: /own home/,
    remedy: /cd/,
  },
  {
    title: "a home that is no absolute path",
    args: run(),
    how: () => ({ env: { SALLYPORT_HOME: "here" } }),
    code: "home_unusable",
    names: /here/,
    remedy: /absolute/,
  },
  {
    title: "a home that is a file",
    args: run(),
    how: (p) => ({ env: { SALLYPORT_HOME: join(p.root, "a-file") } }),
    code: "home_unusable",
    names: /a-file/,
    remedy: /SALLYPORT_HOME/,
  },
  {
    title: "a home that cannot be made",
    args: run(),
    how: () => ({ env: { SALLYPORT_HOME: "/proc/home" } }),
    code: "home_unusable",
    names: /\/proc\/home/,
    remedy: /SALLYPORT_HOME/,
  },
  {
    title: "a home that others may enter",
    args: run(),
    how: (p) => ({ env: { SALLYPORT_HOME: join(p.root, "open") } }),
    code: "home_unusable",
    names: /others/,
    remedy: /chmod 700/,
  },
];

for (const { title, args, how, exit = 125, code, names, remedy } of cases) {
  test(`${title}: ${code}, exit ${exit}`, async () => {
    const words = typeof args === "function" ? args(place) : args;
    const ran = await place.run(words, how?.(place));
    assert.equal(ran.code, exit, ran.stderr);
    assert.equal(ran.stdout, "");
    const lines = ran.stderr.split("\n");
    const at = lines.findIndex((line) => line.startsWith("sallyport: error: "));
    assert.ok(lines[at]?.endsWith(`(${code})`), ran.stderr);
    assert.match(lines[at] ?? "", names);
    if (remedy !== null) {
      assert.match(lines[at + 1] ?? "", remedy);
      assert.match(lines[at + 1] ?? "", /^ {2}\S/);
    }

    const own = words.indexOf("--");
    const asJson = own === -1 ? [...words, "--json"] : [...words.slice(0, own), "--json", ...words.slice(own)];
    const { error } = JSON.parse(
      (await place.run(asJson, how?.(place))).stderr.split("\n").find((line) => line.startsWith('{"error"')) ?? "{}",
    ) as { error?: { code: string; message: string; remedy: string | null } };
    assert.equal(error?.code, code);
    assert.ok(error?.message);
    if (remedy !== null) assert.match(error.remedy ?? "", remedy);
  });
}

test("an ordinary user without permission on the home, or on the policy, is told so", {
  skip: process.getuid?.() === 0 ? false : "only root can become somebody else here",
}, async () => {
  chmodSync(place.root, 0o755);
  writeFileSync(join(place.root, "secret.toml"), "# zero_trust.runtime.v1\n", { mode: 0o600 });
  const asNobody = (args: readonly string[], home: string) =>
    collect(
      spawn("setpriv", ["--reuid=65534", "--regid=65534", "--clear-groups", program, ...args], {
        cwd: place.workspace,
        env: { PATH: process.env.PATH, HOME: "/nonexistent", SALLYPORT_HOME: home },
        stdio: ["pipe", "pipe", "pipe"],
      }),
    );
  const home = await asNobody(run(), place.home);
  assert.equal(home.code, 125, home.stderr);
  assert.match(home.stderr, /\(home_unusable\)\n {2}\S/);
  const own = join(place.root, "nobodys");
  mkdirSync(own, { mode: 0o700 });
  await collect(spawn("chown", ["65534:65534", own]));
  const policy = await asNobody(run("--policy", join(place.root, "secret.toml")), own);
  assert.equal(policy.code, 125, policy.stderr);
  assert.match(policy.stderr, /\(policy_unreadable\)\n {2}\S/);
});

test("two at once in the same workspace are two runs, each with its session", async () => {
  const before_ = place.sessions().length;
  const both = await Promise.all(
    ["one", "two"].map((name) =>
      place.run(["run", "--quiet", "--", "sh", "-c", `echo ${name} > ${name}; cat ${name}`]),
    ),
  );
  assert.deepEqual(
    both.map(({ code, stdout }) => [code, stdout]),
    [
      [0, "one\n"],
      [0, "two\n"],
    ],
  );
  assert.equal(place.sessions().length, before_ + 2);
});

test("the first runs of a home, all at once, make it together", async () => {
  const home = join(place.root, "bare", "new", "home");
  const runs = await Promise.all(
    Array.from({ length: 5 }, () =>
      place.run(["run", "--quiet", "--", "echo", "ran"], { env: { SALLYPORT_HOME: home } }),
    ),
  );
  for (const ran of runs) assert.deepEqual([ran.code, ran.stdout], [0, "ran\n"], ran.stderr);
  assert.equal(readdirSync(join(home, "sessions")).length, 5);
  const verified = await place.run(["audit", "verify", "last"], { env: { SALLYPORT_HOME: home } });
  assert.equal(verified.code, 0, verified.stdout);
  for (const id of readdirSync(join(home, "sessions"))) chmodSync(join(home, "sessions", id), 0o700);
});

test("words that are as long as the system takes them arrive, and so does a long variable", async () => {
  const long = "x".repeat(120_000);
  const ran = await place.run(
    [
      "run",
      "--quiet",
      "--env",
      "LONG",
      "--",
      "sh",
      "-c",
      'echo $(printf %s "$1" | wc -c) $(printf %s "$LONG" | wc -c) $#',
      "sh",
      long,
      ...Array.from({ length: 7000 }, String),
    ],
    {
      env: { LONG: long },
    },
  );
  assert.equal(ran.stdout, "120000 120000 7001\n", ran.stderr.slice(0, 500));
});

/** As a shell starts it: what each of the three streams is. */
function inShell(script: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const child = spawn("bash", ["-c", script, "bash", program], {
    cwd: place.workspace,
    env: { ...process.env, SALLYPORT_HOME: place.home, NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "pipe"],
  });
  return collect(child);
}

const shells: readonly { title: string; script: string; code: number; stdout: string }[] = [
  { title: "stdin closed", script: '"$1" run --quiet -- echo hi <&-', code: 0, stdout: "hi\n" },
  { title: "stdout closed", script: '"$1" run --quiet -- sh -c "exit 3" >&-', code: 3, stdout: "" },
  { title: "stderr closed", script: '"$1" run -- echo hi 2>&-', code: 0, stdout: "hi\n" },
  { title: "all of them closed", script: '"$1" run --quiet -- sh -c "exit 4" <&- >&- 2>&-', code: 4, stdout: "" },
  {
    title: "a reader that leaves: the agent hears of it as it would without us",
    script: 'set -o pipefail; "$1" run --quiet -- yes | head -1',
    code: 141,
    stdout: "y\n",
  },
  {
    title: "a reader that leaves an agent which prints slowly",
    script: 'set -o pipefail; "$1" run --quiet -- sh -c "while echo y; do sleep 0.05; done" | head -1 || exit 1',
    code: 1,
    stdout: "y\n",
  },
  {
    title: "a help whose reader leaves",
    script: 'set -o pipefail; "$1" run --help | true; [ $? = 141 ]',
    code: 0,
    stdout: "",
  },
  {
    title: "a list whose reader leaves",
    script: 'set -o pipefail; "$1" sessions list --json | head -c 1 || [ $? = 141 ]',
    code: 0,
    stdout: "[",
  },
];
for (const { title, script, code, stdout } of shells) {
  test(title, { timeout: 60_000 }, async () => {
    const ran = await inShell(script);
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(ran.stdout, stdout);
    assert.doesNotMatch(ran.stderr, /internal_error|at file:|Error:/);
  });
}
