// HTTP/1.1 through the boundary, TLS to TLS, policy and events on, beside HAProxy and mitmproxy in the same run.
//   node bench/http/run.ts [--rounds 5] [--seconds 5] [--only keepalive,post,new,latency] [--no-mitmproxy] [--json FILE]
// Contenders take turns; what counts is the median of the ratios of single rounds. A round in which HAProxy did not use 95 %
// of its core did not load it, and is thrown away. Afterwards every request must be an event, and the log must verify.

import { createHash } from "node:crypto";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Load, load, type Result } from "./load.ts";
import { type Peer, Stage } from "./peers.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    only: { type: "string", default: "keepalive,post,new,latency" },
    "no-mitmproxy": { type: "boolean", default: false },
    json: { type: "string" },
    "node-flags": { type: "string", default: "" },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const only = new Set(values.only.split(","));

interface Scenario {
  readonly id: string;
  readonly title: string;
  readonly load: Load;
  /** Ratio of requests per second that must be reached, by peer. */
  readonly wanted: { readonly [peer: string]: number };
}

const scenarios: readonly Scenario[] = [
  {
    id: "keepalive",
    title: "GET, keep-alive, 64 connections",
    load: { mode: "get", connections: 64, seconds },
    wanted: { haproxy: 0.85, mitmproxy: 20 },
  },
  {
    id: "post",
    title: "POST 4 KB, keep-alive, 64 connections",
    load: { mode: "post", connections: 64, seconds },
    wanted: {},
  },
  {
    id: "new",
    title: "GET, a new connection per request, 16 at once",
    load: { mode: "close", connections: 16, seconds },
    wanted: { mitmproxy: 8 },
  },
];

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

interface Finding {
  readonly scenario: string;
  readonly peer: string;
  readonly ratio: number;
  readonly wanted: number | null;
}

let sent = 0;
/** True once too few rounds of a scenario counted to say anything. */
let unsteady = false;

async function measure(peer: Peer, what: Load): Promise<Result> {
  const result = await load(peer, what);
  if (peer.name === "sallyport") sent += result.requests;
  if (result.bad > 0) print(`  ! ${peer.name}: ${result.bad} bad answers`);
  return result;
}

async function compare(scenario: Scenario, contenders: readonly Peer[]): Promise<Finding[]> {
  print(`\n${scenario.title}`);
  const ratios = new Map<string, number[]>();
  const all = new Map<string, Result[]>();
  let valid = 0;
  for (let round = 0; valid < rounds && round < rounds * 3; round++) {
    const results = new Map<string, Result>();
    for (const peer of contenders) results.set(peer.name, await measure(peer, scenario.load));
    const ours = results.get("sallyport") as Result;
    const haproxy = results.get("haproxy") as Result;
    const loaded = scenario.id === "new" || haproxy.cpu >= 0.95;
    const shown = [...results].map(
      ([name, r]) =>
        `${name} ${Math.round(r.perSecond)}/s ${r.cpuPerRequest.toFixed(1)} µs ${Math.round(r.cpu * 100)} %`,
    );
    print(`  ${loaded ? " " : "×"} ${shown.join(" · ")}`);
    if (!loaded) continue;
    valid += 1;
    for (const [name, result] of results) {
      all.set(name, [...(all.get(name) ?? []), result]);
      if (name !== "sallyport") ratios.set(name, [...(ratios.get(name) ?? []), ours.perSecond / result.perSecond]);
    }
  }
  if (valid < rounds) {
    print(`  only ${valid} of ${rounds} rounds count: something else is using these cores`);
    unsteady = true;
  }
  const findings: Finding[] = [];
  for (const [peer, list] of ratios) {
    const wanted = scenario.wanted[peer] ?? null;
    findings.push({ scenario: scenario.id, peer, ratio: median(list), wanted });
  }
  for (const [name, list] of all) {
    const rate = Math.round(median(list.map((one) => one.perSecond)));
    print(`  ${name}: ${rate} requests/s, ${median(list.map((one) => one.cpuPerRequest)).toFixed(1)} µs CPU a request`);
  }
  for (const { peer, ratio, wanted } of findings) {
    print(`  = ${ratio.toFixed(2)} × ${peer}${wanted === null ? "" : ` (at least ${wanted})`}`);
  }
  return findings;
}

