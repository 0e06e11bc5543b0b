// One run of wrk against one program, and what that cost the program.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Peer } from "./peers.ts";

export interface Load {
  readonly mode: "get" | "post" | "close";
  readonly connections: number;
  readonly seconds: number;
}

export interface Result {
  readonly requests: number;
  readonly perSecond: number;
  /** Microseconds. */
  readonly p50: number;
  readonly p99: number;
  /** Answers that were not 2xx or 3xx, and failed connections. */
  readonly bad: number;
  /** Share of one core that the program used, 0 to 1. */
  readonly cpu: number;
  /** Microseconds of CPU a request. */
  readonly cpuPerRequest: number;
}

const ticksPerSecond = 100;

/** Seconds of CPU that a process has used. */
function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export async function load(peer: Peer, { mode, connections, seconds }: Load): Promise<Result> {
  const pid = peer.process.pid as number;
  const before = cpuSeconds(pid);
  const start = process.hrtime.bigint();
  const script = join(import.meta.dirname, "load.lua");
  const args = ["-c", "0", "wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "-s", script];
  const wrk = spawn("taskset", [...args, `https://localhost:${peer.port}`], {
    env: { ...process.env, MODE: mode },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  wrk.stdout.on("data", (more: Buffer) => {
    output += more.toString();
  });
  await once(wrk, "close");
  const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
  const used = cpuSeconds(pid) - before;
  const line = output.split("\n").find((text) => text.startsWith("RESULT "));
  if (line === undefined) throw new Error(`wrk said nothing about ${peer.name}: ${output}`);
  const found = JSON.parse(line.slice(7));
  return {
    requests: found.requests,
    perSecond: found.requests / (found.microseconds / 1e6),
    p50: found.p50,
    p99: found.p99,
    bad: found.bad,
    cpu: used / elapsed,
    cpuPerRequest: (used * 1e6) / found.requests,
  };
}
