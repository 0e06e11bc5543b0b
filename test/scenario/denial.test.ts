// What a blocked agent sees, and what the person at the terminal is told of it, to the letter.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { decisionsOn } from "./program.ts";
import { openScene, type Scene } from "./scene.ts";

let place: Scene;

before(async () => {
  place = await openScene("denial");
});

after(() => place?.close());

test("a denied request is answered with 403, problem+json and these fields, and the log has the same record", async () => {
  const ran = await place.run(["run", "--policy", place.served, "--", "curl", "-sSi", "https://example.com/x"]);
  const [head = "", body = ""] = ran.stdout.split("\r\n\r\n");
  assert.match(head, /^HTTP\/1\.1 403 /);
  assert.match(head, /^content-type: application\/problem\+json\r?$/im);
  const denial = JSON.parse(body) as { [name: string]: unknown };
  const { decision, agent_id, owner, policy_id, policy_version, deny_reason } = denial;
  assert.deepEqual(
    { decision, agent_id, deny_reason },
    { decision: "deny", agent_id: "local", deny_reason: "domain_not_allowed" },
  );
  assert.deepEqual([typeof owner, typeof policy_id, typeof policy_version], ["string", "string", "number"]);

  const [event] = decisionsOn(place.events(), "example.com").filter((e) => e.action?.kind === "http");
  assert.equal(event?.decision?.decision, "deny");
  assert.equal(event?.decision?.deny_reason, "domain_not_allowed");
  assert.equal(event?.action?.path, "/x");
  const subject = event?.subject ?? {};
  assert.deepEqual(
    [subject.agent_id, subject.owner, subject.policy_id, subject.policy_version],
    [agent_id, owner, policy_id, policy_version],
  );
});

test("the terminal is told of a denial once per host and rule, and what would allow it", async () => {
  const script = "for n in 1 2 3; do curl -s https://example.com/x; done; curl -s https://example.net/y; true";
  const ran = await place.run(["run", "--", "sh", "-c", script]);
  assert.equal(ran.code, 0);
  const told = ran.stderr.split("\n").filter((line) => line.includes("denied "));
  assert.deepEqual(told.slice(0, 2), [
    "sallyport: denied GET example.com/x (domain_not_allowed) · allow with --allow example.com",
    "sallyport: denied GET example.net/y (domain_not_allowed) · allow with --allow example.net",
  ]);
  assert.equal(told.filter((line) => line.includes("denied GET")).length, 2);
});

test("under a policy file, where --allow would be refused, the line names the file instead", async () => {
  const ran = await place.run(["run", "--policy", place.served, "--", "curl", "-s", "https://example.com/x"]);
  const told = ran.stderr.split("\n").find((line) => line.includes("denied GET")) ?? "";
  assert.ok(told.startsWith("sallyport: denied GET example.com/x (domain_not_allowed) · "), told);
  assert.ok(told.includes(place.served) && !told.includes("--allow"), told);
});

test("the run ends with a summary of time, requests, denials and the session id", async () => {
  const script = "curl -s https://api.example.com/a; curl -s https://example.com/x";
  const ran = await place.run(["run", "--policy", place.served, "--", "sh", "-c", script]);
  const summary = ran.stderr.trimEnd().split("\n").at(-1) ?? "";
  assert.match(summary, /^sallyport: /);
  assert.match(summary, /\d+(\.\d+)? ?m?s/);
  assert.match(summary, /\b[12] requests?\b/);
  assert.match(summary, /\b1 denied\b|\b1 denials?\b/);
  assert.ok(summary.includes(place.sessions().at(-1) ?? "no session"), summary);
});

test("--quiet silences both, and nothing of the agent's own output", async () => {
  const script = "curl -s -o /dev/null https://example.com/x; echo out; echo err >&2";
  const ran = await place.run(["run", "--quiet", "--policy", place.served, "--", "sh", "-c", script]);
  assert.equal(ran.stdout, "out\n");
  assert.equal(ran.stderr, "err\n");
});

