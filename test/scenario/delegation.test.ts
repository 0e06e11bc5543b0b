// What is handed down, and what is not: agents that spawn agents, and try to give or to take more than they have.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { loadBiscuits } from "#identity/token/biscuit.ts";
import type { Narrowing } from "#identity/token/claims.ts";
import { narrowToken } from "#identity/token/issue.ts";
import { createTestAuthority } from "../servers/certificate-authority.ts";
import { startServer, type TestServer } from "../servers/https-server.ts";
import { placedPolicy } from "../servers/placed.ts";
import { collect, openPlace, type Place, type Ran } from "./program.ts";

let place: Place;
let server: TestServer;
let ownFile = "";
const host = "api.example.test";
const secret = "parent-only-4711";

before(async () => {
  place = openPlace("delegation");
  const authority = createTestAuthority(place.root, "Delegation tests");
  server = await startServer({
    leaf: authority.issue([host]),
    answer(request, response) {
      response.writeHead(200, { "content-type": "text/plain" });
      if (request.url.startsWith("/slow")) response.write("begun\n");
      else response.end("ok\n");
    },
  });
  const shown = join(place.root, "shown");
  mkdirSync(shown, { mode: 0o755 });
  ownFile = join(shown, "own.txt");
  writeFileSync(ownFile, `file-${secret}\n`, { mode: 0o644 });
  writeFileSync(join(place.workspace, "secret.txt"), `workspace-${secret}\n`);
  const more = (execution: string, rest = "") => `
[filesystem]
allow_read = [${JSON.stringify(`${shown}/*`)}]

[execution]
env = ["PARENT_SECRET=env-${secret}"]
spawn = ["helper", "kin"]
${execution}
${rest}`;
  const hosts = { [host]: server.port };
  const { caFile } = authority;
  const policies = {
    open: placedPolicy({ caFile, hosts, more: more("") }),
    capped: placedPolicy({ caFile, hosts, more: more("max_requests = 6") }),
    cut: placedPolicy({ caFile, hosts, more: more("", '[violation]\non_revoke = "cut"\n') }),
  };
  await ok("init");
  for (const agent of ["boss", "helper", "kin", "stranger", "cutter"])
    await ok("create-agent", "--agent-id", agent, "--owner", "you@example.com");
  for (const [id, text] of Object.entries(policies))
    await ok("create-policy", "--policy-id", id, "--file", place.policy(text));
});
after(async () => {
  await server.close();
  place.close();
});

async function ok(...args: string[]): Promise<string> {
  const ran = await place.run(["auth", ...args]);
  assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout.trim();
}

const issue = (policy: string, agent = "boss") => ok("issue-token", "--agent-id", agent, "--policy-id", policy);

async function run(policy: string, script: string): Promise<Ran> {
  return place.run(["run", "--", "sh", "-c", script], { env: { SALLYPORT_TOKEN: await issue(policy) } });
}

test("a spawned agent has nothing of its parent's but what was handed to it", async () => {
  const look = [
    "env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'",
    `cat ${ownFile} secret.txt ${place.workspace}/secret.txt; ls -laR . /tmp ${place.root}`,
    "grep -rsl parent-only . /tmp /run /var/tmp",
    "cat handed.txt; echo $HANDED; echo end",
  ].join("; ");
  writeFileSync(join(place.workspace, "look.sh"), `${look}\n`);
  writeFileSync(join(place.workspace, "handed.txt"), "handed-file\n");
  const script = `cat ${ownFile}; echo $PARENT_SECRET; echo left > /tmp/own-${secret}; echo ---
    sallyport spawn --agent-id helper --file look.sh --file handed.txt --env HANDED=handed-value -- sh look.sh`;
  const ran = await run("open", script);
  const [own = "", child = ""] = ran.stdout.split("---\n");
  assert.match(own, new RegExp(`file-${secret}\nenv-${secret}`), ran.stderr);
  assert.match(child, /handed-file\nhanded-value\nend/, ran.stderr);
  assert.ok(!child.includes(secret), child);
  assert.doesNotMatch(child, /sallyport_[\w-]{20}|SALLYPORT_TOKEN|SALLYPORT_HANDED/);
});

test("a spawned agent reaches no host that was not handed to it", async () => {
  const curl = `curl -sS -o /dev/null -w '%{http_code}\\n' https://${host}/`;
  const ran = await run(
    "open",
    `sallyport spawn --agent-id helper -- ${curl}; sallyport spawn --agent-id helper --allow ${host} -- ${curl}
     sallyport spawn --agent-id helper --allow elsewhere.example.test -- curl -sS https://elsewhere.example.test/`,
  );
  assert.match(ran.stdout, /^403\n200\n.*domain_not_allowed/, ran.stderr);
});

test("what children and their children use is taken from what their parent has", async () => {
  const curl = `curl -sS https://${host}/`;
  const left = "sallyport budget | grep -o '\"requests\":{[^}]*}'";
  writeFileSync(
    join(place.workspace, "middle.sh"),
    `sallyport spawn --agent-id kin --allow ${host} --max-requests 2 -- sh -c '${curl}; ${curl}'\n`,
  );
  const ran = await run(
    "capped",
    `${left}
     sallyport spawn --agent-id helper --allow ${host} --max-requests 4 --spawn kin --file middle.sh -- sh middle.sh
     ${left}
     sallyport spawn --agent-id helper --allow ${host} --max-requests 5 -- true
     for i in 1 2 3 4; do ${curl}; done; ${left}; ${curl}; echo not reached`,
  );
  assert.equal(ran.code, 122, ran.stderr + ran.stdout);
  assert.deepEqual(
    [...ran.stdout.matchAll(/"used":(\d+),"left":(\d+)/g)].map(([, used, rest]) => `${used} ${rest}`),
    ["0 6", "2 4", "6 0"],
  );
  assert.match(ran.stderr, /4 requests are left/);
  assert.doesNotMatch(ran.stdout, /not reached/);
});

const widenings: readonly { readonly title: string; readonly policy: object }[] = [
  { title: "another place for a name", policy: { upstream: { resolve: { [host]: "10.0.0.1" } } } },
  { title: "another user", policy: { execution: { user: "root" } } },
  { title: "another tier", policy: { execution: { isolation: "process" } } },
  { title: "files", policy: { filesystem: { allow_read: ["/etc/*"] } } },
  { title: "what a revocation does", policy: { violation: { on_revoke: "cut" } } },
  { title: "who must vouch", policy: { identity: { require_attestation: false } } },
  { title: "additions", policy: { extendable: true } },
  { title: "a key that nobody knows", policy: { network: { allowed: ["x.example.test"] } } },
];

test("a policy that is handed down says nothing that is not a narrowing", async () => {
  const asks = widenings.map(({ policy }, at) => {
    writeFileSync(
      join(place.workspace, `wide-${at}.json`),
      JSON.stringify({ version: "zero_trust.runtime.v1", ...policy }),
    );
    return `sallyport spawn --agent-id helper --policy wide-${at}.json -- echo ran; echo "${at} $?"`;
  });
  const ran = await run("open", asks.join("; "));
  assert.equal(ran.stdout, widenings.map((_, at) => `${at} 1\n`).join(""), ran.stderr);
  assert.equal(ran.stderr.match(/policy_invalid/g)?.length, widenings.length, ran.stderr);
});

test("what a narrowing may speak of gives no more than there was", async () => {
  const policy = {
    version: "zero_trust.runtime.v1",
    network: { default: "allow", rule: [{ host: ["10.0.0.1"], private: ["0.0.0.0/0"] }] },
    execution: { max_requests: 1000, nested_sandbox: "allow", env: [`PARENT_SECRET=env-${secret}`, "HOME_KEY=x"] },
  };
  writeFileSync(join(place.workspace, "more.json"), JSON.stringify(policy));
  const asked =
    "curl -sS -o /dev/null -w '%{http_code}' http://10.0.0.1/; curl -sS https://elsewhere.example.test/; env";
  const ran = await run("open", `sallyport spawn --agent-id helper --policy more.json -- sh -c "${asked}"`);
  assert.match(ran.stdout, /^403.*domain_not_allowed/, ran.stderr);
  assert.doesNotMatch(ran.stdout, /HOME_KEY/);
  const six = await run("capped", "sallyport spawn --agent-id helper --policy more.json -- true");
  assert.match(six.stderr, /6 requests are left/);
  const policyOf2 = JSON.stringify({ ...policy, execution: { max_requests: 2 } });
  writeFileSync(join(place.workspace, "two.json"), policyOf2);
  const two = await run("capped", "sallyport spawn --agent-id helper --policy two.json -- sh -c 'sallyport budget'");
  assert.match(two.stdout, /"requests":{"limit":2,"used":0,"left":2}/, two.stderr);
});

const wrong: readonly (readonly [title: string, args: string, said: RegExp])[] = [
  [
    "a path out of the folder",
    `-d '{"agent_id":"helper","command":["true"],"files":{"../x":""}}' URL/spawn`,
    /no file below/,
  ],
  [
    "an absolute path",
    `-d '{"agent_id":"helper","command":["true"],"files":{"/etc/x":""}}' URL/spawn`,
    /no file below/,
  ],
  [
    "a member that nobody knows",
    `-d '{"agent_id":"helper","command":["true"],"user":"root"}' URL/spawn`,
    /user is not known/,
  ],
  ["a NUL", `-d '{"agent_id":"helper","command":["a\\u0000b"]}' URL/spawn`, /no list of texts/],
  [
    "another agent than may be spawned",
    `-d '{"agent_id":"stranger","command":["true"]}' URL/spawn`,
    /may not spawn stranger/,
  ],
  ["an agent by a path", `-d '{"agent_id":"../helper","command":["true"]}' URL/spawn`, /no id/],
  ["no object", `-d '[1]' URL/spawn`, /no JSON object/],
  ["no JSON", "-d '{' URL/spawn", /no JSON object/],
  ["no command", `-d '{"agent_id":"helper","command":[]}' URL/spawn`, /no command/],
  [
    "a command that no kernel takes",
    `-d '{"agent_id":"helper","command":["'$(head -c 120000 /dev/zero | tr '\\0' a)'"]}' URL/spawn`,
    /too long|no list of texts/,
  ],
  ["another method", "-X PUT URL/whoami", /asked otherwise/],
  ["another path", "URL/../../etc/passwd --path-as-is", /malformed_request|nothing answers/],
  ["a body that is too large", "-T big.bin -X POST URL/spawn", /too long/],
  ["a chunked body that is no JSON", "-H 'transfer-encoding: chunked' -d x URL/notes", /no JSON object/],
  ["TLS", "-k https://sallyport.internal/v1/whoami", /port_not_allowed|SSL|Connection|reset/],
  ["another port", "http://sallyport.internal:8080/v1/whoami", /port_not_allowed/],
  ["another name in its Host", "-H 'Host: api.example.test' URL/whoami", /name_mismatch|not_allowed|malformed/],
];

test("the in-cell API gives nothing to who asks wrongly", async () => {
  const asks = wrong.map(
    ([, args], at) =>
      `echo "== ${at}"; curl -sS --max-time 30 ${args.replace("URL", "http://sallyport.internal/v1")} 2>&1`,
  );
  const ran = await run("open", ["head -c 26000000 /dev/zero > big.bin", ...asks, "sallyport whoami"].join("\n"));
  const parts = ran.stdout.split(/^== \d+\n/m).slice(1);
  assert.equal(parts.length, wrong.length, ran.stderr);
  for (const [at, [title, , said]] of wrong.entries()) assert.match(parts[at] ?? "", said, title);
  assert.match(parts.at(-1) ?? "", /"agent_id":"boss"/, "and answers who asks rightly afterwards");
});

test("many spawns at once are sixteen at most, and nothing of them is left", async () => {
  const ask = `curl -sS -d '{"agent_id":"helper","command":["sleep","2"]}' http://sallyport.internal/v1/spawn`;
  const ran = await run("open", `for i in $(seq 40); do ${ask} & done; wait`);
  assert.ok((ran.stdout.match(/16 agents run already/g)?.length ?? 0) >= 24, ran.stdout.slice(0, 2000));
  assert.deepEqual(leftWorkspaces(), []);
});

test("no socket of sallyport's is in a cell", async () => {
  const ran = await run(
    "open",
    `sallyport whoami > /dev/null; find / -type s 2>/dev/null; cat /proc/net/unix | grep -c sock; ls -la ${place.home} 2>&1`,
  );
  assert.doesNotMatch(ran.stdout, /api\.sock|control\.sock/);
});

async function narrowed(text: string, ...narrowings: Narrowing[]): Promise<string> {
  const biscuits = await loadBiscuits();
  const [key] = JSON.parse(await ok("list-keys", "--json")) as { public: string }[];
  const publicKey = Buffer.from(key?.public ?? "", "hex");
  return narrowings.reduce((token, one) => narrowToken(biscuits, token, publicKey, one), text);
}

const session = "20261121-000000-abcdef";
const forged: readonly { readonly title: string; readonly hands: readonly Narrowing[]; readonly said: RegExp }[] = [
  { title: "for another run", hands: [{ v: 1, session }], said: /is for the run 20261121-000000-abcdef alone/ },
  {
    title: "that its holder handed to an agent who may not have it",
    hands: [
      { v: 1, session },
      { v: 1, agent: "stranger" },
    ],
    said: /hands it to stranger, who may not have it/,
  },
  {
    title: "that a child handed on though nobody said that it may",
    hands: [
      { v: 1, agent: "helper" },
      { v: 1, agent: "kin" },
    ],
    said: /block 2 hands it to kin/,
  },
  {
    title: "that says again what was taken away",
    hands: [
      { v: 1, policy: { version: "zero_trust.runtime.v1", execution: { spawn: [] } } },
      { v: 1, policy: { version: "zero_trust.runtime.v1", execution: { spawn: ["helper"] } } },
      { v: 1, agent: "helper" },
    ],
    said: /hands it to helper, who may not have it/,
  },
  {
    title: "that says where a name is",
    hands: [
      { v: 1, policy: { version: "zero_trust.runtime.v1", upstream: { resolve: { "a.example.test": ["10.0.0.1"] } } } },
    ],
    said: /upstream.* cannot be narrowed/,
  },
];

for (const { title, hands, said } of forged) {
  test(`a token ${title} runs nothing`, async () => {
    const token = await narrowed(await issue("open"), ...hands);
    const ran = await place.run(["run", "--", "echo", "ran"], { env: { SALLYPORT_TOKEN: token } });
    assert.deepEqual([ran.code, ran.stdout], [125, ""], ran.stderr);
    assert.match(ran.stderr, said);
  });
}

/** Starts a parent whose child has begun, and gives the mark that both processes bear. */
async function family(
  agent = "boss",
  policy = "open",
): Promise<{ parent: ChildProcess; mark: string; ended: Promise<Ran> }> {
  const mark = `family-${process.hrtime.bigint()}`;
  const script = `sallyport spawn --agent-id helper -- sh -c 'echo begun; sleep 600; echo ${mark}'; sleep 600; echo ${mark}`;
  const env = { SALLYPORT_TOKEN: await issue(policy, agent) };
  const parent = place.start(["run", "--", "sh", "-c", script], { env });
  const ended = collect(parent);
  while (!String((await once(parent.stdout as NodeJS.ReadableStream, "data"))[0]).includes("begun"));
  assert.ok(processes(mark).length > 0);
  return { parent, mark, ended };
}

function processes(mark: string): readonly string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(mark);
    } catch {
      return false; // it ended while we looked
    }
  });
}

