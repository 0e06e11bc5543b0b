// Agents that were measured: what runs is what was measured, and where the policy wants it, somebody vouches for it.

import assert from "node:assert/strict";
import { createHash, createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place, type Ran } from "./program.ts";

let place: Place;
let entry = "";
const python = realpathSync("/usr/bin/python3");
const honest = 'print("honest")\n';
const builder = generateKeyPairSync("ed25519");

before(async () => {
  place = openPlace("attestation");
  entry = join(place.workspace, "agent.py");
  writeFileSync(entry, honest);
  await ok("init");
  const pem = join(place.root, "builder.pem");
  writeFileSync(pem, builder.publicKey.export({ type: "spki", format: "pem" }));
  await ok("add-issuer", "--name", "builder.example", "--file", pem);
  const policies = {
    open: "",
    measured: "[identity]\nrequire_attestation = true\n",
    vouched: '[identity]\nrequire_attestation = true\nallowed_issuers = ["builder.example"]\n',
    strangers: '[identity]\nallowed_issuers = ["somebody.example"]\n',
  };
  for (const [id, text] of Object.entries(policies))
    await ok("create-policy", "--policy-id", id, "--file", place.policy(`# zero_trust.runtime.v1\n${text}`));
  await ok("create-agent", "--agent-id", "unmeasured", "--owner", "you@example.com");
  await ok("create-agent", "--agent-id", "measured", "--owner", "you@example.com", "--measure", entry, python);
  const statement = join(place.root, "statement.json");
  writeFileSync(statement, seal(builder.privateKey.export({ type: "pkcs8", format: "pem" }) as string));
  await ok(
    ...["create-agent", "--agent-id", "vouched", "--owner", "you@example.com"],
    ...["--measure", entry, python, "--attestation", statement],
  );
});
after(() => place.close());

