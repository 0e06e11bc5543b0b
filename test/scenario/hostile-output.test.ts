// Agents that print without end: what is passed on and kept is cut exactly, memory stays flat, requests of the same cell are
// answered, and a reader who stops reading stops nobody but the agent. The same with gigabytes: bench/output.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, program } from "./program.ts";
import { openScene, type Scene } from "./scene.ts";

let place: Scene;
before(async () => {
  place = await openScene("hostile-output");
});
after(() => place?.close());

interface Cut {
  readonly title: string;
  readonly flags: readonly string[];
  readonly script: string;
  readonly kind: string;
  readonly threshold: number;
}

const cuts: readonly Cut[] = [
  {
    title: "yes",
    flags: ["--max-output-lines", "300000"],
    script: "yes",
    kind: "max_output_lines",
    threshold: 300_000,
  },
  {
    title: "empty lines, as fast as they come",
    flags: ["--max-output-lines", "1000000"],
    script: "yes ''",
    kind: "max_output_lines",
    threshold: 1_000_000,
  },
  {
    title: "yes to both streams",
    flags: ["--max-output-lines", "200001"],
    script: "yes >&2 & yes",
    kind: "max_output_lines",
    threshold: 200_001,
  },
  {
    title: "a line that does not end",
    flags: ["--max-output-bytes", "48MiB"],
    script: "cat /dev/zero",
    kind: "max_output_bytes",
    threshold: 48 * 2 ** 20,
  },
  {
    title: "a line that does not end, under a cap on lines as well",
    flags: ["--max-output-bytes", "5000001", "--max-output-lines", "1"],
    script: "cat /dev/zero",
    kind: "max_output_bytes",
    threshold: 5_000_001,
  },
  {
    title: "yes on a terminal",
    flags: ["-t", "--max-output-bytes", "3000001"],
    script: "yes",
    kind: "max_output_bytes",
    threshold: 3_000_001,
  },
];

const newlines = (bytes: Buffer): number => {
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
};

for (const { title, flags, script, kind, threshold } of cuts) {
  test(`cut exactly: ${title}`, async () => {
    const ran = await place.run(["run", "--quiet", "--grace", "0", ...flags, "--", "sh", "-c", script]);
    assert.equal(ran.code, 123, ran.stderr.slice(0, 500));
    const all = [ran.bytes.stdout, ran.bytes.stderr];
    const passed = kind === "max_output_lines" ? all.map(newlines) : all.map((bytes) => bytes.length);
    assert.equal((passed[0] ?? 0) + (passed[1] ?? 0), threshold);
    const session = place.sessions().at(-1) ?? "";
    assert.ok(place.file(session, "stdout.log").equals(ran.bytes.stdout), "what was passed on was kept");
    assert.ok(place.file(session, "stderr.log").equals(ran.bytes.stderr));
    assert.deepEqual(place.record(session).termination, { kind, threshold, observed: threshold + 1 });
    assert.equal((await place.run(["audit", "verify", session])).code, 0);
  });
}

/** KiB that the process held at most. */
const most = (child: ChildProcess): number =>
  Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${child.pid}/status`, "latin1"))?.[1]);

/** What sallyport held at most by the time the agent had printed it all. */
async function heldAfter(script: string): Promise<number> {
  const child = place.start(["run", "--quiet", "--", "sh", "-c", `${script}; echo done >&2; read line`]);
  assert.ok(child.stdout && child.stderr && child.stdin);
  child.stdout.resume();
  await once(child.stderr, "data");
  const held = most(child);
  child.stdin.end("\n");
  assert.equal((await collect(child)).code, 0);
  return held;
}

test("memory does not grow with what is printed", async () => {
  const idle = await heldAfter("true");
  for (const script of ["head -c 300000000 /dev/zero", "yes | head -n 20000000"]) {
    const held = await heldAfter(script);
    assert.ok(held - idle < 64 * 1024, `${script}: ${held} KiB beside ${idle} KiB`);
  }
});

test("memory does not grow while nobody reads on, and the run ends at its time all the same", async () => {
  const child = place.start(["run", "--quiet", "--max-runtime", "2", "--grace", "0", "--", "yes"]);
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  child.stdout.pause();
  await place.run(["sessions", "events", "last", "--follow"]);
  assert.deepEqual((place.record().termination as { kind: string } | null)?.kind ?? "none", "max_runtime");
  assert.ok(most(child) < 200 * 1024, `${most(child)} KiB`);
  child.stdout.resume();
  assert.equal((await collect(child)).code, 124);
});

test("requests of a cell that prints without end are answered", async () => {
  writeFileSync(
    join(place.workspace, "ask.mjs"),
    `import { spawn } from "node:child_process";
     const yes = spawn("yes", { stdio: ["ignore", "inherit", "inherit"] });
     let slowest = 0;
     for (let n = 0; n < 300; n++) {
       const begun = performance.now();
       const { status } = await fetch("https://api.example.com/" + n);
       if (status !== 200) process.exit(9);
       slowest = Math.max(slowest, performance.now() - begun);
     }
     yes.kill("SIGKILL");
     yes.on("exit", () => process.exit(slowest < 2000 ? 0 : 8));`,
  );
  const child = place.start(["run", "--quiet", "--policy", place.served, "--", "node", "ask.mjs"]);
  child.stdout?.resume();
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0, "8: too slow, 9: not answered");
  assert.ok(place.server.requests.length >= 300);
});

/** Runs its arguments on a terminal that nobody reads until a line comes in; then reads on, and ends with their exit code. */
const onStoppedTerminal = `
import os, pty, subprocess, sys
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
os.close(slave)
os.read(master, 1)
print("stopped", flush=True)
sys.stdin.readline()
try:
    while os.read(master, 65536):
        pass
except OSError:
    pass
sys.exit(child.wait())
`;

for (const flag of ["-t", "-T"]) {
  test(`a terminal that was stopped stops the agent and not the boundary: the run ends at its time (${flag})`, async () => {
    const words = [program, "run", "--quiet", flag, "--max-runtime", "2", "--grace", "0", "--", "yes"];
    const child = spawn("python3", ["-c", onStoppedTerminal, ...words], {
      cwd: place.workspace,
      env: { ...process.env, SALLYPORT_HOME: place.home, TERM: "xterm" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    await place.run(["sessions", "events", "last", "--follow"]);
    assert.equal((place.record().termination as { kind: string } | null)?.kind, "max_runtime");
    child.stdin.end("read on\n");
    const [code] = (await once(child, "exit")) as [number];
    assert.equal(code, 124);
  });
}
