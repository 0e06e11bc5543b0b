// What idle TLS connections cost the boundary in memory, whether it gives it back, and what a slowloris does to others.
//   node bench/http/idle.ts [--connections 10000] [--wait 60]     (needs a hard `ulimit -n` above the connections, or root)
// Memory is the proportional set size of the whole process.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { parseArgs } from "node:util";
import { load } from "./load.ts";
import { type Peer, ports, Stage } from "./peers.ts";

const { values } = parseArgs({
  options: {
    connections: { type: "string", default: "10000" },
    wait: { type: "string", default: "60" },
    seconds: { type: "string", default: "5" },
  },
});
const connections = Number(values.connections);
const wantedPerConnection = 40;
const wantedBack = 1.1;

/** Proportional set size, KiB. */
function memoryOf(peer: Peer): number {
  const text = readFileSync(`/proc/${peer.process.pid}/smaps_rollup`, "latin1");
  return Number(/^Pss: +(\d+) kB/m.exec(text)?.[1]);
}

async function crowd(kind: "hold" | "drip", count: number, ca: string): Promise<ChildProcess> {
  const script = join(import.meta.dirname, "crowd.ts");
  const args = ["-c", "0", process.execPath, script, kind, String(count), String(ports.sallyport), ca];
  const child = spawn("taskset", args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  for await (const more of child.stdout) {
    output += String(more);
    if (output.includes("\n")) break;
  }
  if (output !== `ready ${count}\n`) throw new Error(`not all connections were made: ${output}`);
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  const ended = once(child, "exit");
  child.kill("SIGTERM");
  await ended;
}

/** Raises this process's limit, which what it starts inherits. */
function allowDescriptors(count: number): void {
  const limits = /^Max open files +(\d+) +(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"));
  const [soft, hard] = [Number(limits?.[1]), Number(limits?.[2])];
  if (!(soft < count)) return;
  execFileSync("prlimit", [`--pid=${process.pid}`, `--nofile=${count}:${Math.max(hard, count)}`]);
}

const print = (line: string) => process.stdout.write(`${line}\n`);
allowDescriptors(connections + 1_000);
const stage = new Stage(join(import.meta.dirname, "../../.cache/bench"), false);
let failed = false;
try {
  await stage.origin();
  const sallyport = await stage.sallyport();
  const ca = join(stage.folder, "home/ca.pem");

  // A start that has done everything once: what is measured are connections, not code that is loaded late.
  await end(await crowd("hold", 200, ca));
  await load(sallyport, { mode: "get", connections: 8, seconds: 2 });
  await after(2_000);
  const start = memoryOf(sallyport);
  print(`at the start ${start} KiB`);

  const idle = await crowd("hold", connections, ca);
  await after(8_000);
  const held = memoryOf(sallyport);
  const each = (held - start) / connections;
  print(`${connections} idle connections ${held} KiB, ${each.toFixed(1)} KiB each (at most ${wantedPerConnection})`);

  await end(idle);
  await after(Number(values.wait) * 1_000);
  const back = memoryOf(sallyport);
  print(
    `${values.wait} s after they closed ${back} KiB, ${(back / start).toFixed(2)} × the start (at most ${wantedBack})`,
  );

  const what = { mode: "get", connections: 1, seconds: Number(values.seconds) } as const;
  const alone = await load(sallyport, what);
  const slow = await crowd("drip", Math.min(2_000, connections), ca);
  const beside = await load(sallyport, what);
  print(
    `p50 alone ${alone.p50} µs, beside ${Math.min(2_000, connections)} slow clients ${beside.p50} µs; p99 ${alone.p99}, ${beside.p99} µs`,
  );
  await end(slow);
  failed = !(each <= wantedPerConnection) || !(back / start <= wantedBack);
} finally {
  await stage.close();
  rmSync(stage.log, { force: true });
}
print(failed ? "not reached" : "reached");
process.exitCode = failed ? 1 : 0;
