// Repairs that were made, and taking them back. What was done is kept on the machine, not in a home: it holds for every user.
// Rules: a step is noted before it is taken, so that one that was cut off is taken back as well; what somebody else has changed
// since is left as it is, and told.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { Failure } from "#core/failure.ts";
import type { Repair, Step } from "./plan.ts";

export const repairsFile = "/var/lib/sallyport/repairs.json";
const toolPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const version = "sallyport.repairs.v1";

/** Those that were made on this machine, in their order. @throws Failure repair_failed for a file that is no record of them */
export function madeRepairs(): readonly Repair[] {
  let text: string;
  try {
    text = readFileSync(repairsFile, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw failed(repairsFile, `what was repaired cannot be read: ${(cause as Error).message}`, cause);
  }
  try {
    const found = JSON.parse(text) as { version?: string; repairs?: Repair[] };
    if (found.version === version && Array.isArray(found.repairs)) return found.repairs;
  } catch (cause) {
    throw failed(repairsFile, "this is no record of repairs", cause);
  }
  throw failed(repairsFile, "this is no record of repairs");
}

/** Takes every step, as root. @throws Failure repair_failed */
export function makeRepair(repair: Repair): void {
  const made = madeRepairs();
  const earlier = repair.id === "packages" ? undefined : made.find(({ id }) => id === repair.id);
  save([...made.filter((each) => each !== earlier), earlier === undefined ? repair : together(earlier, repair)]);
  for (const step of repair.steps) take(step);
}

/** Both as one, from what was there before the first. */
function together(earlier: Repair, later: Repair): Repair {
  const of = (step: Step, steps: readonly Step[]) =>
    steps.find((each) => each.kind !== "command" && step.kind !== "command" && each.path === step.path);
  const only = earlier.steps.filter((step) => step.kind !== "command" && of(step, later.steps) === undefined);
  const steps = later.steps.map((step) => {
    const first = of(step, earlier.steps);
    return first === undefined ? step : ({ ...first, after: (step as { after: string }).after } as Step);
  });
  return { ...later, steps: [...only, ...steps] };
}

/** Takes them all back, the last first, as root. @returns what was left as it is, a sentence each. */
export function undoRepairs(): readonly string[] {
  const left: string[] = [];
  for (const repair of [...madeRepairs()].reverse()) {
    for (const step of [...repair.steps].reverse()) {
      const told = undo(step);
      if (told !== null) left.push(told);
    }
    if (repair.afterwards !== null) left.push(repair.afterwards);
  }
  rmSync(dirname(repairsFile), { recursive: true, force: true });
  return left;
}

function save(repairs: readonly Repair[]): void {
  write(repairsFile, `${JSON.stringify({ version, repairs }, null, 2)}\n`);
}

function take(step: Step): void {
  if (step.kind === "command") run(step.argv);
  else write(step.path, step.after);
}

function undo(step: Step): string | null {
  if (step.kind === "command") {
    if (step.undo === null) return null;
    try {
      run(step.undo);
      return null;
    } catch (error) {
      return `${step.undo.join(" ")} did not work: ${(error as Error).message}.`;
    }
  }
  const now = read(step.path);
  if (now === null || now.trim() === step.before?.trim()) return null;
  if (now.trim() !== step.after.trim()) return `${step.path} was changed since, and is left as it is.`;
  if (step.before === null) rmSync(step.path, { force: true });
  else write(step.path, step.before);
  return null;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // gone already
  }
}

function write(path: string, text: string): void {
  try {
    if (!path.startsWith("/proc/")) mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
    writeFileSync(path, text, { mode: 0o644 });
  } catch (cause) {
    throw failed(path, `it cannot be written: ${(cause as Error).message}`, cause);
  }
}

function run(argv: readonly string[]): void {
  const [command = "", ...args] = argv;
  const env = { PATH: toolPath, LANG: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  try {
    execFileSync(command, args, { env, stdio: ["ignore", "pipe", "pipe"], encoding: "utf8", timeout: 600_000 });
  } catch (cause) {
    const said = (cause as { stderr?: string }).stderr?.trim().split("\n").at(-1);
    throw failed(argv.join(" "), `it did not work: ${said || (cause as Error).message}`, cause);
  }
}

function failed(place: string, message: string, cause?: unknown): Failure {
  return new Failure("repair_failed", message, {
    place,
    remedy: "Put it right by hand; doctor says what is missing.",
    cause,
  });
}
