// What the documents print is what the program says: every code in docs/reference/codes.md, every policy in README.md.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { root } from "../servers/installed.ts";
import { openPlace, type Place } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("reference");
});
after(() => place?.close());

interface Code {
  readonly code: string;
  readonly kind: "denial" | "failure" | "termination";
  readonly meaning: string;
  readonly remedy: string;
  readonly status?: number;
  readonly exit?: number;
}

/** The tables of codes.md. */
function tables(codes: readonly Code[]): string {
  const table = (kind: Code["kind"], figure: string): string =>
    [
      `| code | ${figure} | meaning | what to do |`,
      "|---|---|---|---|",
      ...codes
        .filter((code) => code.kind === kind)
        .map((code) => `| \`${code.code}\` | ${code.status ?? code.exit} | ${code.meaning} | ${code.remedy} |`),
    ].join("\n");
  return [
    `## Denials\n\nAnswered to the agent, and in the log as \`deny_reason\`.\n\n${table("denial", "HTTP")}`,
    `## Failures\n\nTold to the person, as \`{code, message, place, remedy}\` with \`--json\`.\n\n${table("failure", "exit")}`,
    `## Terminations\n\nIn \`session.json\` as \`termination.kind\`, when the run was ended before its command ended by itself.\n\n${table("termination", "exit")}`,
  ].join("\n\n");
}

test("docs/reference/codes.md has every code as the program explains it", async () => {
  const { stdout } = await place.run(["explain-code", "--json"]);
  const expected = tables(JSON.parse(stdout) as Code[]);
  const document = readFileSync(join(root, "docs", "reference", "codes.md"), "utf8");
  assert.ok(document.includes(expected), `codes.md is not this any more:\n\n${expected}`);
});

test("every policy printed in README.md is valid", async () => {
  const blocks = [...readFileSync(join(root, "README.md"), "utf8").matchAll(/```toml\n([\s\S]*?)```/g)];
  assert.ok(blocks.length > 0);
  for (const [, text = ""] of blocks) {
    const ran = await place.run(["policy", "check", place.policy(text)]);
    assert.equal(ran.code, 0, ran.stderr);
  }
});

test("every npm script that the documents name is there", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    scripts: { [name: string]: string };
  };
  for (const document of ["README.md", "CONTRIBUTING.md"]) {
    for (const [, name = ""] of readFileSync(join(root, document), "utf8").matchAll(/npm run ([a-z:]+)/g)) {
      assert.ok(name in scripts, `${document} names npm run ${name}`);
    }
  }
});

test("every file and folder that the documents link or name is there", () => {
  for (const document of ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CONTRIBUTING.md"]) {
    const text = readFileSync(join(root, document), "utf8");
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, path]) => path ?? "");
    const names = [...text.matchAll(/`((?:src|test|docs|scripts|schema|bench|bin)\/[\w./-]+)`/g)].map(
      ([, path]) => path ?? "",
    );
    for (const path of [...links, ...names]) assert.ok(existsSync(join(root, path)), `${document} names ${path}`);
  }
});
