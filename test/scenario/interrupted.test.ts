// A sallyport that is killed cannot put the workspace right. The next run does, before its agent begins.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("interrupted");
});
after(() => place?.close());

const plant = (trap: string) =>
  `git config core.fsmonitor "touch ${trap}; false"; git config remote.origin.url https://example.com/x; echo "touch ${trap}" > .envrc; mkdir -p .vscode; echo {} > .vscode/tasks.json; echo kept > work; echo planted; sleep 60`;

/** A repository in which a run was killed after its agent had planted what would run on the host. */
async function interrupted(name: string): Promise<{ cwd: string; trap: string }> {
  const cwd = join(place.root, name);
  const trap = join(place.root, `${name}.trap`);
  mkdirSync(cwd);
  execFileSync("git", ["init", "-q", cwd]);
  const child = place.start(["run", "--", "sh", "-c", plant(trap)], { cwd });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  assert.ok(existsSync(join(cwd, ".envrc")), "nothing was planted");
  return { cwd, trap };
}

function assertRight({ cwd, trap }: { cwd: string; trap: string }): void {
  for (const path of [".envrc", ".vscode"]) assert.equal(existsSync(join(cwd, path)), false, path);
  assert.equal(readFileSync(join(cwd, "work"), "utf8"), "kept\n");
  execFileSync("git", ["status"], { cwd });
  assert.equal(existsSync(trap), false);
  assert.match(readFileSync(join(cwd, ".git/config"), "utf8"), /example\.com/);
  assert.deepEqual(readdirSync(join(place.home, "running")), []);
}

test("the next run in the folder puts it right before its agent begins, says so and logs it", async () => {
  const one = await interrupted("same");
  const ran = await place.run(["run", "--", "ls", "-A"], { cwd: one.cwd });
  assert.equal(ran.stdout, ".git\nwork\n");
  assert.match(ran.stderr, /sallyport: session \S+ was interrupted; undone in .*same: .*\.envrc/);
  assertRight(one);
  const event = place.events().find(({ type }) => type === "workspace.restored");
  assert.equal((event?.detail as { workspace?: string } | undefined)?.workspace, one.cwd);
});

test("a run elsewhere does it too", async () => {
  const one = await interrupted("elsewhere");
  assert.equal((await place.run(["run", "--", "true"])).code, 0);
  assertRight(one);
});

test("while another run works in the folder nothing is touched", async () => {
  const one = await interrupted("shared");
  // Had the first been put right by the start of this one, there would be nothing left to see.
  const notes = readdirSync(join(place.home, "running"));
  const note = readFileSync(join(place.home, "running", notes[0] ?? ""), "utf8");
  const other = place.start(["run", "--", "sh", "-c", "echo up; cat"], { cwd: one.cwd });
  await once(other.stdout as NodeJS.ReadableStream, "data");
  writeFileSync(join(place.home, "running", notes[0] ?? ""), note);
  writeFileSync(join(one.cwd, ".envrc"), "planted again\n");
  await place.run(["run", "--", "true"]);
  assert.ok(existsSync(join(one.cwd, ".envrc")));
  other.stdin?.end();
  await once(other, "close");
  await place.run(["run", "--", "true"]);
  assert.equal(existsSync(join(one.cwd, ".envrc")), false);
});

test("a note that was cut off, or whose folder is gone, stops no run", async () => {
  writeFileSync(join(place.home, "running", "cut.json"), '{"processes":[');
  const gone = { processes: ["1:0"], scratch: join(place.root, "gone"), guarded: [] };
  writeFileSync(join(place.home, "running", "gone.json"), JSON.stringify(gone));
  const ran = await place.run(["run", "--", "echo", "runs"]);
  assert.equal(ran.stdout, "runs\n", ran.stderr);
  assert.deepEqual(readdirSync(join(place.home, "running")), []);
});

test("a run that ends by itself leaves no note", async () => {
  await place.run(["run", "--", "true"]);
  await place.run(["run", "--", "no-such-program"]);
  assert.deepEqual(readdirSync(join(place.home, "running")), []);
});
