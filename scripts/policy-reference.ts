// Writes what is made from the policy schema's table: schema/policy.schema.json, and the tables of docs/reference/policy.md.
// Run it after a change to src/policy/schema.ts; a test fails where it was forgotten.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { jsonSchema } from "#policy/json-schema.ts";
import { withTables } from "#policy/reference.ts";

const root = join(import.meta.dirname, "..");
writeFileSync(join(root, "schema/policy.schema.json"), `${JSON.stringify(jsonSchema(), null, 2)}\n`);
const page = join(root, "docs/reference/policy.md");
writeFileSync(page, withTables(readFileSync(page, "utf8")));
