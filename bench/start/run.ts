// How long `sallyport run -- true` takes over bare `true`, from the installed package and from the checkout, in an
// empty workspace and in one of 200,000 files, beside sandbox-runtime's `srt true`.
//
//   npm run bench:start [-- --rounds 30]
//
// Every round starts each contestant once, in a new order, so that a busy moment hurts all alike. The minimum is the
// figure: what the program needs when nobody disturbs it. All run under the same Node, free on all cores and then
// pinned to one. sandbox-runtime comes from npm into .cache/bench; it needs socat and ripgrep.

import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { openRegistry } from "#test/package/registry.ts";

const srtVersion = "0.0.83";
const largeTree = { folders: 2000, files: 100 };

const root = dirname(dirname(import.meta.dirname));
const cache = join(root, ".cache", "bench");
const { values } = parseArgs({ options: { rounds: { type: "string", default: "30" } } });
const rounds = Number(values.rounds);

interface Contestant {
  readonly name: string;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly times: number[];
}

const dir = mkdtempSync(join(tmpdir(), "sallyport-bench-start-"));
const home = join(dir, "home");
const environment = {
  PATH: `${dirname(process.execPath)}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
  HOME: home,
};

try {
  mkdirSync(home, { mode: 0o700 });
  const small = join(dir, "small");
  mkdirSync(small);
  const large = makeLargeTree(join(dir, "large"));
  const installed = await install(join(dir, "prefix"));
  const srt = installSrt();
  const checkout = join(root, "bin", "sallyport");

  console.log(
    `${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node.js ${process.versions.node}, uid ${process.geteuid?.()}`,
  );
  for (const pinned of [false, true]) {
    const pin = pinned ? ["taskset", "-c", "0"] : [];
    const enter = (name: string, command: readonly string[], cwd = small): Contestant => ({
      name,
      command: [...pin, ...command],
      cwd,
      times: [],
    });
    const contestants = [
      enter("true", ["true"]),
      enter("sallyport, installed", [installed, "run", "--quiet", "--", "true"]),
      enter("sallyport, checkout", [checkout, "run", "--quiet", "--", "true"]),
      enter("sallyport, installed, 200,000 files", [installed, "run", "--quiet", "--", "true"], large),
      enter(`srt ${srtVersion}`, [srt, "true"]),
    ];
    measure(contestants);
    print(contestants, pinned);
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}

function measure(contestants: readonly Contestant[]): void {
  for (const contestant of contestants) start(contestant);
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contestants.length; turn++) {
      const contestant = contestants[(turn + round) % contestants.length];
      contestant?.times.push(start(contestant));
    }
  }
}

/** One start to the end, in ms. A start that fails ends the measurement: it would be a fast one. */
function start({ name, command, cwd }: Contestant): number {
  const [file = "", ...args] = command;
  const began = process.hrtime.bigint();
  const { status, stderr } = spawnSync(file, args, { cwd, env: environment, stdio: ["ignore", "ignore", "pipe"] });
  const took = Number(process.hrtime.bigint() - began) / 1e6;
  if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
  return took;
}

function print(contestants: readonly Contestant[], pinned: boolean): void {
  const sorted = contestants.map(({ name, times }) => ({ name, times: times.toSorted((a, b) => a - b) }));
  const least = (part: string): number => sorted.find(({ name }) => name.startsWith(part))?.times[0] ?? Number.NaN;
  const bare = least("true");
  console.log(`\n${rounds} rounds, ${pinned ? "pinned to one core" : "all cores"}; ms`);
  console.log(`${"".padEnd(38)}${["min", "median", "min over true"].map((head) => head.padStart(14)).join("")}`);
  for (const { name, times } of sorted) {
    const figures = [times[0] ?? 0, times[times.length >> 1] ?? 0, (times[0] ?? 0) - bare];
    console.log(name.padEnd(38) + figures.map((figure) => figure.toFixed(1).padStart(14)).join(""));
  }
  const installed = least("sallyport, installed");
  const claims: readonly [string, number, number][] = [
    ["installed, over bare true (ms)", installed - bare, 60],
    ["checkout, over bare true (ms)", least("sallyport, checkout") - bare, 90],
    ["200,000 files, over an empty folder (ms)", least("sallyport, installed, 200") - installed, 20],
    ["installed / srt", installed / least("srt"), 0.25],
  ];
  for (const [what, figure, goal] of claims) {
    console.log(
      `${what.padEnd(42)} ${figure.toFixed(goal < 1 ? 3 : 1).padStart(7)}  goal ≤ ${goal}: ${figure <= goal ? "met" : "MISSED"}`,
    );
  }
}

/** The packed program, installed by npm as users get it. */
async function install(prefix: string): Promise<string> {
  const registry = await openRegistry(root);
  try {
    const packed = execFileSync("npm", ["pack", "--silent", "--pack-destination", dir], {
      cwd: root,
      encoding: "utf8",
    });
    const tarball = join(dir, packed.trim().split("\n").at(-1) ?? "");
    const settings = [
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      `--registry=${registry.url}`,
      `--cache=${join(dir, "npm")}`,
    ];
    await new Promise<void>((resolve, reject) => {
      const npm = spawn("npm", ["install", "--global", "--prefix", prefix, ...settings, tarball], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      npm.once("exit", (code) => (code === 0 ? resolve() : reject(new Error(`npm install ended with ${code}`))));
    });
  } finally {
    await registry.close();
  }
  return join(prefix, "bin", "sallyport");
}

function installSrt(): string {
  const missing = ["socat", "rg"].filter((tool) => spawnSync("which", [tool]).status !== 0);
  if (missing.length > 0) throw new Error(`sandbox-runtime needs ${missing.join(" and ")}: apt install socat ripgrep`);
  const prefix = join(cache, "srt");
  const command = join(prefix, "node_modules", ".bin", "srt");
  if (!existsSync(command)) {
    mkdirSync(prefix, { recursive: true });
    writeFileSync(join(prefix, "package.json"), '{"private":true}\n');
    const wanted = `@anthropic-ai/sandbox-runtime@${srtVersion}`;
    console.log(`installing ${wanted} into ${prefix}`);
    execFileSync("npm", ["install", "--ignore-scripts", "--no-audit", "--no-fund", wanted], {
      cwd: prefix,
      stdio: "inherit",
    });
  }
  return command;
}

function makeLargeTree(path: string): string {
  for (let folder = 0; folder < largeTree.folders; folder++) {
    const at = join(path, `folder-${folder}`);
    mkdirSync(at, { recursive: true });
    for (let file = 0; file < largeTree.files; file++) writeFileSync(join(at, `file-${file}.txt`), "");
  }
  if (readdirSync(path).length !== largeTree.folders) throw new Error("the large tree is not whole");
  return path;
}
