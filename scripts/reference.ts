// Writes everything that is made from the source and read by people: the manual (man/), docs/reference/commands.md, the tables
// of codes.md, policy.md and profiles.md, schema/policy.schema.json. `npm run reference` after a change to a command, a code or the
// policy's schema; with --check it writes nothing, names what is out of date, and ends with 1 if anything is.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describeCommand } from "#cli/command-table.ts";
import { loadProgram } from "#cli/main.ts";
import { version } from "#cli/version.ts";
import { jsonSchema } from "#policy/json-schema.ts";
import { withProfileTables, withTables } from "#policy/reference.ts";
import { withCodes } from "./reference/codes-page.ts";
import { commandPage } from "./reference/command-page.ts";
import { manual } from "./reference/manual.ts";
import { presetsPage } from "./reference/presets-page.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const program = describeCommand(await loadProgram());
const pages = manual(program, version());

const made = new Map([
  ...[...pages].map(([name, text]) => [`man/${name}`, text] as const),
  ["docs/reference/commands.md", commandPage(program)],
  ["docs/reference/codes.md", withCodes(read("docs/reference/codes.md"))],
  ["docs/reference/policy.md", withTables(read("docs/reference/policy.md"))],
  ["docs/reference/presets.md", presetsPage()],
  ["docs/reference/profiles.md", withProfileTables(read("docs/reference/profiles.md"))],
  ["package.json", withManual(read("package.json"), [...pages.keys()])],
  ["schema/policy.schema.json", `${JSON.stringify(jsonSchema(), null, 2)}\n`],
]);

/** npm links only pages that the manifest names one by one. */
function withManual(manifest: string, names: readonly string[]): string {
  const value = JSON.parse(manifest) as { man?: readonly string[] };
  return `${JSON.stringify({ ...value, man: [...names].sort().map((name) => `man/${name}`) }, null, 2)}\n`;
}

mkdirSync(join(root, "man"), { recursive: true });
const left = readdirSync(join(root, "man")).filter((name) => !pages.has(name));
const changed = [...made].filter(([path, text]) => !existsSync(join(root, path)) || read(path) !== text);
if (process.argv.includes("--check")) {
  for (const path of [...changed.map(([each]) => each), ...left.map((name) => `man/${name}`)])
    console.error(`${path} is out of date: npm run reference`);
  process.exitCode = changed.length + left.length === 0 ? 0 : 1;
} else {
  for (const [path, text] of changed) writeFileSync(join(root, path), text);
  for (const name of left) rmSync(join(root, "man", name));
}
