// kill -9 and a full disk, with real processes: what was told to go on must be in the log, and the log must hold.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import type { FullDiskReport } from "#test/log/full-disk.ts";
import { temporaryFolder } from "#test/log/sample.ts";
import { verifySession } from "./session.ts";

const programs = join(import.meta.dirname, "../../../test/log");
const rounds = 20;

/** Runs the appender until it has told of `reports` effects, kills it, and gives the seqs it told. */
async function killedAppender(sessions: string, reports: number): Promise<number[]> {
  const child = spawn(process.execPath, [join(programs, "appender.ts"), sessions], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let text = "";
  let seen = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    text += chunk;
    for (const byte of chunk) if (byte === 10) seen += 1;
    if (seen >= reports) child.kill("SIGKILL");
  });
  const [, signal] = await once(child, "close");
  assert.equal(signal, "SIGKILL");
  // The last report may have been cut by the kill; a whole one has its newline.
  return text.split("\n").slice(0, -1).map(Number);
}

test(`kill -9 at random under load, ${rounds} times: every effect is in the log, and the log holds up to its cut tail`, async () => {
  for (let round = 0; round < rounds; round++) {
    const sessions = temporaryFolder();
    const told = await killedAppender(sessions, randomInt(1, 3000));
    const folder = join(sessions, String(readdirSync(sessions)[0]));
    const found = verifySession(folder);
    assert.equal(found.status, "cut_tail", JSON.stringify(found.findings));
    const logged = new Set(
      readFileSync(join(folder, "events.jsonl"), "utf8")
        .split("\n")
        .slice(0, found.events)
        .map((line) => JSON.parse(line).seq),
    );
    const lost = told.filter((seq) => !logged.has(seq));
    assert.deepEqual(lost, [], `effects without an event in round ${round}`);
    assert.ok(told.length > 0);
  }
});

for (const filler of ["log", "output"] as const) {
  test(`a disk filled by the ${filler} stops the boundary: it is told once, nothing more is written, and the log holds`, async () => {
    const dir = temporaryFolder();
    const script = 'mount -t tmpfs -o size=256k,mode=0700 tmpfs "$1" && exec "$2" "$3" "$1" "$4"';
    const userns = process.geteuid?.() === 0 ? [] : ["--user", "--map-root-user"];
    const { stdout } = await promisify(execFile)("unshare", [
      ...userns,
      ...["--mount", "sh", "-c", script, "sh", dir, process.execPath, join(programs, "full-disk.ts"), filler],
    ]);
    const found = JSON.parse(stdout) as FullDiskReport;
    assert.match(found.broken, /ENOSPC/);
    // The other file may meet the full disk as well, once.
    assert.ok(found.told === 1 || found.told === 2, stdout);
    assert.equal(found.disorder, false);
    assert.equal(found.verification.status, "cut_tail", stdout);
    if (filler === "output") return;
    assert.ok(found.written > 100 && found.unwritten > 0, stdout);
    assert.equal(found.verification.events, found.written + 4, "exactly what was told as written is in the log");
    assert.equal(found.lateSeq, 0);
    assert.equal(found.lateUnwritten, true);
  });
}
