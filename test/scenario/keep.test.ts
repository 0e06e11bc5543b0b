// What is kept of a run, and for how long: `--no-session`, `sessions list` among thousands, `sessions prune`.

import assert from "node:assert/strict";
import { once } from "node:events";
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect } from "./program.ts";
import { openScene, type Scene } from "./scene.ts";

let place: Scene;
before(async () => {
  place = await openScene("keep");
});
after(() => place?.close());

const runs = () => join(place.home, "log", "runs");
const keptRuns = (): readonly string[] => (existsSync(runs()) ? readdirSync(runs()).sort() : []);

test("--no-session keeps the decisions in the home's log, and neither output nor a session", async () => {
  const script = "echo secret; curl -s https://api.example.com/a; curl -s https://example.com/x; exit 5";
  const ran = await place.run(["run", "--no-session", "--policy", place.served, "--", "sh", "-c", script]);
  assert.equal(ran.code, 5, ran.stderr);
  assert.match(ran.stdout, /^secret\n/);
  assert.deepEqual(place.sessions(), []);
  const [run = ""] = keptRuns();
  assert.ok(ran.stderr.includes(run), ran.stderr);
  const folder = join(runs(), run);
  assert.deepEqual(readdirSync(folder), ["events.jsonl"]);
  assert.equal(statSync(folder).mode & 0o777, 0o500);
  assert.equal(statSync(join(folder, "events.jsonl")).mode & 0o777, 0o400);
  const events = readFileSync(join(folder, "events.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map(
      (line) =>
        JSON.parse(line) as { type: string; action?: { host: string; kind: string }; detail?: { exit_code: number } },
    );
  assert.deepEqual(new Set(events.filter((event) => event.type === "output")), new Set());
  for (const host of ["api.example.com", "example.com"])
    assert.ok(
      events.some((event) => event.action?.kind === "http" && event.action.host === host),
      host,
    );
  assert.equal(events.at(-1)?.detail?.exit_code, 5);
  assert.doesNotMatch(readFileSync(join(folder, "events.jsonl"), "utf8"), /"output"/);
});

test("such a log verifies, is shown, and is broken by a change", async () => {
  const [run = ""] = keptRuns();
  const verified = await place.run(["audit", "verify", run, "--json"]);
  assert.equal(verified.code, 0, verified.stdout);
  assert.equal((JSON.parse(verified.stdout) as { kept: string }).kept, "events");
  assert.match((await place.run(["sessions", "events", run, "--denied"])).stdout, /example\.com/);
  const copy = join(place.root, run);
  cpSync(join(runs(), run), copy, { recursive: true });
  chmodSync(copy, 0o700);
  const file = join(copy, "events.jsonl");
  chmodSync(file, 0o600);
  assert.equal((await place.run(["audit", "verify", copy])).code, 0);
  appendFileSync(file, '{"type":"output","stream":"stdout"}\n');
  assert.equal((await place.run(["audit", "verify", copy])).code, 1);
});

test("without a session, caps end the run as they do with one", async () => {
  const cases: readonly (readonly [readonly string[], string, number, string])[] = [
    [["--max-output-lines", "2"], "seq 1 10; sleep 30", 123, "1\n2\n"],
    [["--max-output-bytes", "5"], "printf 0123456789; sleep 30", 123, "01234"],
    [["--max-runtime", "1"], "sleep 30", 124, ""],
  ];
  for (const [flags, script, code, printed] of cases) {
    const ran = await place.run(["run", "--no-session", "--quiet", ...flags, "--", "sh", "-c", script]);
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(ran.stdout, printed);
  }
  assert.deepEqual(place.sessions(), []);
});

test("a policy that says audit_all_actions = true refuses --no-session; one that says nothing, or false, does not", async () => {
  const run = (text: string) => place.run(["run", "--no-session", "--policy", place.policy(text), "--", "true"]);
  const refused = await run("[execution]\naudit_all_actions = true\n");
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /--no-session.*audit_all_actions.*\(usage\)/s);
  for (const text of ["", "[execution]\naudit_all_actions = false\n"]) assert.equal((await run(text)).code, 0, text);
});

/** Copies of one ended session, under ids of these days of 2025, so that there are many at little cost. */
function copies(id: string, days: readonly number[]): void {
  const session = readFileSync(join(place.home, "sessions", id, "session.json"), "utf8");
  for (const [index, day] of days.entries()) {
    const time = new Date(Date.UTC(2025, 0, day));
    const text = time.toISOString();
    const name = `${text.slice(0, 10).replaceAll("-", "")}-000000-${index.toString(16).padStart(6, "0")}`;
    const folder = join(place.home, "sessions", name);
    cpSync(join(place.home, "sessions", id), folder, { recursive: true });
    chmodSync(folder, 0o700);
    chmodSync(join(folder, "session.json"), 0o600);
    const record = { ...(JSON.parse(session) as object), id: name, started: text, ended: text };
    writeFileSync(join(folder, "session.json"), JSON.stringify(record));
    chmodSync(join(folder, "session.json"), 0o400);
    chmodSync(folder, 0o500);
  }
}

