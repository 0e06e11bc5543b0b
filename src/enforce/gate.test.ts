import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type EventLog, openEventLog } from "#audit/log/event-log.ts";
import type { Action } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import type { Gate } from "#core/gate.ts";
import { type CompiledPolicy, compilePolicy } from "#policy/compile.ts";
import { policyFromFlags } from "#policy/extend.ts";
import { request, subjectOf, temporaryFolder } from "#test/log/sample.ts";
import { type GateOptions, openGate } from "./gate.ts";

const subject = subjectOf("20261121-124652-7f3a9c");
const policy = compilePolicy([policyFromFlags(["example.com"])]);
const denied: Action = { kind: "connect", host: "other.example", port: 443, protocol: "tls" };
const lookup: Action = { kind: "dns", host: "example.com", type: "A" };

function open(more: Partial<GateOptions> = {}): { gate: Gate; log: EventLog; events: () => unknown[] } {
  const file = join(temporaryFolder(), "events.jsonl");
  const log = openEventLog({ file, subject, durability: "group", now: () => 0 });
  const gate = openGate({ subject, policy, log, maxRequests: null, onDecision() {}, ...more });
  const events = () =>
    readFileSync(file, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { decision: unknown }).decision);
  return { gate, log, events };
}

function judged(gate: Gate, action: Action): Promise<Decision> {
  return new Promise((resolve) => gate.judge(action, { decided: resolve }));
}

const said = (decision: Decision) => (decision.verdict === "allow" ? "allow" : decision.reason);

test("an effect hears its decision after the event is in the file, and never inside the question", async () => {
  const { gate, log, events } = open();
  let asking = true;
  const seen = await new Promise<number>((resolve) => {
    gate.judge(request("/"), {
      decided: () => {
        assert.equal(asking, false);
        resolve(events().length);
      },
    });
    asking = false;
    assert.equal(events().length, 0);
  });
  assert.equal(seen, 1);
  await log.close();
});

test("where the event cannot be written, what was allowed is denied", async () => {
  const { gate, log } = open();
  await log.close();
  assert.equal(said(await judged(gate, request("/"))), "internal_error");
  assert.equal(said(await judged(gate, lookup)), "internal_error");
});

test("a judgement that fails denies, and leaves its event", async () => {
  const parts = () => {
    throw new Error("broken");
  };
  const broken: CompiledPolicy = Object.defineProperties({ ...policy }, { parts: { get: parts } });
  const { gate, log, events } = open({ policy: broken });
  assert.equal(said(await judged(gate, request("/"))), "internal_error");
  assert.equal(said(gate.preview(request("/"))), "internal_error");
  await log.close();
  assert.equal(events().length, 1);
});

test("the cap counts what is allowed, not lookups, denials or previews", async () => {
  const { gate, log } = open({ maxRequests: 2 });
  const answers: string[] = [];
  for (const action of [lookup, denied, request("/1"), lookup, request("/2"), denied, request("/3"), lookup]) {
    gate.preview(request("/preview"));
    answers.push(said(await judged(gate, action)));
  }
  assert.deepEqual(answers, [
    "allow",
    "domain_not_allowed",
    "allow",
    "allow",
    "allow",
    "domain_not_allowed",
    "requests_exhausted",
    "allow",
  ]);
  await log.close();
});

test("a connection that ended before it asked for anything leaves its event, and no cap counts it", async () => {
  const { gate, log, events } = open({ maxRequests: 1 });
  gate.witness(request("/opened-in-advance"));
  assert.equal(said(await judged(gate, request("/"))), "allow");
  await log.close();
  assert.equal(events().length, 2);
});

test("requests asked for at once cannot share the last one", async () => {
  const { gate, log } = open({ maxRequests: 1 });
  const answers = await Promise.all([1, 2, 3].map((n) => judged(gate, request(`/${n}`))));
  assert.deepEqual(answers.map(said), ["allow", "requests_exhausted", "requests_exhausted"]);
  await log.close();
});

test("a refusal is an event like any other, and a listener hears of both with their seq", async () => {
  const heard: [string, number][] = [];
  const { gate, log, events } = open({ onDecision: (_, decision, seq) => heard.push([said(decision), seq]) });
  await judged(gate, request("/"));
  await new Promise<Decision>((resolve) =>
    gate.refuse(denied, "name_mismatch", "SNI is another name", { decided: resolve }),
  );
  assert.deepEqual(heard, [
    ["allow", 1],
    ["name_mismatch", 2],
  ]);
  assert.deepEqual(events()[1], {
    decision: "deny",
    deny_reason: "name_mismatch",
    detail: "SNI is another name",
    remedy: null,
    rule: null,
  });
  await log.close();
});

test("what a door refuses because it leads into a private network says what would open that, once a person means it", async () => {
  const { gate, log } = open();
  const remedyOf = async (action: Action) => {
    const decision = await new Promise<Decision>((resolve) =>
      gate.refuse(action, "private_address", "resolved to 10.0.0.5", { decided: resolve }),
    );
    return decision.verdict === "deny" ? decision.remedy : undefined;
  };
  assert.equal(
    await remedyOf(denied),
    'If that network is meant, write a [[network.rule]] with host = "other.example" and private = ["CIDR"]',
  );
  assert.equal(await remedyOf({ kind: "connect", host: "Not\u001b.normal", port: 443, protocol: "tls" }), null);
  await log.close();
});
