// Attacks: real programs in real cells, by the real command line, against real listeners outside. Each must fail to
// succeed. Four quarters: as root and as an ordinary user made for the run, over IPv4 and over IPv6; a quarter that
// did not run is a failure, unless SALLYPORT_ATTACK_QUARTERS (`root4 root6 user4 user6`) asked for less.
// Every attack asserts that its program was in a network namespace that is not the host's, that nothing outside saw its canary,
// and, where a refusal is defined, that the event is there.

import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, suite, test } from "node:test";
import { assertSettings, dangerousFiles, settingsLeft, workWithGit } from "./world/afterwards.ts";
import {
  compilePrograms,
  newCanary,
  placePrograms,
  type Quarter,
  type Ran,
  type Report,
  run,
  runBare,
  verifyLog,
  worldFile,
} from "./world/cell.ts";
import { frozen, killedWhileStarting, live, lives, nothingLeft } from "./world/lifetime.ts";
import type { Family } from "./world/names.ts";
import { becomeRoot, createUser, type Person, placeWorkspace, trapFile } from "./world/person.ts";
import { writePolicy } from "./world/policy.ts";
import { layers, leaning, without } from "./world/without-layer.ts";
import { leaks, openWorld, type Seen, type World } from "./world/world.ts";

const all = ["root4", "root6", "user4", "user6"] as const;
type Name = (typeof all)[number];
const asked = (process.env.SALLYPORT_ATTACK_QUARTERS ?? all.join(" "))
  .split(/[\s,]+/)
  .filter((name): name is Name => all.some((one) => one === name));
const onlyPrograms = process.env.SALLYPORT_ATTACK_PROGRAMS?.split(/[\s,]+/);

/** Each program, what it is allowed, and what it is about. */
const programs = [
  { file: "around.py", about: "going around the boundary", rules: true },
  { file: "around.py", about: "going around the boundary with nothing allowed", rules: false },
  {
    file: "around.py",
    about: "going around the boundary as root of a nested user namespace",
    rules: true,
    nested: true,
  },
  { file: "dns.py", about: "names as a way out", rules: true },
  { file: "observed.py", about: "private space from a run that is observed", rules: true, observe: true },
  { file: "names.py", about: "names and addresses", rules: true },
  { file: "tls_http.py", about: "TLS and HTTP/1", rules: true },
  { file: "kernel.py", about: "the kernel", rules: true },
  { file: "files.py", about: "files", rules: true },
  { file: "moved.py", about: "the repository replaced", rules: true },
  { file: "limits.py", about: "limits", rules: true },
].filter(({ file }) => onlyPrograms === undefined || onlyPrograms.includes(file));

const totals = new Map<Name, { withstood: number; succeeded: number }>();
let world: World;
let compiled: string;
const people = new Map<string, Person>();

before(async () => {
  assert.equal(
    process.geteuid?.(),
    0,
    "the attacks need root: they run as root and as a user they create, in network namespaces of their own",
  );
  world = await openWorld();
  compiled = compilePrograms(world);
  people.set("root", becomeRoot(world));
  people.set("user", createUser(world));
  for (const person of people.values()) placePrograms(person, compiled);
});

after(() => {
  for (const person of people.values()) person.leave();
  world?.close();
  for (const name of all) {
    const total = totals.get(name);
    console.log(
      total === undefined
        ? `${name}: did not run`
        : `${name}: ${total.withstood} attacks withstood, ${total.succeeded} succeeded`,
    );
  }
  if (process.env.SALLYPORT_ATTACK_QUARTERS === undefined && totals.size < all.length) process.exitCode = 1;
});

function quarterOf(name: Name): Quarter {
  const person = people.get(name.slice(0, 4));
  assert.ok(person);
  return { world, person, family: Number(name.slice(4)) as Family };
}

