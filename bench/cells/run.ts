// What idle runs cost, and whether many at once all work.
//
//   npm run bench:cells [-- --cells 100]
//
// Starts one run whose agent waits, and says where its memory goes; then starts many, lets each make a request,
// and says what each costs in memory and in processor time while it waits. Memory is the proportional set size (pages that
// processes share are divided among them) of sallyport's own processes, the agent's not counted: sallyport itself, and the
// two of bubblewrap that hold the cell.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { cpus, freemem, release } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as after } from "node:timers/promises";
import { parseArgs } from "node:util";
import { openScene, type Scene } from "#test/scenario/scene.ts";

const { values } = parseArgs({
  options: { cells: { type: "string", default: "100" }, seconds: { type: "string", default: "10" } },
});
const wantedIdle = 90;
const MiB = 1024;

const agent = [
  "sh",
  "-c",
  'echo ready; read line; curl -sS -o /dev/null -w "%{http_code}\\n" https://api.example.com/$1; read line',
  "sh",
];

/** What npm would install: the built program, with this checkout's packages. */
function install(folder: string): string {
  const root = dirname(dirname(import.meta.dirname));
  execFileSync(process.execPath, [join(root, "scripts/build.ts")], { cwd: root, stdio: "ignore" });
  mkdirSync(folder);
  const { files } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { files: string[] };
  for (const name of ["package.json", ...files]) cpSync(join(root, name), join(folder, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  return join(folder, "bin", "sallyport");
}

/** Starts a run and resolves when its agent waits. */
async function idle(scene: Scene, program: string, name: string): Promise<ChildProcess> {
  const child = spawn(program, ["run", "--quiet", "--policy", scene.served, "--", ...agent, name], {
    cwd: scene.workspace,
    env: { ...process.env, SALLYPORT_HOME: scene.home },
  });
  let text = "";
  child.stderr?.on("data", (chunk: Buffer) => (text += String(chunk)));
  await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, "data"),
    once(child, "exit").then(() => Promise.reject(new Error(`a run ended: ${text}`))),
  ]);
  return child;
}

/** sallyport's process, bubblewrap's, and not the agent's. */
function own(pid: number): readonly number[] {
  const found = [pid];
  for (const one of found)
    for (const thread of readdirSync(`/proc/${one}/task`))
      for (const child of readFileSync(`/proc/${one}/task/${thread}/children`, "latin1").split(" ").filter(Boolean))
        if (readFileSync(`/proc/${child}/comm`, "latin1").trim() === "bwrap") found.push(Number(child));
  return found;
}

/** KiB. */
function memory(pid: number, field: "Pss" | "Rss"): number {
  return Number(
    new RegExp(`^${field}: +(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"))?.[1],
  );
}

/** Where a process's pages are, KiB of proportional set size, the largest first. */
function whereItGoes(pid: number): [string, number][] {
  const kinds = new Map<string, number>();
  let kind = "";
  for (const line of readFileSync(`/proc/${pid}/smaps`, "latin1").split("\n")) {
    const head = /^[0-9a-f]+-[0-9a-f]+ (....) \S+ \S+ \S+ *(.*)$/.exec(line);
    if (head !== null) kind = kindOf(head[1] ?? "", head[2] ?? "");
    const pss = /^Pss: +(\d+) kB/.exec(line);
    if (pss !== null) kinds.set(kind, (kinds.get(kind) ?? 0) + Number(pss[1]));
  }
  return [...kinds].sort((one, other) => other[1] - one[1]);
}

function kindOf(rights: string, path: string): string {
  if (path.endsWith("/node"))
    return rights.includes("x")
      ? "Node: machine code"
      : rights.includes("w")
        ? "Node: its data, written to"
        : "Node: its data";
  if (path.includes("koffi") || path.endsWith(".node")) return "koffi";
  if (/\.so(\.|$)/.test(path)) return "the system's libraries";
  if (path === "[heap]") return "malloc";
  if (path.startsWith("[")) return "stacks and the kernel's pages";
  return rights.includes("x") ? "compiled JavaScript" : "JavaScript's heap, buffers, other anonymous memory";
}

/** Clock ticks, 1/100 s. */
function ticks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

async function answered(child: ChildProcess): Promise<string> {
  const said = once(child.stdout as NodeJS.ReadableStream, "data") as Promise<[Buffer]>;
  child.stdin?.write("go\n");
  const [line] = await said;
  return String(line).trim();
}

async function end(children: readonly ChildProcess[]): Promise<void> {
  await Promise.all(
    children.map(async (child) => {
      const ended = once(child, "exit");
      child.stdin?.end("\n");
      await ended;
    }),
  );
}

const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
const scene = await openScene("bench-cells");
try {
  console.log(`${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node.js ${process.versions.node}`);
  const program = install(join(scene.root, "installed"));
  await end([await idle(scene, program, "first")]); // what is made once, is made
  const one = await idle(scene, program, "one");
  await after(2000);
  const pids = own(one.pid ?? 0);
  const total = (field: "Pss" | "Rss") => sum(pids.map((pid) => memory(pid, field))) / MiB;
  console.log(
    `one idle run: ${total("Rss").toFixed(1)} MiB resident, ${total("Pss").toFixed(1)} MiB proportional (wanted ≤ ${wantedIdle}): ` +
      pids
        .map((pid) => `${readFileSync(`/proc/${pid}/comm`, "latin1").trim()} ${(memory(pid, "Rss") / MiB).toFixed(1)}`)
        .join(", "),
  );
  for (const [kind, size] of whereItGoes(pids[0] ?? 0))
    console.log(`  ${(size / MiB).toFixed(1).padStart(6)} MiB  ${kind}`);
  await end([one]);

  const count = Number(values.cells);
  const before = freemem();
  const children: ChildProcess[] = [];
  const begun = performance.now();
  for (let n = 0; n < count; n += 4)
    children.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(4, count - n) }, (_, k) => idle(scene, program, `${n + k}`)),
      )),
    );
  console.log(`${count} runs started in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  const all = children.map((child) => own(child.pid ?? 0));
  const resting = all.flat();
  const used = sum(resting.map(ticks));
  await after(Number(values.seconds) * 1000);
  const cpu = ((sum(resting.map(ticks)) - used) * 10) / Number(values.seconds) / count;
  const each = all.map((pids_) => sum(pids_.map((pid) => memory(pid, "Pss"))) / MiB);
  console.log(
    `each of ${count}: ${(sum(each) / count).toFixed(1)} MiB proportional, ${cpu.toFixed(2)} ms of processor time a second; ` +
      `the machine has ${((before - freemem()) / 2 ** 20 / count).toFixed(1)} MiB less for each, agent included`,
  );
  const answers = await Promise.all(children.map(answered));
  const good = answers.filter((answer) => answer === "200").length;
  const other = [...new Set(answers.filter((answer) => answer !== "200"))].map((answer) => ` (${answer})`);
  console.log(`${good} of ${count} had their request answered with 200, all asking at once${other.join("")}`);
  await end(children);
  if (good !== count) process.exitCode = 1;
} finally {
  await scene.close();
}
