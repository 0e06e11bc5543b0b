// Profiles as a person meets them: which program is known, what it gets, what of the home it sees, and what is refused. The program
// is a stand-in that prints what it was given; the real agents are in test/agents.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place, type Ran, type RunOptions } from "./program.ts";

let place: Place;
let user: string;
let bin: string;

const program = `#!/bin/sh
echo "args=$*" "key=$ANTHROPIC_API_KEY" "other=$OTHER" "telemetry=$DISABLE_TELEMETRY" "updates=$DISABLE_AUTOUPDATER"
cat /etc/claude-code/managed-settings.json "$HOME/.claude/settings.json" 2>&1
echo changed > "$HOME/.claude/settings.json"
echo kept >> "$HOME/.claude/history"
cat "$HOME/.claude/commands/mine.md" "$HOME/.claude/.credentials.json" 2>&1
echo new > "$HOME/.claude/commands/new.md"
wc -l < "$HOME/.claude/history"
exit 0
`;

function file(path: string, text: string, mode = 0o644): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

before(() => {
  place = openPlace("profile");
  user = join(place.root, "user");
  bin = join(place.root, "bin");
  file(join(bin, "claude"), program, 0o755);
  file(join(bin, "wrapper"), program, 0o755);
  symlinkSync(join(bin, "claude"), join(bin, "cc"));
  file(join(user, ".claude", "settings.json"), "settings of mine\n");
  file(join(user, ".claude", "commands", "mine.md"), "command of mine\n");
  file(join(user, ".claude", ".credentials.json"), "login of mine\n", 0o600);
});

after(() => place.close());

function run(args: readonly string[], o: RunOptions = {}): Promise<Ran> {
  const env = { HOME: user, XDG_CACHE_HOME: join(place.root, "cache"), PATH: `${bin}:${process.env.PATH}` };
  return place.run(args, { ...o, env: { ...env, ANTHROPIC_API_KEY: "sk-of-mine", OTHER: "not for it", ...o.env } });
}

