// A world to attack from: two network namespaces joined by a wire. One stands for the host, where sallyport runs and its
// boundary listens; the other for the internet, where every address exists and answers. What leaves a cell is seen
// by a recorder of all frames on the host's interfaces, and by the listeners themselves.
//
// Needs root. Everything made here dies with the processes that hold the namespaces, and those with this one.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { createAuthority } from "./certificate.ts";
import { type Family, places, zone } from "./names.ts";
import type { OutsideSetup, Sighting } from "./outside.ts";

const checkout = path.resolve(import.meta.dirname, "../../..");

/** Ports of the host that answer to whoever reaches them. */
export const hostPorts = [22, 80, 443, 2375, 5432, 6379, 8080];

export interface Flow {
  readonly interface: string;
  readonly protocol: number;
  readonly address: string;
  readonly port: number;
}

export interface Seen {
  /** Canaries found, and where. */
  readonly hits: readonly string[];
  /** What left the host over a wire. */
  readonly flows: readonly Flow[];
}

const ARP = 0x0806;
const IPV6_HOP_BY_HOP = 0;
const ICMPV6 = 58;
const UDP = 17;
const TCP = 6;
/** Router and neighbour discovery and listener reports: the host's own kernel, not a cell's doing. */
const neighbourly: ReadonlySet<number> = new Set([133, 135, 136, 143]);

/** What went over the wire that is neither the boundary's own nor the kernel's. */
export function leaks(seen: Seen): readonly Flow[] {
  const both = Object.values(places);
  const upstreams = new Set(
    both.flatMap((place) => [place.upstream, place.expired, place.selfSigned, place.wrongName, place.notTls]),
  );
  const resolvers = new Set<string>(both.map((place) => place.resolver));
  return seen.flows.filter(({ protocol, address, port }) => {
    if (protocol === ARP || protocol === IPV6_HOP_BY_HOP) return false;
    if (protocol === ICMPV6) return !neighbourly.has(port);
    if (protocol === TCP && upstreams.has(address)) return port !== 80 && port !== 443;
    return !((protocol === UDP || protocol === TCP) && resolvers.has(address) && port === 53);
  });
}

export interface World {
  /** A folder that everybody can pass through and only root can write. */
  readonly folder: string;
  /** The checkout under test, at a place that everybody can read. */
  readonly checkout: string;
  readonly hostNamespaces: ReadonlySet<string>;
  readonly abstractSocket: string;
  readonly namedSocket: string;
  /** Words that start `argv` where the host's namespaces are the world's. */
  inside(argv: readonly string[]): string[];
  /** Words that start `argv` on the far side of the wire. */
  outside(argv: readonly string[]): string[];
  /** What reached anything outside since the last call. */
  seen(needles: readonly string[]): Promise<Seen>;
  /** Processes that run in the host's stand-in, or in a folder of this world, besides the world's own. */
  left(): readonly string[];
  /** How many mounts the host's stand-in has. */
  mounts(): number;
  close(): void;
}

