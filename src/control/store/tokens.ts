// The tokens that were issued: `agents/<id>/tokens/<jti>.json`. What each says, never the token itself.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { isId } from "#identity/names.ts";
import type { Grant, Narrowing } from "#identity/token/claims.ts";
import { createFile, namesIn, readRecord } from "./files.ts";

export interface TokenRecord {
  readonly grant: Grant;
  /** What the authority itself narrowed when it issued the token. */
  readonly narrowing: Narrowing | null;
  /** The number of the key that signed it. */
  readonly key: number;
}

export function recordToken(agents: string, token: TokenRecord): void {
  const folder = join(agents, token.grant.agent, "tokens");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  createFile(join(folder, `${token.grant.jti}.json`), `${JSON.stringify(token, null, 2)}\n`, 0o400);
}

/** Newest first, of all agents. @throws Failure home_damaged */
export function listTokens(agents: string): readonly TokenRecord[] {
  const files = namesIn(agents)
    .filter(isId)
    .flatMap((id) => namesIn(join(agents, id, "tokens")).map((name) => join(agents, id, "tokens", name)));
  return files
    .map((file) => readRecord(file, isToken))
    .filter((token) => token !== null)
    .sort((one, other) => other.grant.issued - one.grant.issued);
}

function isToken(value: unknown): value is TokenRecord {
  const token = value as Partial<TokenRecord> | null;
  return typeof token === "object" && typeof token?.grant?.jti === "string" && isId(token.grant.agent);
}
