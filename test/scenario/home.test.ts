// A home of another format, as a person meets it after an update, or with two versions side by side.

import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
beforeEach(() => {
  place = openPlace("home");
});
afterEach(() => place?.close());

test("a home of a newer format is refused by every command that needs it, and nothing in it is touched", async () => {
  await place.run(["run", "--quiet", "--", "true"]);
  writeFileSync(join(place.home, "version"), "sallyport.home.v7\n");
  const before = readdirSync(place.home, { recursive: true });
  for (const command of [
    ["run", "--", "true"],
    ["sessions", "list"],
    ["replay", "last"],
    ["uninstall", "--yes"],
  ]) {
    const ran = await place.run(command);
    assert.equal(ran.code, 125, command.join(" "));
    assert.match(
      ran.stderr,
      /version: a newer sallyport made this home \(format 7; this one knows 1\) \(home_unusable\)\n {2}Update sallyport/,
    );
  }
  assert.deepEqual(readdirSync(place.home, { recursive: true }), before);
  const doctor = await place.run(["doctor", "--json"]);
  const { findings } = JSON.parse(doctor.stdout) as { findings: { id: string; ok: boolean; remedy: string | null }[] };
  const home = findings.find(({ id }) => id === "home");
  assert.equal(home?.ok, false);
  assert.match(home?.remedy ?? "", /^Update sallyport/);
});

test("a home from before formats is brought to this one by the next command, with what ran in it", async () => {
  await place.run(["run", "--quiet", "--", "echo", "kept"]);
  rmSync(join(place.home, "version"));
  rmSync(join(place.home, "revoked"), { recursive: true });
  chmodSync(join(place.home, "keys"), 0o755);
  const doctor = await place.run(["doctor"]);
  assert.match(doctor.stdout, /ok +home .*\(format 0: brought to 1 when next used\)/);
  assert.equal(statSync(join(place.home, "keys")).mode & 0o777, 0o755, "doctor changes nothing");
  const replayed = await place.run(["replay", "last", "--no-delay"]);
  assert.equal(replayed.stdout, "kept\n", replayed.stderr);
  assert.equal(readFileSync(join(place.home, "version"), "utf8"), "sallyport.home.v1\n");
  assert.equal(statSync(join(place.home, "keys")).mode & 0o777, 0o700);
  assert.ok(statSync(join(place.home, "revoked")).isDirectory());
});

test("two runs that make the home at the same moment both run", async () => {
  rmSync(place.home, { recursive: true });
  const ran = await Promise.all([1, 2, 3].map((each) => place.run(["run", "--quiet", "--", "echo", String(each)])));
  assert.deepEqual(
    ran.map(({ stdout }) => stdout),
    ["1\n", "2\n", "3\n"],
    ran.map(({ stderr }) => stderr).join(""),
  );
  assert.deepEqual(
    readdirSync(place.home).filter((name) => name.startsWith("version")),
    ["version"],
  );
});

test("a folder of something else is not made into a home", async () => {
  const other = join(place.root, "documents");
  mkdirSync(other, { mode: 0o700 });
  writeFileSync(join(other, "thesis.tex"), "years");
  const ran = await place.run(["run", "--json", "--", "true"], { env: { SALLYPORT_HOME: other } });
  assert.equal(ran.code, 125);
  const { error } = JSON.parse(ran.stderr.trim().split("\n").at(-1) ?? "") as {
    error: { code: string; place: string };
  };
  assert.deepEqual([error.code, error.place], ["home_unusable", other]);
  assert.deepEqual(readdirSync(other), ["thesis.tex"]);
});
