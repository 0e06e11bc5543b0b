// What an agent asks for when it spawns another: read strictly, because it is an agent's text.

import { isId } from "#identity/names.ts";
import { InnerRefusal } from "#supervisor/inner/server.ts";

export interface SpawnWish {
  readonly agent_id: string;
  readonly command: readonly string[];
  /** `host` or `host:port`; with `policy` none. */
  readonly allow: readonly string[];
  /** A policy document instead of `allow`; judged by who narrows. */
  readonly policy: unknown;
  /** By relative path. */
  readonly files: { readonly [name: string]: Uint8Array };
  readonly env: { readonly [name: string]: string };
  readonly stdin: Uint8Array;
  readonly task: string | null;
  readonly max_requests: number | null;
  readonly max_runtime_seconds: number | null;
  /** Agents that it may spawn in its turn. */
  readonly spawn: readonly string[];
}

const mostWords = 256;
const mostFiles = 256;
const mostText = 98_304; // bytes of the command, and of the environment as JSON
const mostBytes = 16 * 1024 * 1024; // of all files and the input together
const segment = /^(?!\.{1,2}$)[^/\0\n]{1,255}$/;
const variable = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

/** @throws InnerRefusal that names the member */
export function readSpawnWish(body: { readonly [key: string]: unknown }): SpawnWish {
  for (const key of Object.keys(body))
    if (!members.has(key)) throw wrong(key, "is not known", `There are: ${[...members].join(", ")}.`);
  const files = filesOf(body.files ?? {});
  const stdin = bytesOf(body.stdin ?? "", "stdin");
  const bytes = Object.values(files).reduce((sum, content) => sum + content.length, stdin.length);
  if (bytes > mostBytes) throw wrong("files", "are too much", `Hand over ${mostBytes} bytes at most.`);
  const command = texts(body.command, "command");
  if (command.length === 0 || command.length > mostWords)
    throw wrong("command", "is no command", 'Send one such as ["python3","notify.py"].');
  const env = environmentOf(body.env ?? {});
  // The kernel takes 128 KiB in one piece, and both are given to it in pieces.
  if (Buffer.byteLength(JSON.stringify(env)) > mostText)
    throw wrong("env", "is too much", `Hand over ${mostText} bytes at most.`);
  if (Buffer.byteLength(command.join(" ")) > mostText)
    throw wrong("command", "is too long", `Use ${mostText} bytes at most; hand over a file with the rest.`);
  const allow = texts(body.allow ?? [], "allow");
  if (body.policy !== undefined && allow.length > 0)
    throw wrong("allow", "stands beside policy", "Name the hosts in one of the two.");
  return {
    agent_id: id(body.agent_id, "agent_id"),
    command,
    allow,
    policy: body.policy ?? null,
    files,
    env,
    stdin,
    task: body.task === undefined ? null : id(body.task, "task"),
    max_requests: count(body.max_requests, "max_requests"),
    max_runtime_seconds: count(body.max_runtime_seconds, "max_runtime_seconds"),
    spawn: texts(body.spawn ?? [], "spawn").map((agent) => id(agent, "spawn")),
  };
}

const members: ReadonlySet<string> = new Set([
  "agent_id",
  "command",
  "allow",
  "policy",
  "files",
  "env",
  "stdin",
  "task",
  "max_requests",
  "max_runtime_seconds",
  "spawn",
] satisfies (keyof SpawnWish)[]);

function id(value: unknown, member: string): string {
  if (isId(value)) return value;
  throw wrong(member, "is no id", "Use lower-case letters, digits, dots, dashes and underscores.");
}

function texts(value: unknown, member: string): readonly string[] {
  const isText = (one: unknown) => typeof one === "string" && !one.includes("\0") && one.length <= 65_536;
  if (Array.isArray(value) && value.every(isText)) return value as readonly string[];
  throw wrong(member, "is no list of texts", 'Send one such as ["a","b"].');
}

function count(value: unknown, member: string): number | null {
  if (value === undefined) return null;
  if (Number.isSafeInteger(value) && (value as number) >= 1) return value as number;
  throw wrong(member, "is no whole number", "Send one of at least 1.");
}

function filesOf(value: unknown): SpawnWish["files"] {
  const entries = entriesOf(value, "files");
  if (entries.length > mostFiles) throw wrong("files", "are too many", `Hand over ${mostFiles} at most.`);
  const files: Record<string, Uint8Array> = Object.create(null);
  for (const [name, content] of entries) {
    if (name.length > 1024 || !name.split("/").every((part) => segment.test(part)))
      throw wrong("files", "names no file below the folder", "Use relative paths without . and ..");
    files[name] = bytesOf(content, "files");
  }
  const names = Object.keys(files);
  if (names.some((name) => names.some((other) => other.startsWith(`${name}/`))))
    throw wrong("files", "names one as a file and as a folder", "Name each once.");
  return files;
}

function bytesOf(value: unknown, member: string): Uint8Array {
  // Decoded and back: a pattern over megabytes would run out of stack.
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : null;
  if (bytes !== null && bytes.toString("base64") === value) return bytes;
  throw wrong(member, "is no base64", "Encode the bytes as base64 with padding.");
}

function environmentOf(value: unknown): SpawnWish["env"] {
  const env: Record<string, string> = Object.create(null);
  for (const [name, text] of entriesOf(value, "env")) {
    if (!variable.test(name) || typeof text !== "string" || text.includes("\0") || text.length > 65_536)
      throw wrong("env", "holds what is no variable", 'Send {"NAME":"value"}.');
    env[name] = text;
  }
  return env;
}

function entriesOf(value: unknown, member: string): readonly [string, unknown][] {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return Object.entries(value);
  throw wrong(member, "is no object", 'Send one such as {"name":"value"}.');
}

function wrong(member: string, what: string, remedy: string): InnerRefusal {
  return new InnerRefusal(400, "usage", `${member} ${what}`, remedy);
}
