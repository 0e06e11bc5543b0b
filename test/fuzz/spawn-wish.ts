// Any body of a spawn: what is taken holds only what its types say and nothing outside its folder, anything else is refused.

import assert from "node:assert/strict";
import { readSpawnWish } from "#cli/run/spawn-wish.ts";
import { InnerRefusal } from "#supervisor/inner/server.ts";

export const name = "spawn-wish";

export const seeds: readonly Buffer[] = [
  '{"agent_id":"notifier","command":["python3","notify.py"],"allow":["a.com:443"],"files":{"a/b":"aGk="},"env":{"A":"b"}}',
  '{"agent_id":"n","command":["a"],"policy":{"version":"zero_trust.runtime.v1"},"stdin":"aGk=","task":"t","max_requests":1}',
  '{"agent_id":"n","command":["a"],"files":{"../x":"","a":"","a/b":""},"spawn":["b"],"max_runtime_seconds":5}',
  '{"agent_id":"n","command":["a"],"__proto__":{"x":1},"env":{"__proto__":"x"}}',
].map((text) => Buffer.from(text));

export function run(bytes: Uint8Array): void {
  let body: unknown;
  try {
    body = JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return; // the server has refused it
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) return;
  try {
    const wish = readSpawnWish(body as { readonly [key: string]: unknown });
    for (const file of Object.keys(wish.files)) {
      assert.ok(!file.startsWith("/") && !file.includes("\0"));
      assert.ok(file.split("/").every((part) => part !== "" && part !== "." && part !== ".."));
    }
    for (const word of wish.command) assert.ok(typeof word === "string" && !word.includes("\0"));
    for (const [name, value] of Object.entries(wish.env)) assert.ok(/^\w+$/.test(name) && !value.includes("\0"));
  } catch (error) {
    if (!(error instanceof InnerRefusal)) throw error;
  }
}