/** Microseconds that each adds to the median of one connection's requests. */
async function latency(contenders: readonly Peer[], origin: Peer): Promise<Finding[]> {
  print("\nadded latency, one connection, p50");
  const added = new Map<string, number[]>();
  for (let round = 0; round < rounds; round++) {
    const what: Load = { mode: "get", connections: 1, seconds: Math.ceil(seconds / 2) };
    const direct = await measure(origin, what);
    const line = [`direct ${direct.p50} µs`];
    for (const peer of contenders) {
      const result = await measure(peer, what);
      added.set(peer.name, [...(added.get(peer.name) ?? []), result.p50 - direct.p50]);
      line.push(`${peer.name} +${result.p50 - direct.p50}`);
    }
    print(`    ${line.join(" · ")}`);
  }
  const ours = added.get("sallyport") ?? [];
  const theirs = added.get("haproxy") ?? [];
  const ratio = median(ours.map((value, round) => (theirs[round] ?? Number.NaN) / value));
  print(`  = sallyport +${median(ours)} µs, haproxy +${median(theirs)} µs`);
  return [{ scenario: "latency", peer: "haproxy", ratio, wanted: 1 }];
}

/** Walks the hash chain: every line names the SHA-256 of the one before. */
function verifyLog(file: string): { readonly events: number; readonly chained: boolean } {
  const bytes = readFileSync(file);
  let prev = "0".repeat(64);
  let events = 0;
  let start = 0;
  for (;;) {
    const end = bytes.indexOf(10, start);
    if (end < 0) return { events, chained: start === bytes.length };
    const line = bytes.subarray(start, end);
    const event = JSON.parse(line.toString());
    events += 1;
    if (event.prev !== prev || event.seq !== events) return { events, chained: false };
    prev = createHash("sha256").update(line).digest("hex");
    start = end + 1;
  }
}

const cache = join(import.meta.dirname, "../../.cache/bench");
const stage = new Stage(cache, !values["no-mitmproxy"]);
let failed = false;
try {
  stage.spin();
  const origin = await stage.origin();
  const sallyport = await stage.sallyport(values["node-flags"].split(" ").filter((flag) => flag !== ""));
  const haproxy = await stage.haproxy();
  const mitmproxy = await stage.mitmproxy();
  const pair = [haproxy, sallyport];
  const three = mitmproxy === null ? pair : [...pair, mitmproxy];
  for (const peer of three) await measure(peer, { mode: "get", connections: 64, seconds: 2 });
  const findings: Finding[] = [];
  for (const scenario of scenarios) {
    if (!only.has(scenario.id)) continue;
    findings.push(...(await compare(scenario, "mitmproxy" in scenario.wanted ? three : pair)));
  }
  if (only.has("latency")) findings.push(...(await latency(pair, origin)));

  const said = await stage.stop(sallyport);
  const { counts } = JSON.parse(said.trim().split("\n").at(-1) ?? "{}");
  const { events, chained } = verifyLog(stage.log);
  // wrk does not count the answers that came in the moment it stopped.
  const counted = counts.requests >= sent && counts.requests - sent < 64 * 4 * rounds * 6;
  print(
    `\n${sent} requests answered, ${counts.requests} judged, ${events} events, chain ${chained ? "whole" : "BROKEN"}`,
  );
  failed =
    unsteady || !chained || !counted || findings.some(({ ratio, wanted }) => wanted !== null && !(ratio >= wanted));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(findings, null, 2)}\n`);
} finally {
  await stage.close();
  rmSync(stage.log, { force: true });
}
print(failed ? "\nnot reached" : "\nreached");
process.exitCode = failed ? 1 : 0;
