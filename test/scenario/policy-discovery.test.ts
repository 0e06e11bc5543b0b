// Which policy holds, as a person finds it: the project's own once it is trusted, the user's default, what flags add, and the
// machine's ceiling above all.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, openPlace, type Place, program, type Ran } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("discovery");
});
after(() => place?.close());

const head = "# zero_trust.runtime.v1\n";
const allowing = (...hosts: string[]) => `${head}[network]\nallow = ${JSON.stringify(hosts)}\n`;

/** A folder to run in, with these files. */
function project(files: { readonly [name: string]: string }): string {
  const folder = mkdtempSync(join(place.root, "project-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

/** Where the newest session's policy came from, by its log. */
function loadedFrom(): unknown {
  const [loaded] = place.events().filter(({ type }) => type === "policy.loaded");
  return (loaded?.detail as { sources: unknown } | undefined)?.sources;
}

const explain = (cwd: string, host: string) => place.run(["policy", "explain", "GET", `https://${host}/`], { cwd });

test("a project's policy is not used before it is trusted, says so, and is used once it is", async () => {
  const cwd = project({ "sallyport.policy.toml": allowing("a.example") });
  const untrusted = await place.run(["run", "--", "true"], { cwd });
  assert.equal(untrusted.code, 0);
  assert.match(
    untrusted.stderr,
    /^sallyport: sallyport\.policy\.toml is not trusted, so it is not used; .*sallyport trust$/m,
  );

  const trusted = await place.run(["trust", "--yes"], { cwd });
  assert.equal(trusted.code, 0, trusted.stderr);
  assert.match(
    trusted.stdout,
    /^a\.example\s+80 443\s+everything\s+network\.allow\[0\] \(sallyport\.policy\.toml:3:10\)$/m,
  );
  assert.match(trusted.stdout, /^trusted: .*sallyport\.policy\.toml$/m);

  const ran = await place.run(["run", "--", "true"], { cwd });
  assert.doesNotMatch(ran.stderr, /trust/);
  assert.deepEqual(loadedFrom(), [join(cwd, "sallyport.policy.toml")]);
});

test("a change makes it untrusted again, and the notice says what changed; taken back, it is trusted", async () => {
  const cwd = project({ "sallyport.policy.toml": allowing("a.example") });
  await place.run(["trust", "--yes"], { cwd });
  writeFileSync(join(cwd, "sallyport.policy.toml"), allowing("a.example", "evil.example"));
  const ran = await explain(cwd, "evil.example");
  assert.match(ran.stderr, /changed since it was trusted \(allow \+ "evil\.example"\), so it is not used/);
  assert.match(ran.stdout, /domain_not_allowed/);
  const shown = await place.run(["trust"], { cwd });
  assert.equal(shown.code, 125);
  assert.match(shown.stdout, /Changed since it was trusted .*:\n {2}allow \+ "evil\.example"/);
  assert.match(shown.stderr, /no terminal to ask on.*\n.*--yes/);
  writeFileSync(join(cwd, "sallyport.policy.toml"), allowing("a.example"));
  assert.match((await explain(cwd, "a.example")).stdout, /^allowed/);
});

test("trust shows an operator's keys and what reaches this machine or its networks", async () => {
  const cwd = project({
    "sallyport.policy.toml": `${head}[network]\nallow = ["10.0.0.5:5432", "host.sallyport.internal:11434"]\n[[network.rule]]\nhost = "db.example"\nprivate = "10.0.0.0/8"\n[execution]\nenv = ["SECRET"]\n`,
  });
  const { stdout } = await place.run(["trust", "--yes", "--json"], { cwd });
  const { trusted, concerns } = JSON.parse(stdout) as {
    trusted: boolean;
    concerns: { place: string; message: string }[];
  };
  assert.equal(trusted, true);
  const told = concerns.map(({ place: at, message }) => `${at} ${message}`).join("\n");
  assert.match(told, /:6:1 network\.rule\[0\]\.private = \["10\.0\.0\.0\/8"\]: an operator's key/);
  assert.match(told, /:8:1 execution\.env = \["SECRET"\]: an operator's key/);
  assert.match(told, /reaches 10\.0\.0\.5, which is not public/);
  assert.match(told, /reaches services of this machine/);
});

test("trust is listed and revoked", async () => {
  const cwd = project({ "sallyport.policy.yaml": "version: zero_trust.runtime.v1\nnetwork:\n  allow: [a.example]\n" });
  await place.run(["trust", "--yes"], { cwd });
  const listed = await place.run(["trust", "--list", "--json"]);
  const { trusted } = JSON.parse(listed.stdout) as { trusted: { path: string; state: string }[] };
  assert.deepEqual(
    trusted.filter(({ path }) => path === join(cwd, "sallyport.policy.yaml")).map(({ state }) => state),
    ["trusted"],
  );
  assert.match((await explain(cwd, "a.example")).stdout, /^allowed/);
  assert.equal((await place.run(["trust", "--revoke"], { cwd })).code, 0);
  assert.match((await explain(cwd, "a.example")).stdout, /^denied/);
  assert.equal((await place.run(["trust", "--revoke"], { cwd })).code, 1);
});

test("the agent itself can neither change a trusted policy nor trust one", async () => {
  const cwd = project({ "sallyport.policy.toml": allowing("a.example") });
  await place.run(["trust", "--yes"], { cwd });
  const script =
    'echo "# more" >> sallyport.policy.toml; mv sallyport.policy.toml x; ls ~/.sallyport "$SALLYPORT_HOME"; true';
  const ran = await place.run(["run", "--quiet", "--", "sh", "-c", script], { cwd });
  assert.match(ran.stderr, /Read-only|busy|Permission|Operation/i);
  assert.doesNotMatch(ran.stdout, /trusted/);
  assert.match((await explain(cwd, "a.example")).stdout, /^allowed/);
});

test("both spellings at once are an error that names both", async () => {
  const cwd = project({ "sallyport.policy.toml": allowing("a.example"), "sallyport.policy.yaml": "network: {}\n" });
  for (const args of [
    ["run", "--", "true"],
    ["policy", "show"],
    ["trust", "--yes"],
  ]) {
    const ran = await place.run(args, { cwd });
    assert.equal(ran.code, 125, args.join(" "));
    assert.match(ran.stderr, /sallyport\.policy\.toml: .*sallyport\.policy\.yaml is there too.*\(policy_invalid\)/);
  }
});

test("a file of another name needs no trust, and trust says how it is used", async () => {
  const cwd = project({ "agent.toml": allowing("a.example") });
  const ran = await place.run(["trust", "agent.toml"], { cwd });
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /--policy agent\.toml/);
});

test("without a project's policy the user's default holds, and --allow adds to what was found", async () => {
  const home = mkdtempSync(join(place.root, "home-"));
  const env = { SALLYPORT_HOME: home };
  writeFileSync(join(home, "policy.yaml"), "version: zero_trust.runtime.v1\nnetwork:\n  allow: [mine.example]\n");
  const shown = await place.run(["policy", "show", "--json", "--allow", "@npm"], { env });
  const { sources, rules } = JSON.parse(shown.stdout) as {
    sources: { kind: string; name: string }[];
    rules: { rule: string; place: string }[];
  };
  assert.deepEqual(
    sources.map(({ kind, name }) => [kind, name]),
    [
      ["default", join(home, "policy.yaml")],
      ["allow", "--allow"],
    ],
  );
  assert.deepEqual(
    rules.map(({ rule, place: at }) => [rule, at]),
    [
      ["@npm/1", "--allow"],
      ["network.allow[0]", `${join(home, "policy.yaml")}:3:11`],
    ],
  );
  // The project's own, once trusted, stands in for the default.
  const cwd = project({ "sallyport.policy.toml": allowing("ours.example") });
  await place.run(["trust", "--yes"], { cwd, env });
  const own = await place.run(["policy", "explain", "GET", "https://mine.example/"], { cwd, env });
  assert.match(own.stdout, /domain_not_allowed/);
});

test("a found policy that says extendable = false takes nothing from --allow", async () => {
  const cwd = project({ "sallyport.policy.toml": `${head}extendable = false\n[network]\nallow = ["a.example"]\n` });
  await place.run(["trust", "--yes"], { cwd });
  const ran = await place.run(["run", "--allow", "b.example", "--", "true"], { cwd });
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /sallyport\.policy\.toml: --allow cannot add to this policy \(usage\)/);
});

test("--allow of loopback says what it does not do, and what does", async () => {
  const ran = await place.run(["run", "--allow", "localhost:3000", "--", "true"]);
  assert.equal(ran.code, 0);
  assert.match(ran.stderr, /--allow localhost:3000 opens nothing: .*--allow host\.sallyport\.internal:3000/);
});

/** Runs the program where /etc/sallyport has this ceiling: /etc is a copy, mounted for this process alone. */
async function under(ceiling: { readonly [name: string]: string }, args: readonly string[]): Promise<Ran> {
  const root = mkdtempSync(join(place.root, "machine-"));
  const etc = join(root, "etc");
  mkdirSync(etc);
  await collect(spawn("cp", ["-a", "/etc/.", etc]));
  mkdirSync(join(etc, "sallyport"));
  for (const [name, text] of Object.entries(ceiling)) writeFileSync(join(etc, "sallyport", name), text);
  const [uid = 0, gid = 0] = [process.geteuid?.(), process.getegid?.()];
  // Who is not root becomes it to mount, and then oneself again.
  const [first, second] =
    uid === 0 ? [["-m"], []] : [["-Urm"], ["unshare", "-U", `--map-user=${uid}`, `--map-group=${gid}`]];
  const script = 'mount --bind "$1" /etc && cd "$2" && shift 2 && exec "$@"';
  const command = ["sh", "-c", script, "sh", etc, place.workspace, ...second, program, ...args];
  const env = { ...process.env, SALLYPORT_HOME: place.home, NO_COLOR: "1", FORCE_COLOR: undefined };
  const ran = await collect(spawn("unshare", [...first, ...command], { env }));
  rmSync(root, { recursive: true, force: true });
  return ran;
}

test("the machine's ceiling is intersected with whatever else holds", async () => {
  const ceiling = {
    "policy.toml": `${allowing("a.example")}[execution]\nmax_requests = 7\nmax_runtime_seconds = 60\n`,
  };
  const policy = place.policy(`${allowing("a.example", "b.example")}[execution]\nmax_requests = 3\n`);
  const shown = await under(ceiling, ["policy", "show", "--json", policy]);
  assert.equal(shown.code, 0, shown.stderr);
  const { sources, rules, effective } = JSON.parse(shown.stdout);
  assert.deepEqual(
    sources.map(({ kind }: { kind: string }) => kind),
    ["ceiling", "named"],
  );
  assert.deepEqual(
    rules.map(({ host, closed }: { host: string[]; closed: { by: string; reason: string }[] }) => [
      host[0],
      closed.map(({ by, reason }) => `${by} ${reason}`),
    ]),
    [
      ["a.example", []],
      ["b.example", ["/etc/sallyport/policy.toml domain_not_allowed"]],
    ],
  );
  assert.deepEqual([effective.execution.maxRequests, effective.execution.maxRuntimeSeconds], [3, 60]);

  const ran = await under(ceiling, ["run", "--policy", policy, "--", "curl", "-s", "https://b.example/x"]);
  assert.match(ran.stdout, /"deny_reason":"domain_not_allowed"/);
  assert.match(ran.stderr, /denied GET b\.example\/x .* in \/etc\/sallyport\/policy\.toml/);
  assert.deepEqual(loadedFrom(), ["/etc/sallyport/policy.toml", policy]);
});

test("the ceiling may be the operators' YAML; one that is invalid stops every run", async () => {
  const yaml = "constraints:\n  max_runtime: 300s\n  network:\n    allow_domains: [a.example]\n";
  const shown = await under({ "policy.yaml": yaml }, ["policy", "show", "--json", "--allow", "b.example"]);
  const { rules, effective } = JSON.parse(shown.stdout);
  assert.equal(effective.execution.maxRuntimeSeconds, 300);
  assert.equal(rules[0].closed[0].reason, "domain_not_allowed");
  const ran = await under({ "policy.yaml": "constraints:\n  max_rumtime: 300s\n" }, ["run", "--", "true"]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /\/etc\/sallyport\/policy\.yaml:2:3: .*max_rumtime/);
});
