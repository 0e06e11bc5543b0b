// Runs under tokens: whose they are, what holds, and how they end when something is taken back.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import type { Readable } from "node:stream";
import { after, before, test } from "node:test";
import { createTestAuthority } from "../servers/certificate-authority.ts";
import { startServer, type TestServer } from "../servers/https-server.ts";
import { placedPolicy } from "../servers/placed.ts";
import { collect, openPlace, type Place } from "./program.ts";

let place: Place;
let server: TestServer;
let policyFile = "";
const host = "api.example.test";

before(async () => {
  place = openPlace("token");
  const authority = createTestAuthority(place.root, "Token tests");
  const slow = (path: string) => path.startsWith("/slow");
  server = await startServer({
    leaf: authority.issue([host]),
    answer(request, response) {
      response.writeHead(200, { "content-type": "text/plain" });
      if (slow(request.url)) response.write("begun\n");
      else response.end("ok\n");
    },
  });
  const hosts = { [host]: server.port };
  policyFile = place.policy(placedPolicy({ caFile: authority.caFile, hosts }));
  for (const args of [
    ["init"],
    ["create-agent", "--agent-id", "support-bot", "--owner", "you@example.com"],
    ["create-policy", "--policy-id", "support", "--file", policyFile],
  ])
    assert.equal((await place.run(["auth", ...args])).code, 0, args.join(" "));
});
after(async () => {
  await server.close();
  place.close();
});

async function issue(...more: string[]): Promise<string> {
  const ran = await place.run(["auth", "issue-token", "--agent-id", "support-bot", "--policy-id", "support", ...more]);
  assert.equal(ran.code, 0, ran.stderr);
  return ran.stdout.trim();
}

const run = (token: string, command: readonly string[], ...flags: string[]) =>
  place.run(["run", ...flags, "--", ...command], { env: { SALLYPORT_TOKEN: token } });
const get = (path: string) => ["curl", "-sS", "--max-time", "20", `https://${host}${path}`];

test("a run is its token's agent, under its policy, and every event says so", async () => {
  const token = await issue("--task", "triage");
  const ran = await run(token, get("/x"));
  assert.deepEqual([ran.code, ran.stdout], [0, "ok\n"], ran.stderr);
  const { jti } = JSON.parse((await place.run(["auth", "inspect-token", token, "--json"])).stdout).grant;
  for (const event of place.events()) {
    assert.deepEqual(event.subject, {
      agent_id: "support-bot",
      bundle: null,
      chain: ["support-bot"],
      owner: "you@example.com",
      policy_id: "support",
      policy_version: 1,
      task: "triage",
      token_id: jti,
    });
  }
  assert.equal((await place.run(["audit", "verify", "last"])).code, 0);
});

