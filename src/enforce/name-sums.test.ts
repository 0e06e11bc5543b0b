import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { openEventLog } from "#audit/log/event-log.ts";
import type { Action } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import type { Gate } from "#core/gate.ts";
import { compilePolicy } from "#policy/compile.ts";
import { parsePolicy } from "#policy/parse.ts";
import { request, subjectOf, temporaryFolder } from "#test/log/sample.ts";
import { openGate } from "./gate.ts";
import { createNameSums } from "./name-sums.ts";

const subject = subjectOf("20261121-124652-7f3a9c");
const text = '# zero_trust.runtime.v1\n[network]\nallow = ["**.example.com", "example.com"]\n';
const policy = compilePolicy([parsePolicy(text, { name: "test.toml" })]);
const lookup = (host: string, type = "A"): Action => ({ kind: "dns", host, type });

function open() {
  const file = join(temporaryFolder(), "events.jsonl");
  const log = openEventLog({ file, subject, durability: "group", now: () => 0 });
  const names = createNameSums(log);
  const gate = openGate({ subject, policy, log, maxRequests: null, onDecision() {}, names });
  const events = () =>
    readFileSync(file, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => JSON.parse(line) as { type: string; detail?: { count: number; names: unknown[] } });
  return { log, names, gate, events };
}

function judged(gate: Gate, action: Action): Promise<Decision> {
  return new Promise((resolve) => gate.judge(action, { decided: resolve }));
}

test("allowed lookups are one event, with each name's count; they are answered without waiting for it", async () => {
  const { log, names, gate, events } = open();
  for (let n = 0; n < 3; n++) assert.equal((await judged(gate, lookup("example.com"))).verdict, "allow");
  assert.equal((await judged(gate, lookup("example.com", "AAAA"))).verdict, "allow");
  assert.deepEqual(events(), []);
  names.flush();
  await log.close();
  assert.deepEqual(
    events().map(({ type, detail }) => [type, detail]),
    [
      [
        "dns.summed",
        {
          count: 4,
          names: [
            { count: 3, host: "example.com", type: "A" },
            { count: 1, host: "example.com", type: "AAAA" },
          ],
        },
      ],
    ],
  );
  assert.equal(log.counts.dns_allowed, 4);
});

test("a sum is written a second after its first lookup", (context) => {
  context.mock.timers.enable({ apis: ["setTimeout"] });
  const written: unknown[] = [];
  const names = createNameSums({ append: (event) => written.push(event), broken: null });
  const allow = { verdict: "allow", rule: "r", obligations: policy.parts[0]?.rules[0]?.allow.obligations } as never;
  names.take({ kind: "dns", host: "example.com", type: "A" }, allow, {} as never, undefined);
  context.mock.timers.tick(999);
  assert.equal(written.length, 0);
  context.mock.timers.tick(1);
  assert.equal(written.length, 1);
  names.flush();
  assert.equal(written.length, 1, "nothing is left");
});

test("denied lookups, connections and requests have events of their own, in their place", async () => {
  const { log, gate, events } = open();
  await judged(gate, lookup("evil.example"));
  await judged(gate, request("/", "example.com"));
  await judged(gate, { kind: "connect", host: "example.com", port: 443, protocol: "tls" });
  await log.close();
  assert.deepEqual(
    events().map(({ type }) => type),
    ["action", "action", "action"],
  );
});

test("names that an agent makes up fill neither memory nor an event", async () => {
  const { log, names, gate, events } = open();
  for (let n = 0; n < 1000; n++) gate.witness(lookup(`n${n}.example.com`));
  names.flush();
  await log.close();
  const sums = events().map(({ detail }) => detail);
  assert.equal(sums.length, 8);
  for (const sum of sums) assert.ok((sum?.names.length ?? 0) <= 128);
  assert.equal(
    sums.reduce((all, sum) => all + (sum?.count ?? 0), 0),
    1000,
  );
});

test("where the log has broken, a lookup is denied", async () => {
  const names = createNameSums({ append: () => 0, broken: new Error("full") });
  const log = openEventLog({ file: join(temporaryFolder(), "e"), subject, durability: "group", now: () => 0 });
  const gate = openGate({ subject, policy, log, maxRequests: null, onDecision() {}, names });
  const decision = await judged(gate, lookup("example.com"));
  assert.equal(decision.verdict === "deny" && decision.reason, "internal_error");
  names.flush();
  await log.close();
});