export async function openWorld(): Promise<World> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sallyport-attack-"));
  fs.chmodSync(folder, 0o711);
  const shared = path.join(folder, "checkout");
  fs.mkdirSync(shared);
  const abstractSocket = `\0${path.basename(folder)}`;
  const namedSocket = path.join(folder, "docker.sock");

  const host = hold(path.join(import.meta.dirname, "outside.ts"));
  const internet = hold(path.join(import.meta.dirname, "outside.ts"));
  const into = (child: ChildProcess, argv: readonly string[]): string[] => [
    "nsenter",
    "--target",
    String(child.pid),
    "--net",
    "--mount",
    "--",
    ...argv,
  ];
  const inside = (argv: readonly string[]): string[] => into(host, argv);
  const outside = (argv: readonly string[]): string[] => into(internet, argv);
  const run = (argv: readonly string[]): string =>
    execFileSync(argv[0] as string, argv.slice(1), { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
  await Promise.all([once(host, "spawn"), once(internet, "spawn")]);
  await Promise.all([namespaceOf(host), namespaceOf(internet)]);

  wire(host, internet, inside, outside, run);
  const resolvConf = path.join(folder, "resolv.conf");
  fs.writeFileSync(resolvConf, `nameserver ${places[4].resolver}\noptions timeout:1 attempts:2\n`);
  run(inside(["mount", "--bind", resolvConf, "/etc/resolv.conf"]));
  run(inside(["mount", "--bind", checkout, shared]));

  await setUp(host, { role: "host", tcp: hostPorts, udp: [443, 4433, 5000], unix: [abstractSocket, namedSocket] });
  await setUp(internet, await internetSetup(folder));
  const sniffer = spawn("nsenter", inside(["python3", path.join(import.meta.dirname, "sniffer.py")]).slice(1), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: sniffer.stdout })[Symbol.asyncIterator]();
  await lines.next();

  const memory = plantSharedMemory(path.basename(folder));

  let questions = 0;
  return {
    folder,
    checkout: shared,
    hostNamespaces: new Set([fs.readlinkSync("/proc/self/ns/net"), await namespaceOf(host)]),
    abstractSocket,
    namedSocket,
    inside,
    outside,
    async seen(needles) {
      questions += 1;
      sniffer.stdin.write(`${JSON.stringify({ needles })}\n`);
      const answered = await lines.next();
      const frames = JSON.parse(answered.value as string) as {
        hits: unknown[][];
        flows: [string, number, string, number][];
      };
      const sightings = [...(await ask(host, questions, needles)), ...(await ask(internet, questions, needles))];
      const hits = [
        ...frames.hits.map(([needle, ...where]) => `${needle}: frame to ${where.join(" ")}`),
        ...sightings.map(({ via, text }) => `${text}: ${via}`),
      ];
      const flows = frames.flows
        .filter(([name]) => name !== "lo")
        .map(([name, protocol, address, port]) => ({ interface: name, protocol, address, port }));
      return { hits: [...new Set(hits)], flows };
    },
    left() {
      const mine = new Set([host.pid, sniffer.pid, process.pid]);
      const mounts = fs.readlinkSync(`/proc/${host.pid}/ns/mnt`);
      const found: string[] = [];
      for (const pid of fs.readdirSync("/proc")) {
        if (!/^\d+$/.test(pid) || mine.has(Number(pid))) continue;
        const cmdline = read(`/proc/${pid}/cmdline`).replaceAll("\0", " ");
        const inside =
          link(`/proc/${pid}/ns/mnt`) === mounts ||
          link(`/proc/${pid}/cwd`).includes(folder) ||
          cmdline.includes(folder);
        if (inside && cmdline !== "") found.push(`${pid} ${cmdline.slice(0, 120)}`);
      }
      return found;
    },
    mounts: () => run(inside(["cat", "/proc/self/mountinfo"])).split("\n").length,
    close() {
      for (const child of [sniffer, host, internet]) child.kill("SIGKILL");
      memory.remove();
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Empty for a process that has just gone, or that is none of ours to look at: one so deep that its folder has no name, say. */
function read(file: string): string {
  try {
    return fs.readFileSync(file, "utf8");
  } catch (error) {
    if (isElsewhere(error)) return "";
    throw error;
  }
}

function link(file: string): string {
  try {
    return fs.readlinkSync(file);
  } catch (error) {
    if (isElsewhere(error)) return "";
    throw error;
  }
}

function isElsewhere(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    ["ENOENT", "ESRCH", "EACCES", "ENAMETOOLONG"].includes(String(error.code))
  );
}

/** Shared memory of the host of both kinds, open to everybody. */
function plantSharedMemory(name: string): { remove(): void } {
  const file = path.join("/dev/shm", name);
  fs.writeFileSync(file, name, { mode: 0o666 });
  const id = /\d+/.exec(execFileSync("ipcmk", ["--shmem", "4096", "--mode", "0666"], { encoding: "utf8" }))?.[0] ?? "";
  return {
    remove() {
      fs.rmSync(file, { force: true });
      execFileSync("ipcrm", ["--shmem-id", id], { stdio: "ignore" });
    },
  };
}

/** A process in namespaces of its own, that ends when its parent does. */
function hold(file: string): ChildProcess {
  return spawn("unshare", ["--net", "--mount", "--propagation", "private", "--", process.execPath, file], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
}

/** The child's network namespace, once it has one of its own. */
async function namespaceOf(child: ChildProcess): Promise<string> {
  const own = fs.readlinkSync("/proc/self/ns/net");
  for (;;) {
    const its = fs.readlinkSync(`/proc/${child.pid}/ns/net`);
    if (its !== own) return its;
    await new Promise(setImmediate);
  }
}

function wire(
  host: ChildProcess,
  internet: ChildProcess,
  inside: (argv: readonly string[]) => string[],
  outside: (argv: readonly string[]) => string[],
  run: (argv: readonly string[]) => string,
): void {
  const [own4, other4] = places[4].host as [string, string];
  const [own6, other6] = places[6].host as [string, string];
  run(inside(["ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", String(internet.pid)]));
  const far = `
link set lo up
addr add ${places[4].gateway}/24 dev eth0
addr add ${places[6].gateway}/64 dev eth0 nodad
link set eth0 up
route add local default dev lo table main
`;
  const near = `
link set lo up
addr add ${own4}/24 dev eth0
addr add ${own6}/64 dev eth0 nodad
addr add ${other4}/32 dev lo
addr add ${other6}/128 dev lo nodad
link set eth0 up
route add default via ${places[4].gateway}
route add default via ${places[6].gateway}
`;
  for (const [enter, script] of [
    [outside, far],
    [inside, near],
  ] as const) {
    for (const line of script.trim().split("\n")) run(enter(["ip", ...line.split(" ")]));
  }
  // Not in the table `local`, where it would hide the way back over the wire.
  run(outside(["ip", "-6", "route", "add", "local", "default", "dev", "lo", "table", "main"]));
  // Whatever port is dialled out there, somebody answers.
  const rules =
    "table inet everything { chain arriving { type nat hook prerouting priority -100 ; tcp dport != { 80, 443 } redirect to :7 ; udp dport != 53 redirect to :7 ; } ; }";
  run(outside(["nft", rules]));
  if (host.pid === undefined) throw new Error("the host's stand-in did not start");
}

async function internetSetup(folder: string): Promise<OutsideSetup> {
  const authority = await createAuthority();
  fs.writeFileSync(path.join(folder, "upstream-ca.pem"), authority.certificate, { mode: 0o644 });
  const names = ([4, 6] as Family[]).flatMap((family) => [`*.${zone(family)}`, zone(family), `*.wild.${zone(family)}`]);
  const past = { from: Date.now() - 40 * 86_400_000, to: Date.now() - 86_400_000 };
  return {
    role: "internet",
    tcp: [7],
    udp: [7],
    unix: [],
    good: await authority.issue(names),
    expired: await authority.issue(names, past),
    selfSigned: await authority.selfSigned(names),
    wrongName: await authority.issue(["somebody-else.test"]),
  };
}

async function setUp(child: ChildProcess, setup: OutsideSetup): Promise<void> {
  child.send({ setup });
  await once(child, "message");
}

async function ask(child: ChildProcess, id: number, needles: readonly string[]): Promise<readonly Sighting[]> {
  child.send({ id, needles });
  const [answer] = (await once(child, "message")) as [{ id: number; hits: Sighting[] }];
  if (answer.id !== id) throw new Error("the listeners answered another question");
  return answer.hits;
}