test("the token is not in the cell, under any name", async () => {
  const token = await issue();
  const ran = await run(token, ["sh", "-c", "env; cat /proc/1/environ /proc/self/environ; cat /proc/*/cmdline"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.ok(ran.stdout.length > 100);
  assert.doesNotMatch(ran.stdout, /SALLYPORT_TOKEN|sallyport_[\w-]{20}/);
});

test("a token for one machine holds there and nowhere else", async () => {
  assert.equal((await run(await issue("--audience", hostname()), get("/"))).stdout, "ok\n");
  const elsewhere = await run(await issue("--audience", "another-machine"), get("/"));
  assert.deepEqual([elsewhere.code, elsewhere.stdout], [125, ""]);
  assert.match(elsewhere.stderr, /it is meant for another-machine/);
});

test("--token says the same as the environment", async () => {
  const ran = await place.run(["run", "--token", await issue(), "--", ...get("/")], {
    env: { SALLYPORT_TOKEN: undefined },
  });
  assert.equal(ran.stdout, "ok\n", ran.stderr);
});

test("a narrowed token gives less, and a flag cannot give it back", async () => {
  const narrowed = await issue("--allow", "other.example.test");
  assert.match((await run(narrowed, get("/"))).stdout, /"deny_reason":"domain_not_allowed"/);
  const refused = await run(await issue(), get("/"), "--allow", "more.example.test");
  assert.equal(refused.code, 125);
  assert.match(refused.stderr, /--allow cannot add to this policy/);
});

test("--policy beside a token takes away, and adds nothing", async () => {
  const other = place.policy('# zero_trust.runtime.v1\n[network]\nallow = ["elsewhere.example.test"]\n');
  const ran = await run(await issue(), get("/"), "--policy", other);
  assert.match(ran.stdout, /"deny_reason":"domain_not_allowed"/);
  const elsewhere = await run(await issue(), ["curl", "-sS", "https://elsewhere.example.test/"], "--policy", other);
  assert.match(elsewhere.stdout, /"deny_reason":"domain_not_allowed"/);
});

test("--token that is empty is no token, never a run without one", async () => {
  const ran = await place.run(["run", "--token", "", "--", "sh", "-c", "echo ran"]);
  assert.deepEqual([ran.code, ran.stdout], [125, ""]);
  assert.match(ran.stderr, /--token: the token does not hold.*\(token_invalid\)/);
});

const refusals: readonly {
  readonly title: string;
  readonly text: () => Promise<string>;
  readonly code: number;
  readonly said: string;
}[] = [
  { title: "a text that is no token", text: async () => "hello", code: 125, said: "token_invalid" },
  {
    title: "a token that was touched",
    text: async () => (await issue()).replace(/.{4}$/, "AAAA"),
    code: 125,
    said: "token_invalid",
  },
  {
    title: "an expired token",
    code: 120,
    said: "token_expired",
    text: async () => {
      const token = await issue("--ttl", "1s");
      while ((await place.run(["auth", "inspect-token", token])).code === 0);
      return token;
    },
  },
];

for (const { title, text, code, said } of refusals) {
  test(`${title} runs nothing, and leaves a session that says so`, async () => {
    const token = await text();
    const ran = await run(token, ["sh", "-c", "echo ran"]);
    assert.deepEqual([ran.code, ran.stdout], [code, ""]);
    assert.match(ran.stderr, new RegExp(`\\(${said}\\)`));
    const types = place.events().map(({ type }) => type);
    assert.deepEqual(types, ["spawn.requested", "identity.verified", "session.ended"]);
    assert.equal((place.record().failure as { code: string }).code, said);
  });
}

test("a policy that wants spending to be watched stops the run until this build can", async () => {
  await place.run(["auth", "create-policy", "--policy-id", "paid", "--max-spend-usd", "5", "--allowed-domains", host]);
  const issued = await place.run(["auth", "issue-token", "--agent-id", "support-bot", "--policy-id", "paid"]);
  const ran = await run(issued.stdout.trim(), ["true"]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /budget\.max_spend_usd.*\(not_enforced_yet\)/);
  const narrowed = await run(await issue("--max-spend-usd", "1"), ["true"]);
  assert.equal(narrowed.code, 125);
  assert.match(narrowed.stderr, /budget\.max_spend_usd.*\(not_enforced_yet\)/);
});

const takenBack: readonly {
  readonly title: string;
  readonly revoke: (token: { jti: string; session: string }) => readonly string[];
}[] = [
  { title: "its grant", revoke: ({ jti }) => ["revoke-token", "--jti", jti] },
  { title: "its task", revoke: ({ session }) => ["revoke-token", "--jti", session] },
  {
    title: "its agent's rule, so that what it has open is closed",
    revoke: () => ["revoke-capability", "--agent-id", "support-bot", "--rule", "placed"],
  },
];

for (const { title, revoke } of takenBack) {
  test(`a run whose connection is open is cut off when somebody revokes ${title}`, async () => {
    const token = await issue();
    const { jti } = JSON.parse((await place.run(["auth", "inspect-token", token, "--json"])).stdout).grant;
    const child = place.start(
      [
        "run",
        "--",
        "sh",
        "-c",
        `curl -sSN https://${host}/slow; echo "curl $?"; curl -sS https://${host}/after; sleep 60`,
      ],
      {
        env: { SALLYPORT_TOKEN: token },
      },
    );
    const begun = Promise.withResolvers<void>();
    child.stdout?.on("data", (chunk: Buffer) => {
      if (chunk.includes("begun")) begun.resolve();
    });
    const ended = collect(child);
    await begun.promise;
    const session = place.sessions().at(-1) ?? "";
    const args = revoke({ jti, session });
    const revoked = await place.run(["auth", ...args]);
    assert.equal(revoked.code, 0, revoked.stderr);
    if (args[0] === "revoke-capability") {
      const answered = Promise.withResolvers<void>();
      child.stdout?.on("data", (chunk: Buffer) => {
        if (chunk.includes("token_revoked")) answered.resolve();
      });
      await answered.promise;
      child.kill("SIGTERM");
    }
    const ran = await ended;
    assert.equal(ran.code, 120, ran.stderr);
    assert.ok(place.events(session).some(({ type }) => type === "authority.changed"));
    const { kind } = place.record(session).termination as { kind: string };
    assert.equal(kind, args[0] === "revoke-capability" ? "killed" : "revoked");
  });
}

test("a rule that was taken back stays closed for runs that begin later, whatever is put beside the token", async () => {
  const wide = place.policy('# zero_trust.runtime.v1\n[network]\ndefault = "allow"\n');
  for (const flags of [[], ["--policy", wide]])
    assert.match((await run(await issue(), get("/"), ...flags)).stdout, /"deny_reason":"token_revoked"/);
});

test("a token whose time is over ends the run that it began", async () => {
  const ran = await run(await issue("--ttl", "5s"), ["sleep", "60"]);
  assert.equal(ran.code, 120, ran.stderr);
  assert.equal((place.record().termination as { kind: string }).kind, "expired");
});

test("a policy that is updated live holds for the running task at once, and closes what it does not allow", async () => {
  await place.run(["auth", "create-policy", "--policy-id", "live", "--file", policyFile]);
  await place.run(["auth", "create-agent", "--agent-id", "live-bot", "--owner", "you@example.com"]);
  const issued = await place.run(["auth", "issue-token", "--agent-id", "live-bot", "--policy-id", "live"]);
  const script = `curl -sSN https://${host}/slow; echo "cut"; curl -sS https://${host}/after`;
  const child = place.start(["run", "--", "sh", "-c", script], { env: { SALLYPORT_TOKEN: issued.stdout.trim() } });
  const begun = Promise.withResolvers<void>();
  child.stdout?.on("data", (chunk: Buffer) => {
    if (chunk.includes("begun")) begun.resolve();
  });
  const ended = collect(child);
  await begun.promise;
  const narrower = place.policy('# zero_trust.runtime.v1\n[network]\nallow = ["elsewhere.example.test"]\n');
  const updated = await place.run(["auth", "update-policy", "--policy-id", "live", "--file", narrower, "--live"]);
  assert.match(updated.stdout, /policy live version 2/);
  const ran = await ended;
  assert.match(ran.stdout, /begun\ncut\n.*"policy_version":2.*"deny_reason":"domain_not_allowed"/);
  const events = place.events();
  assert.ok(
    events.some(
      ({ type, detail }) => type === "authority.changed" && JSON.stringify(detail).includes("policy_updated"),
    ),
  );
  assert.equal(events.at(-1)?.subject?.policy_version, 2);
  assert.equal((await place.run(["audit", "verify", "last"])).code, 0);
});

test("a policy that is updated live leaves alone what it still allows", async () => {
  await place.run(["auth", "create-policy", "--policy-id", "kept", "--file", policyFile]);
  const issued = await place.run(["auth", "issue-token", "--agent-id", "live-bot", "--policy-id", "kept"]);
  const script = `curl -sSN https://${host}/slow & read x; curl -sS https://${host}/after; kill -0 $! && echo alive; kill $!`;
  const child = place.start(["run", "--", "sh", "-c", script], { env: { SALLYPORT_TOKEN: issued.stdout.trim() } });
  assert.ok(child.stdout && child.stdin);
  let seen = "";
  child.stdout.on("data", (chunk: Buffer) => {
    seen += chunk;
  });
  const until = async (text: string) => {
    while (!seen.includes(text)) await once(child.stdout as Readable, "data");
  };
  await until("begun");
  const wider = place.policy(`${readFileSync(policyFile, "utf8")}\n[[network.rule]]\nhost = "more.example.test"\n`);
  await place.run(["auth", "update-policy", "--policy-id", "kept", "--file", wider, "--live"]);
  const session = place.sessions().at(-1) ?? "";
  while (!place.events(session).some(({ type }) => type === "policy.updated"));
  const ended = until("alive");
  child.stdin.write("go\n");
  await ended;
  assert.match(seen, /begun\nok\nalive/);
  child.kill("SIGTERM");
});
