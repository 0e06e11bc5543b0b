// The schema's table as JSON Schema (draft 2020-12), for editors. It says less than the parser: the forms of texts are
// described, not repeated as patterns.

import { type Key, type Keys, type Shape, schema, schemaVersion } from "./schema.ts";

export interface JsonSchema {
  readonly [keyword: string]: unknown;
}

export function jsonSchema(): JsonSchema {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: `A sallyport policy, ${schemaVersion}`,
    ...keysSchema(schema, []),
  };
}

function keysSchema(keys: Keys, required: readonly string[]): JsonSchema {
  const properties = Object.fromEntries(
    Object.entries(keys).map(([name, key]) => [name, { description: described(key), ...shapeSchema(key.shape) }]),
  );
  return { type: "object", additionalProperties: false, properties, ...(required.length === 0 ? {} : { required }) };
}

function shapeSchema(shape: Shape): JsonSchema {
  switch (shape.type) {
    case "string":
      return shape.format === "version" ? { const: schemaVersion } : { type: "string", minLength: 1 };
    case "boolean":
      return { type: "boolean" };
    case "integer":
      return {
        type: "integer",
        minimum: shape.least,
        ...(shape.most === Number.MAX_SAFE_INTEGER ? {} : { maximum: shape.most }),
      };
    case "number":
      return { type: "number", minimum: shape.least };
    case "size":
      return {
        anyOf: [
          { type: "integer", minimum: 1 },
          { type: "string", pattern: "^[0-9]+(\\.[0-9]+)? ?([kKmMgGtT]?[iI]?[bB])?$" },
        ],
      };
    case "duration":
      return {
        anyOf: [
          { type: "integer", minimum: 1 },
          { type: "string", pattern: "^[0-9]+(\\.[0-9]+)? ?[smhdw]?$" },
        ],
      };
    case "choice":
      return { enum: shape.of };
    case "list":
      return { type: "array", items: shapeSchema(shape.of) };
    case "some":
      return { anyOf: [shapeSchema(shape.of), { type: "array", items: shapeSchema(shape.of), minItems: 1 }] };
    case "table":
      return keysSchema(shape.keys, shape.required ?? []);
    case "map":
      return { type: "object", additionalProperties: shapeSchema(shape.of) };
  }
}

function described({ doc, absent, enforced }: Key): string {
  const notes = [doc];
  if (absent !== undefined) notes.push(`When absent: ${absent}.`);
  if (enforced === false) notes.push("This build cannot enforce it: a run stops.");
  return notes.join(" ");
}
