// What is made from the schema's table is as the table says: run `npm run reference` where this fails.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { jsonSchema } from "./json-schema.ts";
import { parsePolicy } from "./parse.ts";
import { parseProfile, profileKeys } from "./profile.ts";
import { withProfileTables, withTables } from "./reference.ts";
import { type Keys, schema } from "./schema.ts";

const root = join(import.meta.dirname, "../..");
const page = readFileSync(join(root, "docs/reference/policy.md"), "utf8");

test("the JSON Schema for editors is the schema's", () => {
  assert.deepEqual(JSON.parse(readFileSync(join(root, "schema/policy.schema.json"), "utf8")), jsonSchema());
});

/** The formatter pads the cells of tables. */
const unpadded = (text: string) => text.replace(/ *\| */g, "|").replace(/-{3,}/g, "---");

test("the reference page's tables are the schema's", () => {
  assert.ok(unpadded(withTables(page)) === unpadded(page), "run: npm run reference");
});

test("the reference page's example is a policy", () => {
  const [, example = ""] = /```toml\n(.*?)```/s.exec(page) ?? [];
  assert.equal(parsePolicy(example, { name: "example.toml" }).document.network?.rule?.length, 2);
});

test("the page of profiles has the tables of a profile's keys, and an example that is one", () => {
  const profiles = readFileSync(join(root, "docs/reference/profiles.md"), "utf8");
  assert.ok(unpadded(withProfileTables(profiles)) === unpadded(profiles), "run: npm run reference");
  const [, example = ""] = /```toml\n(.*?)```/s.exec(profiles) ?? [];
  const presets = { list: () => [], read: () => "" };
  assert.equal(parseProfile(example, { name: "example", file: "example.toml", presets }).state.length, 2);
});

test("every key is told in a sentence", () => {
  const all = (keys: Keys): void => {
    for (const [name, { doc, shape }] of Object.entries(keys)) {
      assert.match(doc, /^.+\.$/s, name);
      if (shape.type === "table") all(shape.keys);
      if (shape.type === "list" && shape.of.type === "table") all(shape.of.keys);
    }
  };
  all(schema);
  all(profileKeys);
});
