// Fuzzes the parsers of hostile bytes: node test/fuzz/run.ts [--seconds N] [--seed N] [--input BASE64] [target…]
// Each target runs in a worker that notes every input before it tries it, so that one that never returns is known too.
// Exit code 1 and the input in base64 where something is found; the same seed tries the same inputs again.

import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { fuzz, type Outcome } from "./fuzzer.ts";
import { loadTargets } from "./targets.ts";

interface Task {
  readonly name: string;
  readonly seed: number;
  readonly milliseconds: number;
  /** Length (4 bytes) and bytes of the input being tried. */
  readonly current: SharedArrayBuffer;
}

interface Report {
  readonly runs: number;
  readonly finding: { readonly input: string; readonly error: string } | null;
}

const mostInput = 1 << 20;

function told({ runs, finding }: Outcome): Report {
  if (finding === null) return { runs, finding };
  const error = finding.error instanceof Error ? (finding.error.stack ?? finding.error.message) : String(finding.error);
  return { runs, finding: { input: Buffer.from(finding.input).toString("base64"), error } };
}

async function work(task: Task): Promise<void> {
  const [target] = await loadTargets([task.name]);
  if (target === undefined) throw new Error(`no such target: ${task.name}`);
  const length = new Uint32Array(task.current, 0, 1);
  const bytes = new Uint8Array(task.current, 4);
  const note = (input: Uint8Array) => {
    length[0] = input.length;
    bytes.set(input);
  };
  parentPort?.postMessage(told(fuzz(target, task.seed, task.milliseconds, note)));
}

function supervise(task: Task): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(import.meta.filename, { workerData: task });
    const hung = setTimeout(() => {
      const [length = 0] = new Uint32Array(task.current, 0, 1);
      const input = Buffer.from(new Uint8Array(task.current, 4, length)).toString("base64");
      resolve({ runs: 0, finding: { input, error: "did not return within 30 s after the run's end" } });
      void worker.terminate();
    }, task.milliseconds + 30_000);
    worker.on("message", (report: Report) => {
      clearTimeout(hung);
      resolve(report);
    });
    worker.on("error", (error) => {
      clearTimeout(hung);
      reject(error);
    });
  });
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { seconds: { type: "string", default: "10" }, seed: { type: "string" }, input: { type: "string" } },
  });
  const targets = await loadTargets(positionals);
  if (values.input !== undefined) {
    for (const target of targets) target.run(Buffer.from(values.input, "base64"));
    return;
  }
  const seed = Number(values.seed ?? Date.now() % 2 ** 32);
  const milliseconds = Number(values.seconds) * 1000;
  if (!Number.isFinite(seed) || !Number.isFinite(milliseconds)) throw new Error("--seed and --seconds are numbers");
  console.log(`seed ${seed}`);
  for (const { name } of targets) {
    const { runs, finding } = await supervise({
      name,
      seed,
      milliseconds,
      current: new SharedArrayBuffer(4 + mostInput),
    });
    if (finding === null) {
      console.log(`${name}: ${runs} inputs, nothing found`);
      continue;
    }
    process.exitCode = 1;
    console.log(
      `${name}: FOUND after ${runs} inputs\n${finding.error}\nnode test/fuzz/run.ts ${name} --input ${finding.input}`,
    );
  }
}

if (isMainThread) await main();
else await work(workerData as Task);
