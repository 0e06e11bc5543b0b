// docs/reference/codes.md is the program's own list, written down: what it says is what `explain-code` says.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
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