/** One attack's verdict. */
function judge(report: Report, ran: Ran, seen: Seen): void {
  assert.ok(ran.namespace !== null, "the program did not say where it ran");
  assert.ok(!world.hostNamespaces.has(ran.namespace), `it ran in the host's network namespace ${ran.namespace}`);
  assert.equal(report.escaped, undefined, `it got out: ${report.escaped}`);
  assert.equal(report.failed, undefined, `it met something else: ${report.failed}`);
  assert.deepEqual(
    seen.hits.filter((hit) => hit.startsWith(report.canary)),
    [],
    "the outside saw its canary",
  );
  if (report.reason === undefined) return;
  const reasons = [report.reason].flat();
  const events = ran.events.filter(
    (event) =>
      event.decision?.decision === "deny" &&
      (report.host === undefined || event.action?.host === report.host) &&
      reasons.some((reason) => reason === event.decision?.deny_reason),
  );
  assert.ok(
    events.length > 0,
    `no event says ${reasons.join(" or ")}${report.host === undefined ? "" : ` of ${report.host}`}`,
  );
}

for (const name of asked) {
  suite(`${name.slice(0, 4)} over IPv${name.slice(4)}`, { concurrency: 1 }, () => {
    const total = { withstood: 0, succeeded: 0 };
    totals.set(name, total);
    for (const { file, about, rules, nested, observe } of programs) {
      test(about, async (t) => {
        const quarter = quarterOf(name);
        const canary = newCanary();
        const nesting = nested ? '[execution]\nnested_sandbox = "allow"\n' : "";
        const held = rules ? ["--policy", writePolicy(world, quarter.family, nesting)] : [];
        const flags = observe ? [...held, "--observe"] : held;
        placeWorkspace(quarter.person);
        fs.rmSync(trapFile(world, quarter.person), { force: true });
        await world.seen([]);
        const ran = await run(quarter, {
          flags,
          argv: [
            ...(nested ? ["unshare", "--user", "--map-root-user", "--mount"] : []),
            "/usr/bin/python3",
            `attack/${file}`,
            worldFile(quarter, canary),
          ],
        });
        const seen = await world.seen(ran.reports.map((report) => report.canary));
        await t.test("the program ran to its end in a cell", () => {
          assert.equal(ran.code, 0, `exit ${ran.code} ${ran.signal}: ${ran.stderr.slice(-2000)}`);
          assert.ok(ran.reports.length > 0);
          const control = [...ran.stderr].filter(
            (letter) => letter !== "\n" && (letter < " " || (letter >= "\x7f" && letter < "\xa0")),
          );
          assert.deepEqual(control, [], "the person's terminal was written to as the agent liked");
        });
        await t.test("the log holds together, whatever the agent said and did", async () => {
          assert.ok(ran.session !== null);
          const verified = await verifyLog(quarter, ran.session);
          assert.equal(verified.code, 0, verified.stdout + verified.stderr);
        });
        for (const report of ran.reports) {
          await t.test(report.attack, () => {
            total.succeeded += 1;
            judge(report, ran, seen);
            total.succeeded -= 1;
            total.withstood += 1;
          });
        }
        if (file === "files.py" || file === "moved.py") {
          const { person } = quarter;
          await t.test("settings of git that would run on the host do not survive", () => assertSettings(person));
          await t.test("working with git afterwards sets nothing off", () =>
            assert.equal(workWithGit(world, person), ""),
          );
          await t.test("settings that tools of the host act on do not stay", () =>
            assert.deepEqual(settingsLeft(person), []),
          );
          await t.test("no setuid file of root's and no device is left", () =>
            assert.deepEqual(dangerousFiles(person), []),
          );
        }
        await t.test("what left the machine is the boundary's own: allowed upstreams and the resolver", () => {
          assert.deepEqual(leaks(seen), []);
        });
      });
    }
    if (onlyPrograms !== undefined && !onlyPrograms.includes("lifetime")) return;
    const count = async (work: () => Promise<void>): Promise<void> => {
      total.succeeded += 1;
      await work();
      total.succeeded -= 1;
      total.withstood += 1;
    };
    const policy = (quarter: Quarter): readonly string[] => ["--policy", writePolicy(world, quarter.family)];
    for (const way of ["private", "shared", "memory files", "System V", "files", "spread"]) {
      test(`memory is held to its limit: ${way}`, () =>
        count(async () => {
          const quarter = quarterOf(name);
          const file = writePolicy(world, quarter.family, '[execution]\nmax_memory = "512MiB"\n');
          const argv = ["/usr/bin/python3", "attack/memory.py", worldFile(quarter, newCanary()), way, "3072"];
          const ran = await run(quarter, { flags: ["--policy", file], argv });
          assert.ok(ran.namespace !== null && !world.hostNamespaces.has(ran.namespace), ran.stderr);
          assert.ok(!/^had$/m.test(ran.stdout), "three gibibytes were had");
          await nothingLeft(quarter);
        }));
    }
    for (const life of lives) {
      test(`nothing is left when ${life.title}`, () => {
        const quarter = quarterOf(name);
        return count(() => live(quarter, life, policy(quarter)));
      });
    }
    test("nothing is left when sallyport is killed while it starts", (t) =>
      count(() => killedWhileStarting(quarterOf(name), policy(quarterOf(name)), t)));
    test("a boundary that has run out of descriptors lets nothing through", () =>
      count(async () => {
        const quarter = quarterOf(name);
        await world.seen([]);
        const argv = ["/usr/bin/python3", "attack/around.py", worldFile(quarter, newCanary(), { patience: 3 })];
        const ran = await run(quarter, { flags: policy(quarter), argv, before: ["prlimit", "--nofile=100:100"] });
        const seen = await world.seen(ran.reports.map((report) => report.canary));
        assert.deepEqual(
          ran.reports.filter((report) => report.escaped !== undefined),
          [],
        );
        assert.deepEqual(seen.hits, []);
        assert.deepEqual(leaks(seen), []);
        await nothingLeft(quarter);
      }));
    test("a boundary that stands still lets nothing through", () =>
      count(() => frozen(quarterOf(name), policy(quarterOf(name)))));
  });
}

