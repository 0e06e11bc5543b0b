// What one event costs the boundary: canonical line, hash chain, write(2), and the group's fdatasync off the thread.
// `node bench/audit.ts [FOLDER]`: run under `taskset -c 0` for one core. FOLDER decides the file system that is measured.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EventLog, openEventLog } from "#audit/log/event-log.ts";
import { allow, request, subjectOf } from "#test/log/sample.ts";

const appends = 400_000;
const rounds = 5;

interface Measured {
  readonly perAppend: number;
  readonly cpuPerAppend: number;
  readonly megabytesPerSecond: number;
}

/** `burst` appends a turn, as many as a loaded boundary has requests in one turn. */
async function measure(log: EventLog, burst: number): Promise<Measured> {
  const cpu = process.cpuUsage();
  const begun = performance.now();
  const bytes = log.bytes;
  await new Promise<void>((resolve, reject) => {
    let told = 0;
    let sent = 0;
    const then = {
      written() {
        told += 1;
        if (told === appends) resolve();
      },
      unwritten: reject,
    };
    const turn = () => {
      for (let more = burst; more > 0 && sent < appends; more--) {
        sent += 1;
        log.append(
          { type: "action", action: request(`/v1/messages/${sent}`, "api.example.com"), decision: allow },
          then,
        );
      }
      if (sent < appends) setImmediate(turn);
    };
    turn();
  });
  const microseconds = (performance.now() - begun) * 1000;
  const { user, system } = process.cpuUsage(cpu);
  return {
    perAppend: microseconds / appends,
    cpuPerAppend: (user + system) / appends,
    megabytesPerSecond: (log.bytes - bytes) / microseconds,
  };
}

async function run(folder: string): Promise<void> {
  const dir = mkdtempSync(join(folder, "sallyport-bench-"));
  try {
    for (const burst of [1, 20, 200]) {
      const file = join(dir, `${burst}.jsonl`);
      const log = openEventLog({
        file,
        subject: subjectOf("20261121-124652-7f3a9c"),
        durability: "group",
        now: Date.now,
      });
      const measured: Measured[] = [];
      for (let round = 0; round < rounds; round++) measured.push(await measure(log, burst));
      await log.close();
      const best = measured.reduce((a, b) => (b.perAppend < a.perAppend ? b : a));
      console.log(
        `${String(burst).padStart(4)} a turn: ${best.perAppend.toFixed(2)} µs an append (${best.cpuPerAppend.toFixed(2)} µs CPU, ` +
          `all threads), ${best.megabytesPerSecond.toFixed(0)} MB/s`,
      );
    }
  } finally {
    rmSync(dir, { recursive: true });
  }
}

await run(process.argv[2] ?? tmpdir());
