import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { Action } from "#core/action.ts";
import type { Decision } from "#core/decision.ts";
import type { DenyReason } from "#core/reason.ts";
import { createReport, type ReportOptions } from "./report.ts";

const http = (host: string, port = 443, path = "/x"): Action => ({
  kind: "http",
  scheme: "https",
  host,
  port,
  method: "GET",
  path,
  body: false,
  upgrade: null,
});
const denied = (reason: DenyReason, remedy: string | null = null): Decision => ({
  verdict: "deny",
  reason,
  rule: null,
  remedy,
  detail: null,
});
const allowed = { verdict: "allow", rule: "a" } as unknown as Decision;
const end = { milliseconds: 1_234, session: "20261121-124652-7f3a9c", termination: null };

function open(context: TestContext, options: Partial<ReportOptions> = {}) {
  context.mock.timers.enable({ apis: ["setInterval"] });
  const lines: string[] = [];
  const report = createReport((text) => void lines.push(text), {
    quiet: false,
    json: false,
    drawing: () => false,
    ...options,
  });
  return { lines, report };
}

test("a denial is one line, once per host and rule", (context) => {
  const { lines, report } = open(context);
  const deny = denied("domain_not_allowed", "--allow example.com");
  report.decision(http("example.com"), deny);
  report.decision(http("example.com", 443, "/other"), deny);
  report.decision({ kind: "dns", host: "example.com", type: "A" }, deny);
  report.decision({ kind: "connect", host: "10.0.0.1", port: 22, protocol: "tcp" }, denied("private_address"));
  assert.deepEqual(lines, [
    "sallyport: denied GET example.com/x (domain_not_allowed) · allow with --allow example.com\n",
    "sallyport: denied CONNECT 10.0.0.1:22 (private_address)\n",
  ]);
});

test("what was allowed and whose upstream then failed is neither allowed nor denied in the sum", (context) => {
  const { lines, report } = open(context);
  report.decision(http("up.example"), allowed);
  report.decision(http("down.example"), allowed);
  report.decision(http("down.example"), denied("upstream_unreachable"));
  report.decision(http("other.example"), denied("domain_not_allowed"));
  report.end(end);
  assert.deepEqual(lines, [
    "sallyport: failed GET down.example/x (upstream_unreachable)\n",
    "sallyport: denied GET other.example/x (domain_not_allowed)\n",
    "sallyport: 1.2 s · 1 request allowed, 1 denied, 1 failed · session 20261121-124652-7f3a9c\n",
  ]);
});

test("while a program draws, lines wait; they come when it has given the screen back", (context) => {
  let drawing = true;
  const { lines, report } = open(context, { drawing: () => drawing });
  report.decision(http("a.example"), denied("domain_not_allowed"));
  report.note("settings not carried over");
  context.mock.timers.tick(1_000);
  assert.deepEqual(lines, []);
  drawing = false;
  report.decision(http("b.example"), denied("domain_not_allowed"));
  assert.deepEqual(lines, [], "in their order");
  context.mock.timers.tick(200);
  assert.equal(lines.length, 3);
  assert.match(lines[0] ?? "", /a\.example/);
});

test("what still waits at the end comes before the summary", (context) => {
  const { lines, report } = open(context, { drawing: () => true });
  report.decision(http("a.example"), denied("domain_not_allowed"));
  report.end({ ...end, termination: "killed" });
  assert.equal(lines.length, 2);
  assert.match(lines[1] ?? "", /ended by killed/);
});

test("quiet says nothing", (context) => {
  const { lines, report } = open(context, { quiet: true, progress: () => assert.fail("progress") });
  report.before("no policy");
  report.decision(http("a.example"), denied("domain_not_allowed"));
  report.note("x");
  report.waiting("y");
  report.end(end);
  assert.deepEqual(lines, []);
  report.warn("not for everybody");
  assert.deepEqual(lines, ["sallyport: not for everybody\n"]);
  assert.equal(report.denied, 1);
});

test("json is one object a line, and no summary, because the record follows", (context) => {
  const { lines, report } = open(context, { json: true });
  report.before("no policy");
  report.decision(http("a.example"), denied("domain_not_allowed", "--allow a.example"));
  report.decision(http("b.example"), denied("upstream_untrusted"));
  report.end(end);
  const [notice, deny, fail, ...more] = lines.map((line) => JSON.parse(line) as { [name: string]: unknown });
  assert.deepEqual(notice, { notice: "no policy" });
  assert.deepEqual(deny, {
    denied: {
      action: http("a.example"),
      decision: {
        decision: "deny",
        deny_reason: "domain_not_allowed",
        rule: null,
        remedy: "--allow a.example",
        detail: null,
      },
    },
  });
  assert.ok(fail !== undefined && "failed" in fail);
  assert.deepEqual(more, []);
});

test("an agent's bytes reach the terminal escaped, and a path of any length is one line", (context) => {
  const { lines, report } = open(context);
  report.decision(http("a.example", 8443, `/\u001b[2J${"x".repeat(70_000)}`), denied("domain_not_allowed"));
  assert.ok(!lines[0]?.includes("\u001b") && (lines[0]?.length ?? 0) < 400);
  assert.match(lines[0] ?? "", /a\.example:8443\/\\u001b\[2Jxx/);
});

test("a run that names ever new hosts is told a thousand of them, and how many more there were", (context) => {
  const { lines, report } = open(context);
  for (let i = 0; i < 1_010; i++) report.decision(http(`h${i}.example`), denied("domain_not_allowed"));
  report.end(end);
  assert.equal(lines.length, 1_002);
  assert.match(lines[1_000] ?? "", /and 10 more denials/);
});

test("a line erases what is being waited for, and so does what the agent prints", (context) => {
  const said: string[] = [];
  const progress = (text: string) => ({
    clear: () => void said.push(`clear ${text}`),
    end: () => void said.push(`end ${text}`),
  });
  const { report } = open(context, { progress });
  report.waiting("the cell");
  report.before("no policy");
  report.interrupted();
  report.waiting(null);
  report.waiting("its end");
  report.end(end);
  assert.deepEqual(said, ["clear the cell", "clear the cell", "end the cell", "end its end"]);
});
