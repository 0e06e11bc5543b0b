// Real cells, with a boundary that only notes what arrives at it.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import type { Boundary } from "#proxy/boundary.ts";
import { trialSpec } from "#sandbox/fixture.ts";
import { prepareCell, type RunningCell } from "#sandbox/process.ts";
import { createOutputMeter } from "#session/output-meter.ts";
import { createEnding, type Ending } from "./ending.ts";
import { runTask, type TaskOptions } from "./task.ts";

interface Asked {
  readonly command: readonly string[];
  readonly stdin?: TaskOptions["stdin"];
  readonly maxRuntime?: number;
  readonly lines?: number;
  readonly terminal?: { readonly columns: number; readonly rows: number };
  readonly onRunning?: (cell: RunningCell, ending: Ending) => void;
}

async function task(context: TestContext, asked: Asked) {
  const base = mkdtempSync(join(tmpdir(), "sallyport-task-"));
  chmodSync(base, 0o755);
  context.after(() => rmSync(base, { recursive: true, force: true }));
  const trial = { base, command: asked.command, ...(asked.terminal && { terminal: asked.terminal }) };
  const cell = prepareCell({ workspace: join(base, "workspace"), ...(asked.terminal && { terminal: asked.terminal }) });
  const heard: string[] = [];
  const boundary: Boundary = {
    accept(socket, destination) {
      heard.push(`${destination.address}:${destination.port}`);
      socket.on("error", () => socket.destroy());
      socket.end("HTTP/1.1 204 No Content\r\n\r\n");
      socket.resume();
    },
    dnsStream: (socket) => void socket.destroy(),
    dnsDatagrams: () => void heard.push("dns"),
    review() {},
    cut() {},
    async close() {
      heard.push("closed");
    },
  };
  const ending = createEnding(200);
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const recorded: string[] = [];
  let pid = 0;
  const printed = Promise.all([text(stdout), text(stderr)]);
  const end = runTask({
    cell,
    spec: trialSpec(trial, cell.user.name),
    boundary,
    ending,
    meter: createOutputMeter({ lines: asked.lines ?? null, bytes: null }),
    recorder: { output: (stream, chunk) => recorded.push(`${stream} ${Buffer.from(chunk)}`) > 0 },
    onCaptures: () => {},
    stdin: asked.stdin ?? null,
    stdout,
    stderr,
    terminal: null,
    maxRuntime: asked.maxRuntime ?? null,
    onReady: () => void heard.push("ready"),
    onRunning(running) {
      heard.push("running");
      pid = running.pid;
      asked.onRunning?.(running, ending);
    },
    onRestored: () => void heard.push("restored"),
  }).finally(() => {
    stdout.end();
    stderr.end();
  });
  const [result, [out, err]] = await Promise.all([end, printed]);
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" }, "nothing of the cell is left");
  return { result, out, err, heard, recorded };
}

test("a task passes on both streams, records them, and ends with its agent's code", async (context) => {
  const { result, out, err, heard, recorded } = await task(context, {
    command: ["sh", "-c", "echo out; echo err >&2; exit 3"],
  });
  assert.deepEqual(result, { exitCode: 3, signal: null, termination: null, outOfMemory: false });
  assert.deepEqual([out, err], ["out\n", "err\n"]);
  assert.deepEqual(recorded.sort(), ["stderr err\n", "stdout out\n"]);
  assert.deepEqual(
    heard.filter((what) => what !== "dns"),
    ["ready", "running", "restored", "closed"],
  );
});

test("a connection reaches the boundary with the address that the agent dialled", async (context) => {
  const { heard, out } = await task(context, {
    command: ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "http://192.0.2.7:8080/"],
  });
  assert.equal(out, "204");
  assert.ok(heard.includes("192.0.2.7:8080"), heard.join(" "));
});

const inputs: readonly (readonly [title: string, stdin: () => Readable | null, out: string])[] = [
  ["is passed on to its end", () => PassThrough.from(["one ", "two"]), "one two."],
  ["that there is none of ends at once", () => null, "."],
];
for (const [title, stdin, out] of inputs)
  test(`input ${title}`, async (context) => {
    const ran = await task(context, { command: ["sh", "-c", "cat; printf ."], stdin: stdin() });
    assert.equal(ran.out, out);
  });

test("an agent that ends before its input does not keep the task waiting", async (context) => {
  const open = new PassThrough();
  open.write("x");
  assert.equal((await task(context, { command: ["true"], stdin: open })).result.exitCode, 0);
});

test("a terminal that is typed into later keeps its input open", async (context) => {
  const { out } = await task(context, {
    command: ["sh", "-c", "echo ready; read word; echo got $word"],
    terminal: { columns: 80, rows: 24 },
    stdin: "later",
    onRunning: (cell) => cell.stdout.once("data", () => cell.stdin.write("word\r")),
  });
  assert.match(out, /ready\r\n(word\r\n)?got word\r\n/);
});

test("the input of a terminal that is piped to ends where the pipe does", async (context) => {
  const { out } = await task(context, {
    command: ["sh", "-c", "stty -echo; cat; echo over"],
    terminal: { columns: 80, rows: 24 },
    stdin: PassThrough.from(["no newline"]),
  });
  assert.match(out, /over\r\n$/);
});

test("when the time is up the agent is asked to end, and killed after its grace", async (context) => {
  const { result, out } = await task(context, {
    command: ["sh", "-c", "trap 'echo asked' TERM; while :; do sleep 0.05; done"],
    maxRuntime: 0.3,
  });
  assert.equal(result.termination?.kind, "max_runtime");
  assert.equal(result.termination?.threshold, 0.3);
  assert.ok((result.termination?.observed ?? 0) >= 0.3);
  assert.equal(out, "asked\n");
});

test("the line after the last that is allowed ends the run, and is neither shown nor recorded", async (context) => {
  const { result, out, recorded } = await task(context, { command: ["sh", "-c", "seq 1 9; sleep 60"], lines: 2 });
  assert.deepEqual(result.termination, { kind: "max_output_lines", threshold: 2, observed: 3 });
  assert.equal(out, "1\n2\n");
  assert.equal(recorded.join(""), "stdout 1\n2\n");
});

test("a cause that comes as the agent starts ends it", async (context) => {
  const { result } = await task(context, {
    command: ["sleep", "60"],
    onRunning: (_, ending) => ending.begin({ kind: "killed", threshold: null, observed: null }),
  });
  assert.equal(result.termination?.kind, "killed");
});

test("a program that is not there is a failure, and the boundary is closed", async (context) => {
  const base = mkdtempSync(join(tmpdir(), "sallyport-task-"));
  chmodSync(base, 0o755);
  context.after(() => rmSync(base, { recursive: true, force: true }));
  await assert.rejects(task(context, { command: ["no-such-program"] }), { code: "program_not_found" });
});