test("--allow opens exactly what it names, at ports 80 and 443, and nothing else", async () => {
  const script =
    "for u in https://example.invalid/ https://www.example.invalid/ http://example.invalid:8080/; do curl -s -o /dev/null -w '%{http_code}\\n' $u; done; true";
  const ran = await place.run(["run", "--allow", "example.invalid", "--", "sh", "-c", script]);
  assert.equal(ran.code, 0, ran.stderr);
  const events = place.events();
  // allowed by policy; nothing answers there, because `invalid` has no names (RFC 6761)
  assert.ok(
    decisionsOn(events, "example.invalid").some(
      (e) => e.action?.kind === "http" && e.action.port === 443 && e.decision?.decision === "allow",
    ),
  );
  const reason = (host: string, port: number): string | undefined =>
    decisionsOn(events, host).find((e) => e.action?.kind !== "dns" && e.action?.port === port)?.decision?.deny_reason;
  assert.equal(reason("www.example.invalid", 443), "domain_not_allowed");
  assert.equal(reason("example.invalid", 8080), "port_not_allowed");
});

test("--allow beside a policy that does not say extendable is an error", async () => {
  const ran = await place.run(["run", "--policy", place.served, "--allow", "example.com", "--", "true"]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /extendable/);
});

test("explain-code explains every reason that an agent can be given", async () => {
  const reasons =
    "domain_not_allowed method_not_allowed path_not_allowed port_not_allowed protocol_not_allowed private_address malformed_request " +
    "name_mismatch upstream_untrusted upstream_unreachable requests_exhausted budget_exhausted unmetered token_invalid token_expired " +
    "token_revoked attestation_failed approval_denied approval_timeout credential_unavailable content_blocked tool_not_allowed " +
    "file_not_allowed not_enforced_yet internal_error";
  const all = await place.run(["explain-code", "--json"]);
  const texts = JSON.parse(all.stdout) as { code: string; kind: string; meaning: string; remedy: string }[];
  const denials = texts.filter((text) => text.kind === "denial");
  assert.deepEqual(denials.map((text) => text.code).sort(), reasons.split(" ").sort());

  const [first] = denials;
  assert.ok(first);
  const one = await place.run(["explain-code", first.code]);
  assert.equal(one.code, 0, one.stderr);
  assert.ok(one.stdout.includes(first.meaning) && one.stdout.includes(first.remedy), one.stdout);
});

test("with --json standard error is JSON lines alone: notices, denials, failures of upstreams, and the record as the last", async () => {
  const policy = place.policy(
    '[[network.rule]]\nhost = "down.example"\nport = [80, 443]\nprivate = ["127.0.0.1"]\n[upstream]\nresolve = { "down.example" = "127.0.0.1:9" }\n',
  );
  const ask = "curl -s -o /dev/null http://down.example/ ; curl -s -o /dev/null http://example.com/x";
  const flags = ["run", "--json", "--policy", policy, "--env", "NOT_SET_HERE"];
  const ran = await place.run([...flags, "--", "sh", "-c", ask]);
  const lines = ran.stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { [name: string]: never });
  assert.deepEqual(
    lines.slice(0, -1).map((line) => Object.keys(line).join()),
    ["notice", "failed", "denied"],
  );
  const [, failed, denied, record] = lines as unknown as [object, object, object, { state: string; id: string }];
  assert.match(JSON.stringify(failed), /"host":"down.example".*"deny_reason":"upstream_unreachable"/);
  assert.match(JSON.stringify(denied), /"path":"\/x".*"deny_reason":"domain_not_allowed"/);
  assert.equal(record.state, "ended");
  const told = await place.run(["run", "--policy", policy, "--", "sh", "-c", ask]);
  assert.match(told.stderr, /sallyport: failed GET down\.example\/ \(upstream_unreachable\)/);
  assert.match(told.stderr, /0 requests allowed, 1 denied, 1 failed/);
  const observed = await place.run(["run", "--json", "--quiet", "--observe", "--", "true"]);
  for (const line of observed.stderr.trimEnd().split("\n")) JSON.parse(line);
});
