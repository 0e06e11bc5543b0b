// The authority as a person meets it: agents, policies, tokens, keys and revocations by the command line.

import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { openPlace, type Ran } from "./program.ts";

const place = openPlace("authority");
after(() => place.close());

const auth = (...args: string[]) => place.run(["auth", ...args]);
const issue = async (...more: string[]) =>
  (await ok(auth("issue-token", "--agent-id", "support-bot", "--policy-id", "support", ...more))).trim();
const inspect = async (token: string) => JSON.parse((await auth("inspect-token", token, "--json")).stdout);

async function ok(running: Promise<Ran>): Promise<string> {
  const ran = await running;
  assert.equal(ran.code, 0, ran.stderr);
  assert.equal(ran.stderr, "");
  return ran.stdout;
}

async function refused(running: Promise<Ran>, said: RegExp, code = 125): Promise<void> {
  const ran = await running;
  assert.equal(ran.code, code, ran.stdout + ran.stderr);
  assert.equal(ran.stdout, "", "nothing on standard output but results");
  assert.match(ran.stderr, said);
  assert.match(ran.stderr, /\n {2}\S/, "with its remedy");
}

test("before `auth init` every other command says how to begin", async () => {
  await refused(auth("list-agents"), /no_authority[\s\S]*sallyport auth init/);
  await refused(auth("create-agent", "--agent-id", "a", "--owner", "o"), /no_authority/);
  await refused(auth("issue-token", "--agent-id", "a", "--policy-id", "p"), /no_authority/);
});

test("`auth init` makes the home closed to others, with the folders that it is to have, and once", async () => {
  assert.match(await ok(auth("init")), /the authority is made; its key 1 signs/);
  for (const folder of ["", "agents", "policies", "keys", "revoked"])
    assert.equal(statSync(join(place.home, folder)).mode & 0o777, 0o700, folder);
  const secret = join(place.home, "keys", "authority-1.key");
  assert.equal(statSync(secret).mode & 0o777, 0o600);
  const before = readFileSync(secret);
  assert.match(await ok(auth("init")), /there is an authority already/);
  assert.deepEqual(readFileSync(secret), before);
});

test("an agent, a policy and a token, as the first page shows", async () => {
  await ok(auth("create-agent", "--agent-id", "support-bot", "--owner", "you@example.com"));
  await ok(auth("create-policy", "--policy-id", "support", "--max-spend-usd", "5", "--allowed-domains", "httpbin.org"));
  const token = await issue();
  assert.match(token, /^sallyport_[\w-]+=*$/, "only the token is printed");
  const { valid, grant } = await inspect(token);
  assert.equal(valid, true);
  assert.equal(grant.agent, "support-bot");
  assert.equal(grant.owner, "you@example.com");
  assert.equal(grant.policy_version, 1);
  assert.equal(grant.expires - grant.issued, 3600);
});

test("a policy's versions are numbered by themselves and stay as they were published", async () => {
  const first = JSON.parse(await ok(auth("show-policy", "--policy-id", "support", "--json")));
  await ok(auth("update-policy", "--policy-id", "support", "--max-spend-usd", "50"));
  const second = JSON.parse(await ok(auth("show-policy", "--policy-id", "support", "--json")));
  assert.equal(second.version, 2);
  assert.equal(second.policy.budget.max_spend_usd, 50);
  assert.deepEqual(second.policy.network, first.policy.network, "what was not named stays");
  const again = await ok(auth("show-policy", "--policy-id", "support", "--policy-version", "1", "--json"));
  assert.deepEqual(JSON.parse(again), first);
  const file = join(place.home, "policies", "support", "1.json");
  assert.equal(statSync(file).mode & 0o777, 0o400);
  await refused(auth("create-policy", "--policy-id", "support", "--allowed-domains", "x.com"), /policy_exists/);
  await refused(auth("update-policy", "--policy-id", "support"), /nothing to change/);
});

test("twenty who publish at once get twenty versions", async () => {
  await ok(auth("create-policy", "--policy-id", "busy", "--allowed-domains", "x.com"));
  const running = Array.from({ length: 20 }, (_, at) =>
    auth("update-policy", "--policy-id", "busy", "--allowed-domains", `host-${at}.com`),
  );
  for (const ran of await Promise.all(running)) assert.equal(ran.code, 0, ran.stderr);
  const versions = readdirSync(join(place.home, "policies", "busy")).sort();
  assert.equal(versions.length, 21);
  assert.ok(versions.every((name) => /^\d+\.json$/.test(name)));
});

test("a token is narrowed when it is issued, and again by whoever holds it, without the authority's secret", async () => {
  const token = await issue("--allow", "httpbin.org:443", "--task", "triage", "--ttl", "10m");
  const secret = join(place.home, "keys", "authority-1.key");
  const kept = readFileSync(secret);
  rmSync(secret);
  const narrowed = (await ok(auth("attenuate", token, "--ttl", "60s", "--max-requests", "3"))).trim();
  writeFileSync(secret, kept, { mode: 0o600 });
  const { valid, narrowings, grant, expires } = await inspect(narrowed);
  assert.equal(valid, true);
  assert.deepEqual(narrowings[0].policy.network.rule[0].host, ["httpbin.org"]);
  assert.equal(narrowings[0].task, "triage");
  assert.equal(narrowings[1].policy.execution.max_requests, 3);
  assert.ok(Date.parse(expires) / 1000 < grant.expires);
  await refused(auth("attenuate", token), /nothing to narrow/);
  await refused(auth("attenuate", token, "--ttl", "60s", "--public-key", "ab".repeat(32)), /token_invalid/);
});

