// A full disk stops the boundary, denies, and says so. The home is a small file system of its own, mounted in a mount namespace
// that ends with the run, so that nothing of it remains.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, program } from "./program.ts";
import { openScene, type Scene } from "./scene.ts";

let place: Scene;

before(async () => {
  place = await openScene("disk");
});
after(() => place?.close());

test("requests are denied from the event on that could not be written, and the run ends with 125", async () => {
  const kept = join(place.root, "kept");
  mkdirSync(kept);
  // asks until it is refused, then asks once more, and tells the last two answers
  writeFileSync(
    join(place.workspace, "ask.mjs"),
    `let n = 0, last = 200;
     const ask = async () => { try { return (await fetch("https://api.example.com/id/" + n++)).status; } catch { return 0; } };
     while (last === 200 && n < 20000) last = await ask();
     console.log("refused after", n, "with", last, "then", await ask());`,
  );
  // an ordinary user may mount in a user namespace, and must be itself again in the next one
  const rootless = process.getuid?.() !== 0;
  const again = rootless ? `unshare --user --map-user=${process.getuid?.()} --map-group=${process.getgid?.()}` : "";
  const script = [
    `mount -t tmpfs -o size=4m,mode=700 tmpfs "$1"`,
    `code=0; SALLYPORT_HOME="$1" ${again} "$2" run --policy "$3" -- node ask.mjs || code=$?`,
    `cp -r "$1/sessions" "$4/" && exit $code`,
  ].join("\n");
  const namespaces = rootless ? ["--mount", "--user", "--map-root-user"] : ["--mount"];
  const child = spawn("unshare", [...namespaces, "sh", "-c", script, "sh", place.home, program, place.served, kept], {
    cwd: place.workspace,
    stdio: ["pipe", "pipe", "pipe"],
  });
  const ran = await collect(child);

  assert.equal(ran.code, 125, ran.stdout + ran.stderr);
  assert.match(ran.stderr, /log_unwritable|ENOSPC|no space left/i);
  assert.ok(place.server.requests.length > 0, `requests passed before the disk was full: ${ran.stderr}`);

  const [session = ""] = readdirSync(join(kept, "sessions"));
  const log = join(kept, "sessions", session, "events.jsonl");
  assert.ok(existsSync(log));
  const text = readFileSync(log, "utf8");
  const paths = text
    .slice(0, text.lastIndexOf("\n"))
    .split("\n")
    .map((line) => (JSON.parse(line) as { action?: { path?: string } }).action?.path);
  const logged = new Set(paths);
  for (const { url } of place.server.requests) assert.ok(logged.has(url), `${url} arrived without an event`);
});
