// `sallyport init`: from a folder to a policy that counts.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, type TestContext, test } from "node:test";
import { spawn } from "@lydell/node-pty";
import { openPlace, type Place, program } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("init");
});
after(() => place?.close());

function project(): string {
  const folder = mkdtempSync(join(place.root, "project-"));
  mkdirSync(join(folder, ".git"));
  writeFileSync(join(folder, ".git", "config"), '[remote "origin"]\n\turl = git@github.com:o/r.git\n');
  writeFileSync(join(folder, "package.json"), "{}");
  writeFileSync(join(folder, "requirements.txt"), "");
  writeFileSync(join(folder, "CLAUDE.md"), "");
  return folder;
}

const policyOf = (folder: string) => join(folder, "sallyport.policy.toml");

test("init --yes says what it found and why, and writes a policy that its check passes and that must still be trusted", async () => {
  const cwd = project();
  const ran = await place.run(["init", "--yes"], { cwd });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^package\.json\s+@npm\s+npm packages$/m);
  assert.match(ran.stdout, /^requirements\.txt\s+@pypi\s+Python packages$/m);
  assert.match(
    ran.stdout,
    /^remote origin\s+@github\s+clone and fetch from github\.com, over https .*"@github-push"$/m,
  );
  assert.match(ran.stdout, /^claude \(CLAUDE\.md.*\s+-\s+sallyport run claude adds what it needs by itself$/m);
  assert.match(ran.stdout, /it counts once you trust it: sallyport trust/);
  const text = readFileSync(policyOf(cwd), "utf8");
  assert.match(text, /^# zero_trust\.runtime\.v1\n/);
  assert.match(text, /^ {2}"@npm", # package\.json: npm packages$/m);
  const checked = await place.run(["policy", "check"], { cwd });
  assert.deepEqual([checked.code, checked.stdout], [0, "sallyport.policy.toml: valid\n"]);
  const denied = await place.run(["policy", "explain", "GET", "https://pypi.org/simple/"], { cwd });
  assert.equal(denied.code, 1);
});

test("init --yes --trust writes a policy that counts at once", async () => {
  const cwd = project();
  assert.equal((await place.run(["init", "--yes", "--trust"], { cwd })).code, 0);
  const allowed = await place.run(["policy", "explain", "GET", "https://pypi.org/simple/"], { cwd });
  assert.equal(allowed.code, 0, allowed.stdout);
  const ran = await place.run(["run", "--", "true"], { cwd });
  assert.doesNotMatch(ran.stderr, /trust|no policy/);
});

test("init writes over nothing unless told, and never beside another spelling", async () => {
  const cwd = project();
  writeFileSync(policyOf(cwd), "mine\n");
  const refused = await place.run(["init", "--yes"], { cwd });
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /this folder has a policy already \(usage\)\n.*--force/);
  assert.equal(readFileSync(policyOf(cwd), "utf8"), "mine\n");
  assert.equal((await place.run(["init", "--yes", "--force"], { cwd })).code, 0);
  assert.match(readFileSync(policyOf(cwd), "utf8"), /@npm/);

  const other = project();
  writeFileSync(join(other, "sallyport.policy.yaml"), "network: {}\n");
  const both = await place.run(["init", "--yes", "--force"], { cwd: other });
  assert.equal(both.code, 125);
  assert.match(both.stderr, /sallyport policy convert/);
});

test("init does not write through a link that stands where the policy is to be", async () => {
  const cwd = project();
  const outside = join(place.root, "outside");
  symlinkSync(outside, policyOf(cwd));
  const refused = await place.run(["init", "--yes"], { cwd });
  assert.equal(refused.code, 125);
  assert.equal(readlinkSync(policyOf(cwd)), outside);
  await place.run(["init", "--yes", "--force"], { cwd });
  assert.match(readFileSync(policyOf(cwd), "utf8"), /@npm/);
  assert.throws(() => readFileSync(outside), { code: "ENOENT" });
});

test("init --stdout prints the policy and writes nothing; --json tells all of it", async () => {
  const cwd = project();
  const printed = await place.run(["init", "--stdout"], { cwd });
  assert.throws(() => readFileSync(policyOf(cwd)), { code: "ENOENT" });
  const told = JSON.parse((await place.run(["init", "--json", "--yes"], { cwd })).stdout);
  assert.deepEqual([told.path, told.written, told.trusted], [policyOf(cwd), true, false]);
  assert.equal(told.text, printed.stdout);
  assert.deepEqual(
    told.found
      .filter(({ allow }: { allow: string | null }) => allow !== null)
      .map(({ allow }: { allow: string }) => allow),
    ["@npm", "@pypi", "@github"],
  );
});

test("init without a terminal asks nobody and writes nothing", async () => {
  const cwd = project();
  const ran = await place.run(["init"], { cwd });
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /no terminal to ask on.*\n.*--yes/);
  assert.throws(() => readFileSync(policyOf(cwd)), { code: "ENOENT" });
});

test("init where no agent may run is refused", async () => {
  const ran = await place.run(["init", "--yes"], { cwd: "/etc" });
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /workspace_refused/);
});

/** Answers each question that matches with its answer, and gives all that was shown and the exit code. */
function answered(
  t: TestContext,
  cwd: string,
  args: readonly string[],
  answers: readonly (readonly [question: RegExp, answer: string])[],
): Promise<{ shown: string; code: number }> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined)) as {
    [name: string]: string;
  };
  const pty = spawn(program, [...args], { cwd, env: { ...env, SALLYPORT_HOME: place.home, TERM: "xterm" }, cols: 200 });
  t.after(() => pty.kill("SIGKILL"));
  let shown = "";
  let next = 0;
  pty.onData((data) => {
    shown += data;
    const [question, answer] = answers[next] ?? [];
    if (question?.test(shown)) {
      next += 1;
      pty.write(`${answer}\r`);
    }
  });
  return new Promise((resolve) => pty.onExit(({ exitCode }) => resolve({ shown, code: exitCode })));
}

test("on a terminal init asks whether to write and whether to trust", { timeout: 60_000 }, async (t) => {
  const cwd = project();
  const no = await answered(t, cwd, ["init"], [[/Write .*\? \[y\/N\]/, "n"]]);
  assert.equal(no.code, 1, no.shown);
  assert.throws(() => readFileSync(policyOf(cwd)), { code: "ENOENT" });
  const yes = await answered(
    t,
    cwd,
    ["init"],
    [
      [/Write .*\? \[y\/N\]/, "y"],
      [/Trust it .*\? \[y\/N\]/, "yes"],
    ],
  );
  assert.equal(yes.code, 0, yes.shown);
  assert.equal((await place.run(["policy", "explain", "GET", "https://pypi.org/"], { cwd })).code, 0);
});

test("on a terminal trust shows the policy, and takes only a yes for one", { timeout: 60_000 }, async (t) => {
  const cwd = project();
  writeFileSync(policyOf(cwd), '# zero_trust.runtime.v1\n[network]\nallow = ["a.example"]\n');
  const no = await answered(t, cwd, ["trust"], [[/Trust .*\? \[y\/N\]/, ""]]);
  assert.equal(no.code, 1, no.shown);
  assert.match(no.shown, /a\.example\s+80 443/);
  const yes = await answered(t, cwd, ["trust"], [[/Trust .*\? \[y\/N\]/, "y"]]);
  assert.equal(yes.code, 0, yes.shown);
  assert.equal((await place.run(["policy", "explain", "GET", "https://a.example/"], { cwd })).code, 0);
});