const leftWorkspaces = () => readdirSync(tmpdir()).filter((name) => name.startsWith("sallyport-spawned-"));

async function nothingLeft(mark: string): Promise<void> {
  const until = Date.now() + 20_000;
  while (processes(mark).length > 0 || leftWorkspaces().length > 0) {
    assert.ok(Date.now() < until, `left: ${processes(mark)} ${leftWorkspaces()}`);
    await wait(50);
  }
}

const ends: readonly { readonly title: string; readonly end: (parent: ChildProcess) => Promise<unknown> | boolean }[] =
  [
    { title: "is asked to end", end: (parent) => parent.kill("SIGTERM") },
    { title: "is killed without a word", end: (parent) => parent.kill("SIGKILL") },
    {
      title: "is revoked",
      end: () => ok("revoke-token", "--jti", (place.record(parentSession()).token as { jti: string }).jti),
    },
  ];

/** The newest session of the parent's. */
function parentSession(): string {
  return place.sessions().findLast((id) => place.record(id).agent_id === "boss") ?? "";
}

for (const { title, end } of ends) {
  test(`a child ends, and nothing of it is left, when its parent ${title}`, async () => {
    const { parent, mark, ended } = await family();
    await end(parent);
    await ended;
    await nothingLeft(mark);
  });
}