suite("with one layer less no packet leaves", { concurrency: 1 }, () => {
  if (onlyPrograms !== undefined && !onlyPrograms.includes("layers")) return;
  for (const layer of layers) {
    test(`without ${layer}`, async (t) => {
      const removal = without(world, layer);
      for (const name of asked.filter((one) => one.startsWith("user"))) {
        const quarter = quarterOf(name);
        for (const file of leaning[layer]) {
          await t.test(`${file} over IPv${quarter.family}`, async () => {
            await world.seen([]);
            const flags = ["--policy", writePolicy(world, quarter.family)];
            const argv = ["/usr/bin/python3", `attack/${file}`, worldFile(quarter, newCanary(), { patience: 3 })];
            const ran = await run(quarter, { flags, argv, before: removal.before });
            const seen = await world.seen(ran.reports.map((report) => report.canary));
            assert.ok(fs.existsSync(removal.mark), "the layer was not left out");
            assert.ok(
              ran.namespace !== null && !world.hostNamespaces.has(ran.namespace),
              `it ran in ${ran.namespace}: ${ran.stderr}`,
            );
            assert.ok(ran.reports.length > 30, `${ran.reports.length} attacks ran: ${ran.stderr}`);
            assert.deepEqual(seen.hits, [], "the outside saw a canary");
            assert.deepEqual(leaks(seen), []);
            await nothingLeft(quarter);
          });
        }
      }
    });
  }
});

test("the same attacks do get out where there is no cell, and the listeners tell", async (t) => {
  for (const family of [4, 6] as Family[]) {
    const quarter = quarterOf(`user${family}`);
    const reports: Report[] = [];
    for (const file of ["around.py", "dns.py"]) {
      const ran = await runBare(quarter, [
        "/usr/bin/python3",
        `attack/${file}`,
        worldFile(quarter, newCanary(), { only: "control" }),
      ]);
      reports.push(...ran.reports);
    }
    const seen = await world.seen(reports.map((report) => report.canary));
    await t.test(`over IPv${family}`, () => {
      assert.ok(reports.length > 50, `${reports.length} attacks ran`);
      const unseen = reports.filter((report) => !seen.hits.some((hit) => hit.startsWith(report.canary)));
      assert.deepEqual(
        unseen.map((report) => report.attack),
        [],
      );
    });
  }
});
