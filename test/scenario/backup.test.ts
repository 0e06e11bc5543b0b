// docs/how-to/back-up-and-restore.md: an authority's records, carried to a new home.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let old: Place;
let restored: Place;
const folders = ["agents", "policies", "keys", "revoked", "bundles"];
before(() => {
  old = openPlace("backup-old");
  restored = openPlace("backup-new");
});
after(() => {
  old.close();
  restored.close();
});

async function ok(place: Place, ...args: string[]): Promise<string> {
  const ran = await place.run(args);
  assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.stderr}`);
  return ran.stdout.trim();
}

test("tokens hold in the restored home, what was revoked stays so, and the next key and revocation follow", async () => {
  await ok(old, "auth", "init");
  await ok(old, "auth", "create-agent", "--agent-id", "bot", "--owner", "you@example.com");
  await ok(old, "auth", "create-policy", "--policy-id", "p", "--allowed-domains", "example.com");
  const issue = () => ok(old, "auth", "issue-token", "--agent-id", "bot", "--policy-id", "p");
  const [held, revoked] = [await issue(), await issue()];
  const { grant } = JSON.parse(await ok(old, "auth", "inspect-token", revoked, "--json"));
  await ok(old, "auth", "revoke-token", "--jti", grant.jti);
  await ok(old, "bundle", "build", "--ttl", "1d", "--out", join(old.root, "b.json"));
  await ok(old, "bundle", "sign", join(old.root, "b.json"), "--out", join(old.root, "b.dsse.json"));
  const archive = join(old.root, "authority.tar.gz");
  execFileSync("tar", ["-C", old.home, "-czf", archive, "--exclude=agents/*/home", ...folders]);

  await ok(restored, "auth", "init");
  for (const folder of folders) rmSync(join(restored.home, folder), { recursive: true, force: true });
  execFileSync("tar", ["-C", restored.home, "-xzf", archive]);
  const run = (token: string) => restored.run(["run", "--", "echo", "ran"], { env: { SALLYPORT_TOKEN: token } });
  assert.equal((await run(held)).stdout, "ran\n");
  const refused = await run(revoked);
  assert.deepEqual([refused.code, refused.stdout], [120, ""]);
  assert.match(refused.stderr, /token_revoked/);
  await ok(restored, "auth", "rotate-key");
  assert.equal((await run(held)).stdout, "ran\n", "the older key verifies on");
  const took = await ok(restored, "auth", "revoke-agent", "--agent-id", "bot");
  assert.match(took, /epoch 2/);
  assert.equal((await run(held)).code, 120);
});

test("an authority whose revocations were not restored runs nothing", async () => {
  rmSync(join(restored.home, "revoked"), { recursive: true });
  const ran = await restored.run(["run", "--", "echo", "ran"]);
  assert.deepEqual([ran.code, ran.stdout], [125, ""]);
  assert.match(ran.stderr, /what was revoked is gone/);
});
