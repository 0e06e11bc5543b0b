// `run --observe`: what an agent needs, found out by letting it; and the policy that comes of it, as a user would take it up.
// That it opens no private space is among the attacks.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { decisionsOn } from "./program.ts";
import { openScene, type Scene } from "./scene.ts";

let place: Scene;
before(async () => {
  place = await openScene("observe");
});
after(() => place?.close());

// `invalid` has no names (RFC 6761): what is let through is told so by the upstream that cannot be found
const ask = [
  "curl -s -o /dev/null https://registry.invalid/left-pad?x=1",
  "curl -s -o /dev/null http://registry.invalid/",
  "curl -s -o /dev/null https://build.invalid:8443/",
  "curl -s -o /dev/null https://10.9.8.7/",
  "true",
].join("; ");

test("what would be denied passes and says so; private space stays closed; the end prints what is enough", async () => {
  const ran = await place.run(["run", "--observe", "--", "sh", "-c", ask]);
  assert.equal(ran.code, 0, ran.stderr);
  const lines = ran.stderr.split("\n");
  assert.ok(lines.some((line) => line.includes("OBSERVING") && line.includes("every public host is allowed")));
  assert.ok(lines.includes("  --allow build.invalid:8443 --allow registry.invalid"), ran.stderr);
  assert.ok(!ran.stderr.includes("10.9.8.7:443"), "no suggestion opens private space");

  const [request] = decisionsOn(place.events(), "registry.invalid").filter((event) => event.action?.kind === "http");
  assert.deepEqual(request?.decision, {
    decision: "allow",
    rule: "observe",
    would_deny: {
      deny_reason: "domain_not_allowed",
      detail: null,
      remedy: "--allow registry.invalid",
      rule: null,
    },
  });
  const closed = decisionsOn(place.events(), "10.9.8.7").filter((event) => event.action?.kind !== "dns");
  assert.ok(closed.length > 0);
  for (const event of closed) assert.equal(event.decision?.deny_reason, "private_address");

  const record = place.record() as { observe?: boolean; suggestion?: { allow: string[]; policy: string } };
  assert.equal(record.observe, true);
  assert.deepEqual(record.suggestion?.allow, ["build.invalid:8443", "registry.invalid"]);
  const verified = await place.run(["audit", "verify", "last"]);
  assert.equal(verified.code, 0, verified.stdout);
  assert.match((await place.run(["sessions", "show", "last"])).stdout, /^observed .*policy suggest/m);
  assert.match(
    (await place.run(["sessions", "events", "last"])).stdout,
    /by observe, though the policy would deny it \(domain_not_allowed\)/,
  );
});

test("the suggested policy, taken as it stands, lets the same run pass without a denial by policy", async () => {
  const suggested = await place.run(["policy", "suggest", "last", "--toml"]);
  assert.equal(suggested.code, 0, suggested.stderr);
  const file = join(place.root, "suggested.toml");
  writeFileSync(file, suggested.stdout);
  assert.equal((await place.run(["policy", "check", file])).code, 0);
  const ran = await place.run(["run", "--policy", file, "--", "sh", "-c", ask]);
  assert.equal(ran.code, 0, ran.stderr);
  for (const host of ["registry.invalid", "build.invalid"]) {
    const decisions = decisionsOn(place.events(), host).filter((event) => event.decision?.decision === "allow");
    assert.ok(decisions.length > 0, host);
    for (const event of decisionsOn(place.events(), host))
      assert.notEqual(event.decision?.deny_reason, "domain_not_allowed");
  }
});

test("what was denied without observation is suggested as well, with paths where they are asked for", async () => {
  await place.run(["run", "--", "sh", "-c", ask]);
  const plain = JSON.parse((await place.run(["policy", "suggest", "last", "--json"])).stdout) as {
    flags: string[];
    private: string[];
  };
  assert.deepEqual(plain.flags, ["--allow", "build.invalid:8443", "--allow", "registry.invalid"]);
  const narrow = JSON.parse((await place.run(["policy", "suggest", "last", "--paths", "--json"])).stdout) as {
    rules: { host: string; port: number; method: string[]; path: string[] }[];
  };
  assert.deepEqual(
    narrow.rules.find(({ host, port }) => host === "registry.invalid" && port === 443),
    {
      host: "registry.invalid",
      port: 443,
      method: ["GET"],
      path: ["/left-pad"],
    },
  );
});

test("beside a policy file it judges by the file, and suggests what the file lacks", async () => {
  const script = `curl -s https://api.example.com/allowed; ${ask}`;
  const ran = await place.run(["run", "--observe", "--json", "--policy", place.served, "--", "sh", "-c", script]);
  assert.equal(ran.code, 0, ran.stderr);
  const record = JSON.parse(ran.stderr.trimEnd().split("\n").at(-1) ?? "") as {
    suggestion: { base: string; allow: string[] };
  };
  assert.equal(record.suggestion.base, place.served);
  assert.deepEqual(record.suggestion.allow, ["build.invalid:8443", "registry.invalid"]);
  const [allowed] = decisionsOn(place.events(), "api.example.com").filter((event) => event.action?.kind === "http");
  assert.equal(allowed?.decision?.rule, "placed");
  assert.equal(place.server.requests.at(-1)?.url, "/allowed");
});

test("no file, and no policy under which a violation ends the run, can be observed", async () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ["observe = true\n", [], /policy_invalid/],
    ["[execution]\nobserve = true\n", [], /policy_invalid/],
    ["[execution]\nterminate_on_policy_violation = true\n", ["--observe"], /--observe.*\(usage\)/s],
    ['[execution]\nlevel = "strict"\n', ["--observe"], /--observe.*\(usage\)|\(not_enforced_yet\)/s],
  ];
  for (const [text, flags, said] of cases) {
    const ran = await place.run(["run", ...flags, "--policy", place.policy(text), "--", "true"]);
    assert.equal(ran.code, 125, text);
    assert.match(ran.stderr, said);
  }
});

test("--quiet keeps the warning, and nothing else", async () => {
  const ran = await place.run(["run", "--quiet", "--observe", "--", "sh", "-c", ask]);
  assert.deepEqual(
    ran.stderr.split("\n").filter((line) => line !== "" && !line.includes("OBSERVING")),
    [],
  );
  assert.match(ran.stderr, /OBSERVING/);
});
