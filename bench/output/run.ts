// Whether a cell that prints without end still gets its requests answered, and what that costs in memory.
//
//   npm run bench:output [-- --requests 3000 --only yes]
//
// The probe (probe.mjs) runs in the cell: requests one after the other over one TLS connection, first alone, then beside a
// printer of the same cell. The figure is the second p99 over the first, of the same run. Beside it the same probe
// without sallyport, its printer into a pipe that is read as fast as it can be: what the machine itself makes of it.
// Memory is the highest proportional set size of sallyport's own process, looked at every 20 ms.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, readFileSync, rmSync, statSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { program } from "#test/scenario/program.ts";
import { openScene, type Scene } from "#test/scenario/scene.ts";

const { values } = parseArgs({
  options: {
    requests: { type: "string", default: "3000" },
    only: { type: "string" },
    rounds: { type: "string", default: "3" },
  },
});
const wanted = 3;

/** What prints without end, as one process. */
const printers: readonly {
  readonly name: string;
  readonly command: readonly string[];
  readonly flags?: readonly string[];
}[] = [
  { name: "yes", command: ["yes"] },
  { name: "yes, to both streams", command: ["sh", "-c", "yes >&2 & exec yes"] },
  { name: "one line without end", command: ["sh", "-c", "exec cat /dev/zero"] },
  { name: "a million short lines a second", command: ["sh", "-c", "while :; do seq 1 100000; done"] },
  { name: "yes, on a terminal", command: ["yes"], flags: ["-t"] },
];

interface Times {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** KiB, proportional; 0 once it has ended. */
function memoryOf(pid: number): number {
  try {
    return Number(/^Pss: +(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

async function measure(
  scene: Scene,
  command: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ idle: Times; beside: Times; memory: number }> {
  const file = join(scene.workspace, "times.json");
  rmSync(file, { force: true });
  // read by another process, as fast as it can: a shell's pipe
  const words = ["-c", '"$@" 2>&1 | cat >/dev/null', "sh", ...command];
  const child = spawn("sh", words, { cwd: scene.workspace, env, stdio: ["ignore", "inherit", "inherit"] });
  let memory = 0;
  const looking = setInterval(() => {
    const [first] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "latin1").split(" ");
    memory = Math.max(memory, memoryOf(Number(first)));
  }, 20);
  await once(child, "exit");
  clearInterval(looking);
  return { ...(JSON.parse(readFileSync(file, "utf8")) as { idle: Times; beside: Times }), memory };
}

const scene = await openScene("bench-output");
const text = ({ p50, p99, max }: Times) => `${p50.toFixed(2)} / ${p99.toFixed(2)} / ${max.toFixed(1)}`;
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node.js ${process.versions.node}`);
  copyFileSync(join(import.meta.dirname, "probe.mjs"), join(scene.workspace, "probe.mjs"));
  const env = { ...process.env, SALLYPORT_HOME: scene.home };
  const bareEnv = {
    ...process.env,
    NODE_EXTRA_CA_CERTS: join(scene.root, "ca.pem"),
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
  };
  for (const { name, command, flags = [] } of printers) {
    if (values.only !== undefined && values.only !== name) continue;
    const ratios: number[] = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const url = "https://api.example.com/probe";
      const probe = ["node", "probe.mjs", url, values.requests, "times.json", ...command];
      const run = [program, "run", "--quiet", ...flags, "--policy", scene.served, "--", ...probe];
      const { idle, beside, memory } = await measure(scene, run, env);
      const bare = await measure(
        scene,
        ["node", "probe.mjs", `https://127.0.0.1:${scene.server.port}/`, ...probe.slice(3)],
        bareEnv,
      );
      ratios.push(beside.p99 / idle.p99);
      console.log(
        `${name}: p50/p99/max ms alone ${text(idle)}, beside it ${text(beside)}: p99 × ${(beside.p99 / idle.p99).toFixed(1)}; ` +
          `without sallyport × ${(bare.beside.p99 / bare.idle.p99).toFixed(1)}; PSS at most ${Math.round(memory / 1024)} MiB`,
      );
      for (const id of scene.sessions())
        console.log(`  kept ${Math.round(statSync(join(scene.home, "sessions", id, "stdout.log")).size / 1e6)} MB`);
      await scene.run(["sessions", "prune", "--max-size", "0", "--yes"]);
    }
    const median = ratios.sort((one, other) => one - other)[Math.floor(ratios.length / 2)] ?? Number.NaN;
    console.log(`${name}: median × ${median.toFixed(1)} (wanted ≤ ${wanted})`);
  }
} finally {
  await scene.close();
}
