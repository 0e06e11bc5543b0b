// A full disk stops the boundary, denies, and says so. The home is a small file system of its own, mounted in a mount namespace
// that ends with the run, so that nothing of it remains.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openScene, type Scene } from "./scene.ts";
import { runOnSmallDisk } from "./small-disk.ts";

let place: Scene;

before(async () => {
  place = await openScene("disk");
});
after(() => place?.close());

test("requests are denied from the event on that could not be written, and the run ends with 125", async () => {
  // asks until it is refused, then asks once more, and tells the last two answers
  writeFileSync(
    join(place.workspace, "ask.mjs"),
    `let n = 0, last = 200;
     const ask = async () => { try { return (await fetch("https://api.example.com/id/" + n++)).status; } catch { return 0; } };
     while (last === 200 && n < 20000) last = await ask();
     console.log("refused after", n, "with", last, "then", await ask());`,
  );
  const ran = await runOnSmallDisk(place, "4m", ["run", "--policy", place.served, "--", "node", "ask.mjs"]);

  assert.equal(ran.code, 125, ran.stdout + ran.stderr);
  assert.match(ran.stderr, /log_unwritable|ENOSPC|no space left/i);
  assert.ok(place.server.requests.length > 0, `requests passed before the disk was full: ${ran.stderr}`);

  const [session = ""] = readdirSync(ran.sessions);
  const log = join(ran.sessions, session, "events.jsonl");
  assert.ok(existsSync(log));
  const text = readFileSync(log, "utf8");
  const paths = text
    .slice(0, text.lastIndexOf("\n"))
    .split("\n")
    .map((line) => (JSON.parse(line) as { action?: { path?: string } }).action?.path);
  const logged = new Set(paths);
  for (const { url } of place.server.requests) assert.ok(logged.has(url), `${url} arrived without an event`);
});

for (const size of ["4k", "16k", "40k", "60k", "80k", "120k", "200k"]) {
  test(`a home that is full after ${size} is said so, whatever stage it stops, and never as a bug`, async () => {
    const agent = ["sh", "-c", "yes | head -c 3000000"];
    const ran = await runOnSmallDisk(place, size, ["run", "--policy", place.served, "--", ...agent]);
    assert.equal(ran.code, 125, ran.stderr);
    assert.match(ran.stderr, /\((home_unusable|log_unwritable)\)\n {2}\S/);
    assert.doesNotMatch(ran.stderr, /internal_error|report it/);
  });
}