function seal(privateKey: string): string {
  const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");
  const subject = [entry, python].map((name) => ({ name, digest: { sha256: sha256(name) } }));
  const payload = Buffer.from(
    JSON.stringify({
      _type: "https://in-toto.io/Statement/v1",
      predicateType: "https://slsa.dev/provenance/v1",
      subject,
      predicate: {},
    }),
  );
  const payloadType = "application/vnd.in-toto+json";
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${payloadType.length} ${payloadType} ${payload.length} `),
    payload,
  ]);
  const sig = sign(null, signed, createPrivateKey(privateKey)).toString("base64");
  return JSON.stringify({ payloadType, payload: payload.toString("base64"), signatures: [{ keyid: "b", sig }] });
}

async function ok(...args: string[]): Promise<string> {
  const ran = await place.run(["auth", ...args]);
  assert.equal(ran.code, 0, ran.stderr);
  return ran.stdout.trim();
}

async function run(agent: string, policy: string, command: readonly string[]): Promise<Ran> {
  const token = await ok("issue-token", "--agent-id", agent, "--policy-id", policy);
  return place.run(["run", "--", ...command], { env: { SALLYPORT_TOKEN: token } });
}

async function refused(running: Promise<Ran>, said: RegExp): Promise<void> {
  const ran = await running;
  assert.deepEqual([ran.code, ran.stdout], [125, ""], ran.stderr);
  assert.match(ran.stderr, said);
  assert.match(ran.stderr, /attestation_failed/);
  assert.deepEqual(
    place.events().map(({ type }) => type),
    ["spawn.requested", "identity.verified", "session.ended"],
  );
}

/** The one that was measured: PATH may have another first. */
const start = ["/usr/bin/python3", "agent.py"];

test("a measured agent runs, and the log says as what it was measured", async () => {
  const ran = await run("measured", "measured", start);
  assert.deepEqual([ran.code, ran.stdout], [0, "honest\n"], ran.stderr);
  const verified = place.events().find(({ type }) => type === "identity.verified")?.detail as Record<string, unknown>;
  assert.equal(verified.attested, true);
  assert.match(String(verified.measurement), /^sha256:[0-9a-f]{64}$/);
  assert.equal(verified.issuer, null);
});

test("where the policy names who is to vouch, the log says who did, and by which key", async () => {
  const ran = await run("vouched", "vouched", start);
  assert.equal(ran.stdout, "honest\n", ran.stderr);
  const verified = place.events().find(({ type }) => type === "identity.verified")?.detail as Record<string, unknown>;
  assert.equal(verified.issuer, "builder.example");
  assert.match(String(verified.key_id), /^sha256:[0-9a-f]{64}$/);
});

const refusals: readonly { title: string; agent: string; policy: string; command?: readonly string[]; said: RegExp }[] =
  [
    { title: "an agent that nobody measured", agent: "unmeasured", policy: "measured", said: /this one was not/ },
    { title: "one that nobody vouches for", agent: "measured", policy: "vouched", said: /nobody has attested/ },
    {
      title: "one that a stranger vouches for",
      agent: "vouched",
      policy: "strangers",
      said: /none of somebody\.example/,
    },
    {
      title: "another program",
      agent: "measured",
      policy: "open",
      command: ["sh", "-c", "true"],
      said: /not one of the programs/,
    },
    {
      title: "other code for the interpreter",
      agent: "measured",
      policy: "open",
      command: ["/usr/bin/python3", "-c", "print(1)"],
      said: /and nothing else/,
    },
    {
      title: "the interpreter alone",
      agent: "measured",
      policy: "open",
      command: ["/usr/bin/python3"],
      said: /and nothing else/,
    },
  ];

for (const { title, agent, policy, command = start, said } of refusals) {
  test(`${title} does not start`, () => refused(run(agent, policy, command), said));
}

test("a policy that wants a measured agent starts nobody without a token", async () => {
  const policy = place.policy("# zero_trust.runtime.v1\n[identity]\nrequire_attestation = true\n");
  await refused(place.run(["run", "--policy", policy, "--", "true"]), /Run it under a token/);
});

test("a changed file is found before anything runs, and measuring again makes older tokens useless", async () => {
  const token = await ok("issue-token", "--agent-id", "measured", "--policy-id", "measured");
  writeFileSync(entry, 'print("changed")\n');
  const again = () => place.run(["run", "--", ...start], { env: { SALLYPORT_TOKEN: token } });
  await refused(again(), /agent\.py is not what was measured/);
  await ok("measure-agent", "--agent-id", "measured", "--measure", entry, python);
  await refused(again(), /another measurement/);
  const ran = await run("measured", "measured", start);
  assert.equal(ran.stdout, "changed\n");
  writeFileSync(entry, honest);
  await ok("measure-agent", "--agent-id", "measured", "--measure", entry, python);
});

test("what runs is what was measured, even where the file is swapped after the look and before the start", async () => {
  const token = await ok("issue-token", "--agent-id", "measured", "--policy-id", "measured");
  const beside = join(place.root, "beside");
  const swap = async (over: () => boolean) => {
    while (!over()) {
      writeFileSync(entry, 'print("swapped")\n');
      await new Promise((resolve) => setImmediate(resolve));
      writeFileSync(entry, honest);
      // A busy disk takes its time for each write: the honest text is to stand there as long as the other.
      for (let again = 0; again < 3; again += 1) writeFileSync(beside, honest);
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  let over = false;
  const swapping = swap(() => over);
  const outputs = new Set<string>();
  for (let round = 0; round < 12; round += 1) {
    const ran = await place.run(["run", "--quiet", "--", ...start], { env: { SALLYPORT_TOKEN: token } });
    if (ran.code === 0) outputs.add(ran.stdout);
    else assert.match(ran.stderr, /is not what was measured/); // refused, because the look met the swapped file
  }
  over = true;
  await swapping;
  assert.deepEqual([...outputs], ["honest\n"]);
});

test("the agent cannot change its own measured files from inside", async () => {
  writeFileSync(entry, 'open("agent.py", "w")\n');
  await ok("measure-agent", "--agent-id", "measured", "--measure", entry, python);
  const ran = await run("measured", "measured", start);
  assert.match(ran.stderr, /Read-only file system|Permission denied|Errno 30|Errno 13/);
});

test("a statement that is not about these files is refused when it is given", async () => {
  const statement = join(place.root, "other.json");
  writeFileSync(entry, "print(2)\n");
  writeFileSync(statement, seal(builder.privateKey.export({ type: "pkcs8", format: "pem" }) as string));
  writeFileSync(entry, honest);
  const args = ["measure-agent", "--agent-id", "vouched", "--measure", entry, python, "--attestation", statement];
  const ran = await place.run(["auth", ...args]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /does not speak of this agent: it does not name .*agent\.py/);
});