test("a run that is to be cut off keeps its process, and nothing passes any more", async () => {
  const script = `curl -sSN https://${host}/slow; echo "cut $?"; curl -sS https://${host}/; sallyport whoami; echo lives; read line; echo "$line"`;
  const token = await issue("cut", "cutter");
  const child = place.start(["run", "--", "sh", "-c", script], { env: { SALLYPORT_TOKEN: token } });
  let seen = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    seen += chunk;
  });
  const until = async (text: string) => {
    while (!seen.includes(text)) await once(child.stdout as NodeJS.ReadableStream, "data");
  };
  await until("begun");
  await ok("revoke-agent", "--agent-id", "cutter");
  await until("lives");
  child.stdin?.end("goodbye\n");
  await until("goodbye");
  const [code] = (await once(child, "exit")) as [number];
  assert.equal(code, 0);
  assert.match(seen, /cut \d+\n.*token_revoked/);
});

test("a run whose revocations cannot be read any more is ended", async () => {
  const token = await issue("open");
  const child = place.start(["run", "--", "sh", "-c", "echo begun; sleep 600"], { env: { SALLYPORT_TOKEN: token } });
  const ended = collect(child);
  await once(child.stdout as NodeJS.ReadableStream, "data");
  const [folder, away] = [join(place.home, "revoked"), join(place.home, "revoked-away")];
  renameSync(folder, away);
  try {
    const ran = await ended;
    assert.equal(ran.code, 125, ran.stderr);
    assert.equal((place.record().termination as { kind: string }).kind, "boundary_lost");
    const next = await place.run(["run", "--", "true"], { env: { SALLYPORT_TOKEN: token } });
    assert.match(next.stderr, /what was revoked is gone.*home_damaged|home_damaged/s);
    assert.equal(next.code, 125);
  } finally {
    renameSync(away, folder);
  }
});