test("a token that was touched, cut, or issued elsewhere does not hold", async () => {
  const token = await issue();
  const touched = `${token.slice(0, 200)}${token[200] === "A" ? "B" : "A"}${token.slice(201)}`;
  for (const text of [touched, token.slice(0, -20), "sallyport_", "hello"]) {
    const ran = await auth("inspect-token", text);
    assert.equal(ran.code, 1, text);
    assert.match(ran.stdout, /^not valid: .*\(token_invalid\)/);
  }
  const elsewhere = openPlace("authority-2");
  await elsewhere.run(["auth", "init"]);
  const ran = await elsewhere.run(["auth", "inspect-token", token]);
  assert.match(ran.stdout, /not valid: its signatures do not hold \(token_invalid\)/);
  elsewhere.close();
});

test("what is revoked holds no more: a grant, an agent, a key, a version of a policy", async () => {
  const one = await issue();
  const { grant } = await inspect(one);
  const other = await issue();
  await ok(auth("revoke-token", "--jti", grant.jti));
  assert.equal((await inspect(one)).reason, "token_revoked");
  assert.equal((await inspect(other)).valid, true);
  await refused(auth("revoke-token", "--jti", "nothing"), /no token with the id/);

  await ok(auth("rotate-key"));
  const newer = await issue();
  assert.equal((await inspect(other)).valid, true, "an older key verifies what it signed");
  await ok(auth("revoke-key", "--key", "1"));
  assert.match((await inspect(other)).detail, /key 1, which signed it, was revoked/);
  assert.equal((await inspect(newer)).valid, true);

  const version = String((await inspect(newer)).grant.policy_version);
  await ok(auth("revoke-policy", "--policy-id", "support", "--policy-version", version));
  assert.match((await inspect(newer)).detail, /policy support version 2 was revoked/);

  await ok(auth("create-agent", "--agent-id", "other-bot", "--owner", "ops@example.com"));
  const theirs = (await ok(auth("issue-token", "--agent-id", "other-bot", "--policy-id", "busy"))).trim();
  await ok(auth("revoke-agent", "--agent-id", "other-bot"));
  assert.match((await inspect(theirs)).detail, /agent other-bot was revoked/);
  // What would not hold is not issued.
  for (const [agent, policy, why] of [
    ["other-bot", "busy", /would not hold: agent other-bot was revoked \(token_revoked\)\n {2}.*create-agent/],
    ["support-bot", "support", /would not hold: policy support version 2 was revoked/],
  ] as const) {
    const ran = await auth("issue-token", "--agent-id", agent, "--policy-id", policy);
    assert.deepEqual([ran.code, ran.stdout], [120, ""]);
    assert.match(ran.stderr, why);
  }
  const listed = JSON.parse(await ok(auth("list-tokens", "--json")));
  assert.deepEqual(new Set(listed.map((token: { state: string }) => token.state)), new Set(["revoked"]));
});

const mistakes: readonly { readonly args: readonly string[]; readonly said: RegExp }[] = [
  { args: ["create-agent", "--agent-id", "Bot!", "--owner", "o"], said: /--agent-id: "Bot!" is no agent id/ },
  { args: ["create-agent", "--agent-id", "local", "--owner", "o"], said: /local is the agent of runs without a token/ },
  { args: ["create-agent", "--agent-id", "support-bot", "--owner", "o"], said: /agent_exists/ },
  { args: ["create-agent", "--agent-id", "x", "--owner", "a\nb"], said: /an owner is/ },
  { args: ["create-agent", "--agent-id", "x"], said: /--owner/ },
  { args: ["create-policy", "--policy-id", "../x", "--allowed-domains", "x.com"], said: /is no policy id/ },
  { args: ["create-policy", "--policy-id", "x", "--allowed-domains", "*"], said: /\*/ },
  { args: ["create-policy", "--policy-id", "x", "--allowed-domains", ","], said: /names no host/ },
  { args: ["create-policy", "--policy-id", "x", "--max-spend-usd", "-1"], said: /must be dollars/ },
  { args: ["create-policy", "--policy-id", "x", "--file", "/nowhere.toml"], said: /policy_unreadable/ },
  { args: ["show-policy", "--policy-id", "none"], said: /there is no policy "none"[\s\S]*There are: busy/ },
  { args: ["show-policy", "--policy-id", "support", "--policy-version", "99"], said: /has no version 99/ },
  { args: ["issue-token", "--agent-id", "none", "--policy-id", "support"], said: /there is no agent "none"/ },
  { args: ["issue-token", "--agent-id", "support-bot", "--policy-id", "none"], said: /there is no policy "none"/ },
  { args: ["issue-token", "--agent-id", "support-bot", "--policy-id", "support", "--ttl", "31d"], said: /30 days/ },
  { args: ["issue-token", "--agent-id", "support-bot", "--policy-id", "support", "--allow", "a b"], said: /usage/ },
  { args: ["revoke-key", "--key", "77"], said: /there is no key 77/ },
  { args: ["inspect-token"], said: /no token was named/ },
];

for (const { args, said } of mistakes) {
  test(`\`auth ${args.join(" ").replace("\n", "\\n")}\` is refused with its remedy`, async () => {
    await refused(place.run(["auth", ...args], { env: { SALLYPORT_TOKEN: undefined } }), said);
  });
}

test("a record that somebody changed is not believed", async () => {
  const file = join(place.home, "policies", "busy", "1.json");
  chmodSync(file, 0o600);
  writeFileSync(file, readFileSync(file, "utf8").replace("x.com", "evil.com"));
  await refused(auth("show-policy", "--policy-id", "busy", "--policy-version", "1"), /home_damaged/);
  writeFileSync(file, "{");
  await refused(auth("show-policy", "--policy-id", "busy", "--policy-version", "1"), /home_damaged/);
});