test("run claude as it is typed: hosts, key, settings, its own sandbox off, and one line that says so", async () => {
  const ran = await run(["run", "claude", "-p", "two words", "--json"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(
    ran.stderr,
    /^sallyport: profile claude \(hosts, ANTHROPIC_API_KEY, settings of ~\/\.claude, telemetry, updates and news off, its own sandbox off\) · --no-profile$/m,
  );
  assert.doesNotMatch(ran.stderr, /no policy/);
  assert.match(ran.stdout, /^args=-p two words --json key=sk-of-mine other= telemetry=1 updates=1$/m);
  assert.match(ran.stdout, /^\{ "sandbox": \{ "enabled": false \} \}settings of mine$/m);
  assert.match(ran.stdout, /^command of mine$/m);
  const { detail } = place.events().find(({ type }) => type === "policy.loaded") as unknown as {
    detail: { sources: readonly string[]; profile: { name: string; file: string; digest: string } };
  };
  assert.deepEqual(detail.sources, ["profile claude"]);
  assert.equal(detail.profile.name, "claude");
  assert.match(detail.profile.file, /\/profiles\/claude\.toml$/);
  assert.match(detail.profile.digest, /^sha256:[0-9a-f]{64}$/);
});

test("what the agent changes comes back neither to the host's settings nor to its next run; what it keeps, its next run has", async () => {
  const first = await run(["run", "--", "claude"]);
  const lines = Number(first.stdout.trim().split("\n").at(-1));
  const second = await run(["run", "--", "claude"]);
  assert.match(second.stdout, /settings of mine/);
  assert.doesNotMatch(second.stdout, /^changed$/m);
  assert.equal(Number(second.stdout.trim().split("\n").at(-1)), lines + 1, "its own history goes on");
  assert.equal(readFileSync(join(user, ".claude", "settings.json"), "utf8"), "settings of mine\n");
  assert.match(second.stderr, /Read-only file system/);
  assert.ok(!existsSync(join(user, ".claude", "commands", "new.md")));
  assert.ok(!existsSync(join(user, ".claude", "history")));
});

test("a login that is kept in the user's home is not shown", async () => {
  const ran = await run(["run", "claude"]);
  assert.doesNotMatch(ran.stdout, /login of mine/);
});

const known: readonly (readonly [what: string, args: readonly string[], profile: string | null])[] = [
  ["a link to its program", ["run", "cc"], "claude"],
  ["a wrapper", ["run", "wrapper"], null],
  ["a wrapper, told", ["run", "--profile", "claude", "wrapper"], "claude"],
  ["its program, told not to", ["run", "--no-profile", "claude"], null],
  ["its program of the workspace", ["run", "./claude"], null],
];

for (const [what, args, profile] of known) {
  test(`a profile is taken, or not, for ${what}`, async () => {
    file(join(place.workspace, "claude"), program, 0o755);
    const ran = await run(args);
    assert.equal(ran.code, 0, ran.stderr);
    assert.equal(/profile (\S+)/.exec(ran.stderr)?.[1] ?? null, profile);
    assert.match(ran.stdout, profile === null ? /key= / : /key=sk-of-mine /);
    const loaded = place.events().find(({ type }) => type === "policy.loaded") as unknown as { detail: object };
    assert.equal("profile" in loaded.detail, profile !== null);
  });
}

test("--quiet leaves the line out, and --json makes it one of JSON", async () => {
  assert.doesNotMatch((await run(["run", "--quiet", "claude"])).stderr, /sallyport: profile/);
  const [line = ""] = (await run(["run", "--json", "claude"])).stderr.split("\n");
  assert.match((JSON.parse(line) as { notice: string }).notice, /^profile claude \(/);
});

test("--allow of a host that is listed as off leaves it on; --env has the last word", async () => {
  const ran = await run(["run", "--allow", "downloads.claude.ai", "--env", "DISABLE_TELEMETRY=0", "claude"]);
  assert.match(ran.stdout, / telemetry=0 updates=$/m);
  assert.match(ran.stderr, /telemetry off/);
});

test("a policy that was named is not widened by a profile, which says so and gives the rest", async () => {
  const closed = place.policy('[network]\ndefault = "deny"\n');
  const ran = await run(["run", "--policy", closed, "claude"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /profile claude \(no hosts, ANTHROPIC_API_KEY/);
  assert.match(ran.stderr, /profile claude adds nothing: .* does not say extendable = true/);
  assert.match(ran.stdout, /key=sk-of-mine /);
  const open = place.policy('extendable = true\n[network]\ndefault = "deny"\n');
  assert.match((await run(["run", "--policy", open, "claude"])).stderr, /profile claude \(hosts/);
});

test("a profile of the user's own counts before the shipped one", async () => {
  const own = join(place.home, "profiles", "claude.toml");
  const shipped = await run(["profile", "show", "claude"]);
  file(
    own,
    shipped.stdout
      .replace('title = "Claude Code"', 'title = "Mine"')
      .replace(/\[\[off\]\]\nwhat = "updates"[\s\S]*$/, ""),
  );
  try {
    const ran = await run(["run", "claude"]);
    assert.match(ran.stderr, /telemetry off/);
    assert.match(ran.stdout, / updates=$/m);
    const listed = await run(["profile", "list"]);
    assert.match(listed.stdout, new RegExp(`^claude +Mine +claude +${own}$`, "m"));
    const wrong = file(own, 'title = "Mine"\nenvs = ["A"]\n');
    const refused = await run(["run", "claude"]);
    assert.equal(refused.code, 125);
    assert.match(
      refused.stderr,
      new RegExp(`${wrong}:2:1: a profile has no key "envs" \\(profile_invalid\\)\n  Did you mean "env"\\?`),
    );
  } finally {
    writeFileSync(own, shipped.stdout);
  }
});

test("a profile of the user's own may show a folder as it is, and every run says that it is writable", async () => {
  const folder = join(user, ".mine");
  file(join(folder, "there"), "x\n");
  file(join(bin, "mine"), '#!/bin/sh\necho by the agent >> "$HOME/.mine/there"\n', 0o755);
  file(join(place.home, "profiles", "mine.toml"), 'title = "Mine"\n[[state]]\npath = ".mine"\nas = "write"\n');
  const ran = await run(["run", "mine"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stderr, /^sallyport: profile mine \(hosts, ~\/\.mine writable\) · --no-profile$/m);
  assert.equal(readFileSync(join(folder, "there"), "utf8"), "x\nby the agent\n");
});

test("profile list and show say what is there, and what they print is a profile", async () => {
  const { profiles } = JSON.parse((await run(["profile", "list", "--json"])).stdout) as {
    profiles: { name: string }[];
  };
  assert.deepEqual(
    profiles.map(({ name }) => name),
    ["aider", "claude", "codex", "gemini", "mine", "opencode"],
  );
  const shown = JSON.parse((await run(["profile", "show", "codex", "--json"])).stdout) as {
    network: { rule: { host: string[] }[] };
    sandbox: { file: { path: string }[] };
  };
  assert.ok(shown.network.rule.some(({ host }) => host.includes("api.openai.com")));
  assert.equal(shown.sandbox.file[0]?.path, "/etc/codex/managed_config.toml");
  const missing = await run(["profile", "show", "codx"]);
  assert.equal(missing.code, 125);
  assert.match(missing.stderr, /--profile: there is no profile "codx" \(usage\)\n {2}Did you mean codex\?/);
  assert.equal((await run(["run", "--profile", "../x", "claude"])).code, 125);
});