test("among many sessions the newest are listed, and it is said how to see the others", async () => {
  await place.run(["run", "--quiet", "--", "true"]);
  const [id = ""] = place.sessions();
  copies(
    id,
    Array.from({ length: 120 }, (_, index) => index + 1),
  );
  const rows = async (...flags: string[]) => {
    const listed = await place.run(["sessions", "list", ...flags]);
    assert.equal(listed.code, 0, listed.stderr);
    return { count: listed.stdout.trimEnd().split("\n").length - 1, said: listed.stderr, stdout: listed.stdout };
  };
  const first = await rows();
  assert.equal(first.count, 50);
  assert.match(first.said, /71 older.*--all/);
  assert.ok(first.stdout.split("\n")[1]?.startsWith(id));
  assert.equal((await rows("--all")).count, 121);
  assert.equal((await rows("-n", "7")).count, 7);
  const all = await place.run(["sessions", "list", "--json"]);
  assert.equal((JSON.parse(all.stdout) as unknown[]).length, 121);
});

test("prune says what would go, asks, and needs to be told which and whether", async () => {
  const before = place.sessions().length;
  const dry = await place.run(["sessions", "prune", "--older-than", "30d", "--dry-run"]);
  assert.equal(dry.code, 0, dry.stderr);
  assert.match(dry.stdout, /would remove 120 sessions, .*; 1 left/);
  for (const [args, said] of [
    [["--older-than", "30d"], /nobody is there to agree.*--yes/s],
    [["--yes"], /--older-than/],
    [["--older-than", "soon", "--yes"], /soon.*must be a time/s],
    [["--max-size", "much", "--yes"], /much.*must be a size/s],
  ] as const) {
    const ran = await place.run(["sessions", "prune", ...args]);
    assert.equal(ran.code, 125, ran.stdout);
    assert.match(ran.stderr, said);
  }
  assert.equal(place.sessions().length, before);
});

test("prune removes the old ones for good, leaves a running and a young one, and a trace of each that went", async () => {
  const child = place.start(["run", "--quiet", "--", "sh", "-c", "echo started; read line"]);
  assert.ok(child.stdout && child.stdin);
  await once(child.stdout, "data");
  const pruned = await place.run(["sessions", "prune", "--older-than", "30d", "--yes", "--json"]);
  assert.equal(pruned.code, 0, pruned.stderr);
  const said = JSON.parse(pruned.stdout) as {
    removed: { id: string }[];
    freed_bytes: number;
    kept: number;
    failed: unknown[];
  };
  assert.equal(said.removed.length, 120);
  assert.equal(said.kept, 2);
  assert.deepEqual(said.failed, []);
  assert.ok(said.freed_bytes > 120 * 4096);
  const traces = readFileSync(join(place.home, "log", "pruned.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  assert.deepEqual(
    traces.map((line) => (JSON.parse(line) as { session: string }).session),
    said.removed.map((one) => one.id),
  );
  // 0 bytes are never enough: all that may go, goes; the running one stays
  const all = await place.run(["sessions", "prune", "--max-size", "0", "--yes"]);
  assert.equal(all.code, 0, all.stderr);
  assert.equal(place.sessions().length, 1);
  child.stdin.end("go\n");
  assert.equal((await collect(child)).code, 0);
  assert.equal((await place.run(["audit", "verify", "last"])).code, 0);
});

test("a session whose sallyport was killed is pruned like any other", async () => {
  const child = place.start(["run", "--quiet", "--", "sh", "-c", "echo started; sleep 600"]);
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "close");
  const states = JSON.parse((await place.run(["sessions", "list", "--json"])).stdout) as { state: string }[];
  assert.ok(states.some(({ state }) => state === "boundary_lost"));
  const pruned = await place.run(["sessions", "prune", "--max-size", "0", "--yes"]);
  assert.equal(pruned.code, 0, pruned.stderr);
  assert.deepEqual(place.sessions(), []);
});

test("two prunes at once remove everything once", async () => {
  for (let n = 0; n < 4; n++) await place.run(["run", "--quiet", "--", "true"]);
  const args = ["sessions", "prune", "--max-size", "0", "--yes", "--json"];
  const both = await Promise.all([place.run(args), place.run(args)]);
  const removed = both.flatMap(({ stdout }) => (JSON.parse(stdout) as { removed: { id: string }[] }).removed);
  for (const { code, stderr } of both) assert.equal(code, 0, stderr);
  assert.equal(new Set(removed.map(({ id }) => id)).size, 4);
  assert.equal(removed.length, 4);
  assert.deepEqual(place.sessions(), []);
});

test("audit_all_actions = false sums allowed lookups up, counts them all, and leaves the rest as it is", async () => {
  const policy = place.policyWith("[execution]\naudit_all_actions = false\n");
  const script =
    "for n in 1 2 3 4 5; do getent ahosts api.example.com >/dev/null; done; getent hosts evil.example >/dev/null; curl -s https://api.example.com/a";
  const ran = await place.run(["run", "--quiet", "--policy", policy, "--", "sh", "-c", script]);
  assert.equal(ran.code, 0, ran.stderr);
  const events = place.events();
  const lookups = events.filter((event) => event.action?.kind === "dns");
  for (const event of lookups) assert.equal(event.decision?.decision, "deny");
  assert.ok(lookups.length > 0);
  const sums = events.filter((event) => event.type === "dns.summed") as unknown as { detail: { count: number } }[];
  const counted = sums.reduce((sum, { detail }) => sum + detail.count, 0);
  assert.ok(counted >= 5, String(counted));
  assert.ok(sums.length < counted);
  assert.equal((place.record().counts as { dns_allowed: number }).dns_allowed, counted);
  assert.equal(events.filter((event) => event.action?.kind === "http").length, 1);
  assert.equal(events.at(-1)?.type, "session.ended");
  assert.equal((await place.run(["audit", "verify", "last"])).code, 0);
});
