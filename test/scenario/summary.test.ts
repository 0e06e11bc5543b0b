// `run --summary FILE`: what a job of CI reads afterwards, and what an agent cannot do with that file.

import assert from "node:assert/strict";
import { existsSync, linkSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { afterEach, before, beforeEach, test } from "node:test";
import { installed } from "../servers/installed.ts";
import { openPlace, type Place } from "./program.ts";

let place: Place;
let isSarif: (value: unknown) => readonly { readonly dataPath: string; readonly message?: string }[];

before(() => {
  const modules = installed(join(import.meta.dirname, "sarif-schema"), "sarif-schema");
  const load = createRequire(join(modules, "x.js"));
  const Ajv = load("ajv") as new (
    options: object,
  ) => {
    addMetaSchema(schema: unknown): void;
    compile(schema: unknown): ((value: unknown) => boolean) & { errors?: [] };
  };
  const ajv = new Ajv({ schemaId: "id", allErrors: true, unknownFormats: "ignore", logger: false });
  ajv.addMetaSchema(load("ajv/lib/refs/json-schema-draft-04.json"));
  const validate = ajv.compile(load("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"));
  isSarif = (value) => (validate(value) ? [] : (validate.errors ?? []));
});
beforeEach(() => {
  place = openPlace("summary");
});
afterEach(() => place?.close());

const denials = "curl -s http://one.test/a; curl -s http://one.test/b; curl -s -X POST http://two.test:8080/; exit 3";

function asked(command: string, file: string, ...flags: string[]): Promise<{ code: number; stderr: string }> {
  return place.run(["run", "--quiet", "--summary", file, ...flags, "--", "sh", "-c", command]);
}

test("Markdown: result, time, session, policy, a row a host, each distinct denial with its remedy", async () => {
  const file = join(place.root, "summary.md");
  const policy = place.policy('[network]\nallow = ["ok.test"]\ndeny = ["two.test"]\n');
  const ran = await asked(denials, file, "--policy", policy, "--max-runtime", "30");
  assert.equal(ran.code, 3, ran.stderr);
  const text = readFileSync(file, "utf8");
  const { policy: held, id } = place.record() as { id: string; policy: { digest: string } };
  for (const line of [
    "## Sallyport",
    "* **Result:** exit code 3",
    `* **Session:** \`${id}\``,
    `* **Policy:** \`${held.digest}\`, from \`${policy}\``,
    "| `one.test` | 0 | 2 | 0 |",
    "| `two.test` | 0 | 1 | 0 |",
    "* `GET http://one.test:80/a`: `domain_not_allowed` × 2. No rule of the policy names this host.",
  ])
    assert.ok(text.split("\n").includes(line), `${line}\n---\n${text}`);
  assert.match(text, /\* `POST http:\/\/two\.test:8080\/`: `\w+`\. .*\n(?:.*\n)? {2}Rule: `network\.deny\[0\]`/);
});

test("Markdown is added to what is there, as $GITHUB_STEP_SUMMARY needs it", async () => {
  const file = join(place.root, "step_summary_1234");
  writeFileSync(file, "# an earlier step\n");
  await asked("true", file);
  await asked("exit 9", file);
  const text = readFileSync(file, "utf8");
  assert.ok(text.startsWith("# an earlier step\n\n## Sallyport\n"));
  assert.deepEqual(
    [...text.matchAll(/\*\*Result:\*\* (.*)/g)].map(([, result]) => result),
    ["exit code 0", "exit code 9"],
  );
});

test("SARIF is valid by its schema, names rules, results and places, and replaces an older one", async () => {
  const file = join(place.workspace, "sallyport.sarif");
  writeFileSync(join(place.workspace, "agent policy.toml"), "# zero_trust.runtime.v1\n");
  for (const round of [1, 2]) {
    const ran = await asked(denials, file, "--policy", "agent policy.toml");
    assert.equal(ran.code, 3, `${round}: ${ran.stderr}`);
  }
  const log = JSON.parse(readFileSync(file, "utf8")) as Sarif;
  assert.deepEqual(isSarif(log), []);
  const [run] = log.runs;
  assert.equal(log.runs.length, 1);
  assert.equal(run?.tool.driver.rules[0]?.id, "domain_not_allowed");
  assert.deepEqual(
    run?.results.map(({ ruleId, occurrenceCount }) => [ruleId, occurrenceCount]),
    [
      ["domain_not_allowed", 2],
      ["domain_not_allowed", 1],
    ],
  );
  assert.equal(run?.results[0]?.locations[0]?.physicalLocation.artifactLocation.uri, "agent%20policy.toml");
  assert.deepEqual([run?.invocations[0]?.executionSuccessful, run?.invocations[0]?.exitCode], [false, 3]);
  assert.equal(run?.properties.policy.digest, (place.record() as { policy: { digest: string } }).policy.digest);
});

interface Sarif {
  readonly runs: readonly {
    readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
    readonly results: readonly {
      readonly ruleId: string;
      readonly occurrenceCount: number;
      readonly locations: readonly {
        readonly physicalLocation: { readonly artifactLocation: { readonly uri: string } };
      }[];
    }[];
    readonly invocations: readonly {
      readonly executionSuccessful: boolean;
      readonly exitCode: number;
      readonly exitCodeDescription?: string;
      readonly toolExecutionNotifications?: readonly { readonly descriptor: { readonly id: string } }[];
    }[];
    readonly properties: { readonly policy: { readonly digest: string } };
  }[];
}

test("a run that never began is summed up with its failure, and one that was ended with its termination", async () => {
  const failed = join(place.root, "failed.sarif");
  const policy = place.policy("[network]\nalow = []\n");
  const refused = await asked("true", failed, "--policy", policy);
  assert.equal(refused.code, 125);
  const log = JSON.parse(readFileSync(failed, "utf8")) as Sarif;
  assert.deepEqual(isSarif(log), []);
  assert.equal(log.runs[0]?.invocations[0]?.toolExecutionNotifications?.[0]?.descriptor.id, "policy_invalid");
  const page = join(place.root, "failed.md");
  await asked("true", page, "--policy", policy);
  assert.match(readFileSync(page, "utf8"), /did not run, exit code 125\n\n\*\*Failed:\*\* `.*` \(`policy_invalid`\)/);

  const ended = join(place.root, "ended.sarif");
  const capped = await asked("curl -s http://one.test/; sleep 60", ended, "--max-runtime", "1", "--grace", "0");
  assert.equal(capped.code, 124);
  const sarif = JSON.parse(readFileSync(ended, "utf8")) as Sarif;
  assert.deepEqual(isSarif(sarif), []);
  assert.equal(sarif.runs[0]?.invocations[0]?.exitCodeDescription, "ended by max_runtime");
  await asked("seq 100", join(place.root, "lines.md"), "--max-output-lines", "5");
  assert.match(
    readFileSync(join(place.root, "lines.md"), "utf8"),
    /ended by `max_output_lines` \(6 observed, 5 allowed\), exit code 123/,
  );
});

test("both forms may be had of one run, in and outside of its workspace", async () => {
  const [page, log] = [join(place.workspace, "page.md"), join(place.root, "log.sarif")];
  const ran = await asked("echo x > page.md; curl -s http://one.test/; true", page, "--summary", log);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(readFileSync(page, "utf8"), /^## Sallyport\n/);
  assert.deepEqual(isSarif(JSON.parse(readFileSync(log, "utf8"))), []);
});

test("it is written for a run that keeps no session as well", async () => {
  const file = join(place.root, "summary.md");
  const ran = await asked(denials, file, "--no-session");
  assert.equal(ran.code, 3, ran.stderr);
  assert.match(readFileSync(file, "utf8"), /\| `one\.test` \| 0 \| 2 \| 0 \|/);
});

test("what an agent asks for stays text: no link, picture, cell or markup", async () => {
  const file = join(place.root, "summary.md");
  const path = "/|![x](http://tracker.test/)```|";
  const ran = await asked(`curl -s -g 'http://one.test${path}'; true`, file);
  assert.equal(ran.code, 0, ran.stderr);
  const text = readFileSync(file, "utf8");
  const items = text.split("\n").filter((line) => line.startsWith("* `"));
  assert.equal(items.length, 1, text);
  // Whatever stands between the fence and its like is code to every reader of Markdown.
  const [, fence = ""] = /^\* (`+)/.exec(items[0] ?? "") ?? [];
  const [before, code, after] = (items[0] ?? "").split(new RegExp(`(?<!\`)${fence}(?!\`)`));
  assert.equal(before, "* ");
  assert.ok(code?.includes("![x](http:"), code ?? "");
  assert.match(after ?? "", /^: /);
});

test("the agent can neither write, remove nor replace the file in its workspace", async () => {
  const file = join(place.workspace, "out", "summary.md");
  mkdirSync(join(place.workspace, "out"));
  const attack =
    "echo forged > out/summary.md; rm -f out/summary.md; mv out out2; mkdir out; ln -s /etc/passwd out/summary.md; echo end";
  const ran = await asked(attack, file);
  assert.equal(ran.code, 0, ran.stderr);
  const text = readFileSync(file, "utf8");
  assert.match(text, /^## Sallyport\n/);
  assert.ok(!text.includes("forged\n"));
});

const refusals: readonly (readonly [title: string, make: (place: Place) => string, says: RegExp])[] = [
  [
    "a link that an agent left in the workspace",
    ({ root, workspace }) => {
      writeFileSync(join(root, "precious"), "precious");
      symlinkSync(join(root, "precious"), join(workspace, "summary.md"));
      return "summary.md";
    },
    /it is a link/,
  ],
  [
    "a folder of the workspace that leads out of it",
    ({ root, workspace }) => {
      mkdirSync(join(root, "elsewhere"));
      symlinkSync(join(root, "elsewhere"), join(workspace, "out"));
      return "out/summary.md";
    },
    /leads out of it/,
  ],
  [
    "the second name of a file",
    ({ root, workspace }) => {
      writeFileSync(join(root, "precious"), "precious");
      linkSync(join(root, "precious"), join(workspace, "summary.md"));
      return "summary.md";
    },
    /second name/,
  ],
  [
    "a JSON file that is no SARIF",
    ({ workspace }) => {
      writeFileSync(join(workspace, "package.json"), '{"name":"mine"}');
      return "package.json";
    },
    /something else than SARIF/,
  ],
  ["a policy's name", () => "sallyport.policy.toml", /Markdown \(\.md\) or SARIF/],
  ["a folder", ({ workspace }) => workspace, /cannot be written/],
  ["a folder that is not there", () => "none/summary.md", /not there/],
];

for (const [title, make, says] of refusals) {
  test(`refused before anything runs: ${title}`, async () => {
    const file = make(place);
    const ran = await asked("echo ran > ran", file);
    assert.equal(ran.code, 125);
    assert.match(ran.stderr, says);
    assert.match(ran.stderr, /\((usage|summary_unwritable)\)\n {2}\S/);
    assert.ok(!existsSync(join(place.workspace, "ran")));
    if (existsSync(join(place.root, "precious")))
      assert.equal(readFileSync(join(place.root, "precious"), "utf8"), "precious");
    if (existsSync(join(place.workspace, "package.json")))
      assert.equal(readFileSync(join(place.workspace, "package.json"), "utf8"), '{"name":"mine"}');
  });
}
