// Runs one program in a real cell by the real command line, as a person in the world, and gathers what became of it.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import path from "node:path";
import { newSettings } from "./afterwards.ts";
import { banner, type Family, places, zone } from "./names.ts";
import { type Person, planted, secrets, trapFile } from "./person.ts";
import type { World } from "./world.ts";

export interface Quarter {
  readonly world: World;
  readonly person: Person;
  readonly family: Family;
}

/** One attack's report, as programs/attack.py prints it. */
export interface Report {
  readonly attack: string;
  readonly canary: string;
  /** Reasons of which one must stand in an event of its host. */
  readonly reason?: string | readonly string[];
  readonly host?: string;
  readonly control?: boolean;
  readonly said?: string;
  readonly escaped?: string;
  readonly failed?: string;
}

export interface LoggedEvent {
  readonly type: string;
  readonly action?: { readonly kind: string; readonly host?: string; readonly path?: string };
  readonly decision?: { readonly decision: string; readonly deny_reason?: string };
}

export interface Ran {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The program's network namespace, by its own word. */
  readonly namespace: string | null;
  readonly reports: readonly Report[];
  readonly events: readonly LoggedEvent[];
  /** The session's id; null when there is none. */
  readonly session: string | null;
}

let numbers = 0;

/** Letters and digits that occur nowhere else: what an attack tries to get out. */
export function newCanary(): string {
  numbers += 1;
  return `knry${process.pid.toString(36)}z${numbers}`;
}

const sources = ["own-resolver", "other-abi", "send-ways"];

/** Compiles what is written in C, statically: it brings nothing of the cell's own. Returns the folder. */
export function compilePrograms(world: World): string {
  const folder = path.join(world.folder, "compiled");
  fs.mkdirSync(folder);
  for (const name of sources) {
    const source = path.join(import.meta.dirname, "../programs", `${name}.c`);
    execFileSync("gcc", ["-static", "-O1", "-pthread", "-o", path.join(folder, name), source], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  }
  return folder;
}

/** Copies the programs to the workspace, and compiles what must be compiled. Returns where they are. */
export function placePrograms(person: Person, compiled: string): string {
  const programs = path.join(person.workspace, "attack");
  fs.cpSync(path.join(import.meta.dirname, "../programs"), programs, { recursive: true });
  fs.cpSync(compiled, path.join(programs, "bin"), { recursive: true });
  execFileSync("chown", ["-R", `${person.owner}:${person.owner}`, programs]);
  return programs;
}

/** What a program must know of the world, in a file beside it. */
export function worldFile(quarter: Quarter, canary: string, more: object = {}): string {
  const { world, person, family } = quarter;
  const file = path.join(person.workspace, `${canary}.json`);
  const facts = {
    family,
    canary,
    banner,
    place: places[family],
    zone: zone(family),
    bin: path.join(person.workspace, "attack/bin"),
    home: person.home,
    workspace: person.workspace,
    folder: world.folder,
    abstractSocket: world.abstractSocket.slice(1),
    namedSocket: world.namedSocket,
    sshAuthSock: world.namedSocket,
    linkLocal: "fe80::1",
    hostPid: process.pid,
    secrets,
    settings: newSettings,
    machineId: fs.existsSync("/etc/machine-id") ? fs.readFileSync("/etc/machine-id", "utf8").trim() : "",
    trapFile: trapFile(world, person),
    ...more,
  };
  fs.writeFileSync(file, JSON.stringify(facts), { mode: 0o644 });
  return file;
}

export interface Order {
  readonly flags: readonly string[];
  readonly argv: readonly string[];
  readonly environment?: { readonly [name: string]: string };
  /** Words before the command line of sallyport, run as root inside the world: how a layer is taken away. */
  readonly before?: readonly string[];
  readonly milliseconds?: number;
  readonly stdin?: "pipe";
}

/**
 * What sallyport is started with besides its standard streams: the home's folder, a connection, a key file, and a key
 * in the session's keyring. None of it may arrive in a cell.
 */
const burden = `exec 7<"$HOME" 8<>/dev/tcp/127.0.0.1/6379 9<"$HOME/.ssh/id_ed25519"
exec perl -e 'my ($type, $name, $value) = ("user", "${planted}", "${planted}"); syscall($ENV{ADD_KEY} + 0, $type, $name, $value, 20, -3); delete $ENV{ADD_KEY}; exec @ARGV' -- "$@"`;
const addKey = process.arch === "arm64" ? "217" : "248";

export function start(quarter: Quarter, order: Order): ChildProcess {
  const sallyport = path.join(quarter.world.checkout, "bin/sallyport");
  const command = ["bash", "-c", burden, "bash", sallyport, "run", ...order.flags, "--", ...order.argv];
  const words = quarter.person.command(command, { ...order.environment, ADD_KEY: addKey });
  const at = words.indexOf("--") + 1;
  const argv = [...words.slice(0, at), ...(order.before ?? []), ...words.slice(at)];
  return spawn(argv[0] as string, argv.slice(1), { stdio: [order.stdin ?? "ignore", "pipe", "pipe"] });
}

export async function run(quarter: Quarter, order: Order): Promise<Ran> {
  const before = sessions(quarter.person);
  const child = start(quarter, order);
  const result = await gather(child, order.milliseconds ?? 90_000);
  const folder = [...sessions(quarter.person)].find((name) => !before.has(name));
  const file =
    folder === undefined ? null : path.join(quarter.person.home, ".sallyport/sessions", folder, "events.jsonl");
  const events =
    file === null || !fs.existsSync(file)
      ? []
      : lines(fs.readFileSync(file, "utf8")).map((line) => JSON.parse(line) as LoggedEvent);
  return { ...result, ...parse(result.stdout), events, session: folder ?? null };
}

/** What `sallyport audit verify` says of a session's log: its exit code and words. */
export async function verifyLog(quarter: Quarter, session: string): Promise<Pick<Ran, "code" | "stdout" | "stderr">> {
  const sallyport = path.join(quarter.world.checkout, "bin/sallyport");
  const words = quarter.person.command([sallyport, "audit", "verify", session]);
  return gather(spawn(words[0] as string, words.slice(1), { stdio: ["ignore", "pipe", "pipe"] }), 30_000);
}

/** The same program in the world with no cell around it: proves that what a cell stops would have arrived. */
export async function runBare(quarter: Quarter, argv: readonly string[]): Promise<Omit<Ran, "events" | "session">> {
  const words = quarter.person.command(argv);
  const result = await gather(spawn(words[0] as string, words.slice(1), { stdio: ["ignore", "pipe", "pipe"] }), 90_000);
  return { ...result, ...parse(result.stdout) };
}

export async function gather(
  child: ChildProcess,
  milliseconds: number,
): Promise<Pick<Ran, "code" | "signal" | "stdout" | "stderr">> {
  let stdout = "";
  let stderr = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => child.kill("SIGKILL"), milliseconds);
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  return { code, signal, stdout, stderr };
}

function parse(stdout: string): Pick<Ran, "namespace" | "reports"> {
  let namespace: string | null = null;
  const reports: Report[] = [];
  for (const line of lines(stdout)) {
    if (!line.startsWith("{")) continue;
    const value = JSON.parse(line) as Report | { netns: string };
    if ("netns" in value) namespace = value.netns;
    else reports.push(value);
  }
  return { namespace, reports };
}

function lines(text: string): string[] {
  return text.split("\n").filter((line) => line !== "");
}

function sessions(person: Person): Set<string> {
  const folder = path.join(person.home, ".sallyport/sessions");
  return new Set(fs.existsSync(folder) ? fs.readdirSync(folder) : []);
}
