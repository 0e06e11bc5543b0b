// Exit codes, and what session.json says of the same end: it is the authority.

import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, openPlace, type Place } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("exit");
  writeFileSync(join(place.workspace, "not-a-program"), "text\n", { mode: 0o644 });
});
after(() => place?.close());

interface Case {
  readonly title: string;
  readonly policy?: string;
  readonly flags?: readonly string[];
  readonly command: readonly string[];
  readonly code: number;
  readonly termination?: { readonly kind: string; readonly threshold?: unknown; readonly observed?: unknown };
}

const loop = ["sh", "-c", "while :; do sleep 1; done"];
const cases: readonly Case[] = [
  { title: "the agent's own", command: ["sh", "-c", "exit 7"], code: 7 },
  { title: "zero", command: ["true"], code: 0 },
  { title: "128+n for the agent's signal", command: ["sh", "-c", "kill -9 $$"], code: 137 },
  { title: "128+15 for SIGTERM of its own", command: ["sh", "-c", "kill -TERM $$"], code: 143 },
  { title: "127 where there is no such program", command: ["no-such-program"], code: 127 },
  { title: "126 where it is not executable", command: ["./not-a-program"], code: 126 },
  {
    title: "124 at max runtime",
    policy: "[execution]\nmax_runtime_seconds = 1\n",
    command: loop,
    code: 124,
    termination: { kind: "max_runtime" },
  },
  {
    title: "123 at max output lines",
    policy: "[execution]\nmax_output_lines = 3\n",
    command: ["sh", "-c", "yes | head -10; sleep 30"],
    code: 123,
    termination: { kind: "max_output_lines", threshold: 3 },
  },
  {
    title: "123 at max output bytes",
    policy: "[execution]\nmax_output_bytes = 10\n",
    command: ["sh", "-c", "printf 0123456789abcdef; sleep 30"],
    code: 123,
    termination: { kind: "max_output_bytes", threshold: 10 },
  },
  {
    title: "122 at max requests",
    policy:
      '[[network.rule]]\nhost = "example.com"\nprivate = ["127.0.0.1"]\n[execution]\nmax_requests = 1\n[upstream]\nresolve = { "example.com" = "127.0.0.1:9" }\n',
    command: ["sh", "-c", "curl -s http://example.com/1; curl -s http://example.com/2; sleep 30"],
    code: 122,
    termination: { kind: "max_requests", threshold: 1, observed: 2 },
  },
  {
    title: "124 by --max-runtime, in seconds or with a unit",
    flags: ["--max-runtime", "1s"],
    command: loop,
    code: 124,
    termination: { kind: "max_runtime" },
  },
  {
    title: "123 where flag and policy disagree: the tighter holds",
    policy: "[execution]\nmax_output_lines = 5\n",
    flags: ["--max-output-lines", "2"],
    command: ["sh", "-c", "yes | head -10; sleep 30"],
    code: 123,
    termination: { kind: "max_output_lines", threshold: 2 },
  },
  {
    title: "123 where the policy is the tighter one",
    policy: '[execution]\nmax_output_bytes = "2kB"\n',
    flags: ["--max-output-bytes", "50MiB"],
    command: ["sh", "-c", "yes | head -c 5000; sleep 30"],
    code: 123,
    termination: { kind: "max_output_bytes", threshold: 2000 },
  },
  {
    title: "121 at a policy violation that terminates",
    policy: "[execution]\nterminate_on_policy_violation = true\n",
    command: ["sh", "-c", "curl -s http://example.com/; sleep 30"],
    code: 121,
    termination: { kind: "policy_violation", threshold: 0, observed: 1 },
  },
];

for (const { title, policy, flags = [], command, code, termination } of cases) {
  test(`exit code: ${title}`, async () => {
    const before = place.sessions().length;
    const named = policy === undefined ? [] : ["--policy", place.policy(policy)];
    const ran = await place.run(["run", ...named, ...flags, "--", ...command]);
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(place.sessions().length, before + 1);
    const record = place.record() as {
      exit_code?: unknown;
      signal?: unknown;
      termination: null | { [key: string]: unknown };
    };
    if (termination === undefined) assert.equal(record.termination, null);
    else {
      for (const [name, value] of Object.entries(termination)) assert.equal(record.termination?.[name], value, name);
    }
  });
}

test("exactly N lines are passed on and kept, and the next is not", async () => {
  const policy = place.policy("[execution]\nmax_output_lines = 3\n");
  const ran = await place.run(["run", "--quiet", "--policy", policy, "--", "sh", "-c", "seq 1 10; sleep 30"]);
  assert.equal(ran.stdout, "1\n2\n3\n");
  assert.equal(place.file(place.sessions().at(-1) ?? "", "stdout.log").toString(), "1\n2\n3\n");
});

test("125 where sallyport itself cannot do what was asked", async () => {
  const cases: readonly (readonly [readonly string[], { [name: string]: string }, RegExp])[] = [
    [["run", "--policy", "/no/such/policy.toml", "--", "true"], {}, /policy_unreadable/],
    [["run", "--no-such-flag", "--", "true"], {}, /no-such-flag/],
    [["run", "--", "true"], { SALLYPORT_HOME: "relative" }, /home_unusable/],
    [["run", "--", "true"], { HOME: place.workspace }, /workspace_refused/],
    [["run", "--", "true"], { SALLYPORT_TOKEN: "any" }, /token_invalid/],
  ];
  for (const [args, env, said] of cases) {
    const ran = await place.run(args, { env });
    assert.equal(ran.code, 125, ran.stderr);
    assert.match(ran.stderr, said);
  }
});

test("a person's SIGTERM ends the run with 120, kind killed, and nothing of it is left", async () => {
  const child = place.start(["run", "--", "sh", "-c", "trap '' TERM; echo started; while :; do sleep 1; done"]);
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  const ran = await collect(child);
  assert.equal(ran.code, 120, ran.stderr);
  assert.equal((place.record().termination as { kind: string }).kind, "killed");
});
