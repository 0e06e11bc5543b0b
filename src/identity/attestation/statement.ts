// What an attestation says of an agent: an in-toto statement (SLSA provenance is one) whose subjects are the files that the
// agent was measured by. Source: https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md

import { member, parseJson } from "#lib/json.ts";
import type { Envelope } from "./dsse.ts";

export const statementType = "application/vnd.in-toto+json";

/** A file that an agent is made of. */
export interface MeasuredFile {
  /** Absolute, without links. */
  readonly path: string;
  /** 64 hex digits */
  readonly sha256: string;
}

export interface Measurement {
  /** `sha256:` and 64 hex digits, over the canonical JSON of `files`. */
  readonly digest: string;
  /** The entry point first, then the others as they were named. */
  readonly files: readonly MeasuredFile[];
}

const statementTypes: readonly unknown[] = ["https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"];

/** Why the statement does not speak of this agent; null where it does. */
export function unlike(
  envelope: Envelope,
  measurement: Measurement,
  agent: { readonly agent_id: string; readonly owner: string },
): string | null {
  if (envelope.payloadType !== statementType) return `its payload is ${envelope.payloadType}, not ${statementType}`;
  const statement = parseJson(Buffer.from(envelope.payload).toString("utf8"));
  if (!statementTypes.includes(member(statement, "_type"))) return "its payload is no in-toto statement";
  const digests = subjectDigests(member(statement, "subject"));
  const missing = measurement.files.find(({ sha256 }) => !digests.has(sha256));
  if (missing !== undefined && !digests.has(measurement.digest.slice("sha256:".length)))
    return `it does not name ${missing.path} with the digest ${missing.sha256}`;
  const predicate = member(statement, "predicate");
  for (const name of ["agent_id", "owner"] as const) {
    const said = member(predicate, name);
    if (said !== undefined && said !== agent[name]) return `it is for another ${name}`;
  }
  return null;
}

function subjectDigests(subject: unknown): ReadonlySet<unknown> {
  if (!Array.isArray(subject)) return new Set();
  return new Set(
    subject.map((one) => (one as { digest?: { sha256?: unknown } } | null)?.digest?.sha256).filter(Boolean),
  );
}
