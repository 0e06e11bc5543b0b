// The last minute: what `uninstall` finds, asks and removes, and what it leaves.

import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
beforeEach(() => {
  place = openPlace("uninstall");
});
afterEach(() => place?.close());

const env = () => ({
  HOME: place.root,
  XDG_CACHE_HOME: undefined,
  XDG_DATA_HOME: undefined,
  XDG_CONFIG_HOME: undefined,
});

/** A home with a session that ended, an agent's files, a cache and a completion script. */
async function lived(): Promise<void> {
  const ran = await place.run(["run", "--", "sh", "-c", "mkdir -p ~/closed/deep; chmod 0 ~/closed; echo done"], {
    env: env(),
  });
  assert.equal(ran.stdout, "done\n", ran.stderr);
  await place.run(["completion", "fish", "--install"], { env: env() });
}

test("everything goes: read-only sessions, the agent's closed folders, the cache, the completion, the home itself", async () => {
  await lived();
  const listed = await place.run(["uninstall", "--dry-run"], { env: env() });
  assert.equal(listed.code, 0);
  for (const path of [
    "home/sessions",
    "home/keys",
    "home/agents",
    ".config/fish/completions/sallyport.fish",
    ".cache/sallyport",
  ])
    assert.match(listed.stdout, new RegExp(`^${join(place.root, path)} +\\d+ +[\\d.]+[kM]?B  `, "m"), listed.stdout);
  assert.ok(existsSync(place.home));
  const ran = await place.run(["uninstall", "--yes"], { env: env() });
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  assert.match(ran.stdout, /The program itself goes with: removing your own checkout, .*\n$/);
  assert.ok(!existsSync(place.home));
  assert.ok(
    !existsSync(join(place.root, ".cache", "sallyport")) ||
      readdirSync(join(place.root, ".cache", "sallyport")).length <= 1,
  );
  assert.ok(!existsSync(join(place.root, ".config/fish/completions/sallyport.fish")));
  const again = await place.run(["uninstall", "--dry-run", "--json"], { env: env() });
  assert.ok(!again.stdout.includes(place.home));
});

test("sessions are kept where one says so, and can still be read", async () => {
  await lived();
  const ran = await place.run(["uninstall", "--yes", "--keep-sessions", "--json"], { env: env() });
  assert.equal(ran.code, 0, ran.stderr);
  const { removed } = JSON.parse(ran.stdout) as { removed: string[] };
  assert.ok(removed.includes(join(place.home, "keys")));
  assert.deepEqual(readdirSync(place.home).sort(), ["log", "sessions", "version"]);
  const replayed = await place.run(["replay", "last", "--no-delay"]);
  assert.equal(replayed.stdout, "done\n");
});

test("nothing goes without a yes: nobody to ask is an error, and JSON only lists", async () => {
  await lived();
  const asked = await place.run(["uninstall"], { env: env() });
  assert.equal(asked.code, 125);
  assert.match(asked.stderr, /\(usage\)\n {2}.*--yes/);
  const listed = await place.run(["uninstall", "--json"], { env: env() });
  assert.equal(listed.code, 0);
  assert.deepEqual((JSON.parse(listed.stdout) as { removed: string[] }).removed, []);
  assert.ok(existsSync(join(place.home, "keys")));
});

test("a running session is a reason to stop; --force ends it first", async (t) => {
  const run = place.start(["run", "--", "sh", "-c", "echo up; exec sleep 600"], { env: env() });
  t.after(() => run.kill("SIGKILL"));
  const early = once(run, "exit").then(() => assert.fail("the run ended before it was told to"));
  await Promise.race([once(run.stdout as NodeJS.ReadableStream, "data"), early]);
  early.catch(() => {});
  const refused = await place.run(["uninstall", "--yes", "--json"], { env: env() });
  assert.equal(refused.code, 125);
  assert.equal((JSON.parse(refused.stderr) as { error: { code: string } }).error.code, "home_busy");
  assert.ok(existsSync(join(place.home, "keys")));
  const ended = once(run, "exit");
  const forced = await place.run(["uninstall", "--yes", "--force"], { env: env() });
  assert.equal(forced.code, 0, forced.stdout + forced.stderr);
  await ended;
  assert.ok(!existsSync(place.home));
});

test("a folder that is no home, or holds other things too, keeps what is not sallyport's", async () => {
  const other = join(place.root, "documents");
  mkdirSync(other, { mode: 0o700 });
  writeFileSync(join(other, "thesis.tex"), "years");
  const refused = await place.run(["uninstall", "--yes"], { env: { ...env(), SALLYPORT_HOME: other } });
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /holds other things.*home_unusable/);
  await lived();
  writeFileSync(join(place.home, "notes.txt"), "mine");
  const ran = await place.run(["uninstall", "--yes"], { env: env() });
  assert.match(ran.stdout, /was left for what else is in it: notes\.txt/);
  assert.deepEqual(readdirSync(place.home), ["notes.txt"]);
  chmodSync(place.home, 0o700);
});
