// No effect without its event: sallyport is killed with SIGKILL at a random moment while requests pour through it. What the
// upstream received must be in the log, the log must verify up to a cut tail, and nothing of the cell may go on.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openScene, type Scene } from "./scene.ts";

let place: Scene;
let received: (url: string) => void = () => undefined;

const load = `
let n = 0;
const lane = async () => { for (;;) await (await fetch("https://api.example.com/id/" + process.argv[2] + "/" + n++)).text(); };
await Promise.all(Array.from({ length: 16 }, lane));
`;

before(async () => {
  place = await openScene("crash", (request, response) => {
    received(request.url);
    response.end("ok");
  });
  writeFileSync(join(place.workspace, "load.mjs"), load);
});
after(() => place?.close());

for (let round = 1; round <= 5; round++) {
  test(`killed at a random moment under load, round ${round}: what arrived is in the log`, async () => {
    const ids = new Set<string>();
    const first = new Promise<void>((resolve) => {
      received = (url) => {
        ids.add(url);
        resolve();
      };
    });
    const child = place.start(["run", "--quiet", "--policy", place.served, "--", "node", "load.mjs", String(round)]);
    let said = "";
    child.stderr?.on("data", (chunk: Buffer) => {
      said += chunk.toString();
    });
    await Promise.race([first, once(child, "exit").then(() => assert.fail(`the run ended early: ${said}`))]);
    // the moment is the point of the test: some milliseconds after the first request, never the same
    const arrived = randomInt(1, 400);
    await new Promise<void>((resolve) => {
      received = (url) => {
        ids.add(url);
        if (ids.size >= arrived) resolve();
      };
    });
    child.kill("SIGKILL");
    await once(child, "close");
    const settled = ids.size;

    const session = place.sessions().at(-1) ?? "";
    const text = place.file(session, "events.jsonl").toString("utf8");
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    const logged = new Set(
      whole
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => (JSON.parse(line) as { action?: { path?: string } }).action?.path),
    );
    for (const id of ids) assert.ok(logged.has(id), `${id} arrived without an event`);
    assert.ok(ids.size >= arrived);
    assert.equal(ids.size, settled, "requests still arrive after the end");

    // 3 is a cut tail: what is there holds, but it stops before its end
    const verified = await place.run(["audit", "verify", session, "--json"]);
    assert.equal(verified.code, 3, verified.stdout + verified.stderr);
    assert.equal((JSON.parse(verified.stdout) as { status: string }).status, "cut_tail");
    const listed = await place.run(["sessions", "list"]);
    assert.match(listed.stdout.split("\n").find((line) => line.startsWith(session)) ?? "", /boundary_lost/);
  });
}

/** Processes of the machine that belong to a start: a cell's first process names its sallyport's id, what follows has the marker. */
function remains(pids: ReadonlySet<string>, marker: string): readonly string[] {
  return readdirSync("/proc").filter((entry) => {
    if (!/^\d+$/.test(entry)) return false;
    try {
      const words = readFileSync(`/proc/${entry}/cmdline`, "utf8").split("\0").slice(0, -1);
      return words.includes(marker) || (words[0] === "sallyport-cell" && pids.has(words[1] ?? ""));
    } catch {
      return false; // it ended while it was looked at
    }
  });
}

/** The kernel says when each of its arguments has ended; five seconds are enough for all. */
const awaitProcesses = `
import os, select, sys, time
deadline = time.monotonic() + 5
for pid in sys.argv[1:]:
    try:
        ended = os.pidfd_open(int(pid))
    except ProcessLookupError:
        continue
    select.select([ended], [], [], max(0, deadline - time.monotonic()))
`;

async function ended(pids: readonly string[]): Promise<void> {
  if (pids.length > 0) await once(spawn("python3", ["-c", awaitProcesses, ...pids], { stdio: "inherit" }), "exit");
}

test("killed at any moment of its start, it leaves no process", { timeout: 120_000 }, async () => {
  const marker = `start-${process.pid}-${randomInt(1e9)}`;
  const pids = new Set<string>();
  for (let round = 0; round < 40; round++) {
    const child = place.start(["run", "--quiet", "--", "sh", "-c", "sleep 600", marker]);
    pids.add(String(child.pid));
    // the moment is the point: from its first instruction until the agent runs
    await new Promise((resolve) => setTimeout(resolve, randomInt(1, 200)));
    child.kill("SIGKILL");
    await once(child, "close");
  }
  await ended(remains(pids, marker));
  assert.deepEqual(remains(pids, marker), []);
});
