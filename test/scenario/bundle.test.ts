// Bundles between an authority and a machine that enforces what it says, without asking it.

import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place, type Ran } from "./program.ts";

let authority: Place;
let machine: Place;
let key = "";
const files: string[] = [];

before(async () => {
  authority = openPlace("bundle-authority");
  machine = openPlace("bundle-machine");
  await ok(authority, "auth", "init");
  key = JSON.parse(await ok(authority, "auth", "list-keys", "--json"))[0].public;
  await ok(authority, "auth", "create-agent", "--agent-id", "support-bot", "--owner", "you@example.com");
  await ok(authority, "auth", "create-policy", "--policy-id", "support", "--allowed-domains", "example.com");
  await make();
});
after(() => {
  authority.close();
  machine.close();
});

async function ok(place: Place, ...args: string[]): Promise<string> {
  const ran = await place.run(args);
  assert.equal(ran.code, 0, ran.stderr);
  return ran.stdout.trim();
}

/** The authority's next bundle, signed. */
async function make(...flags: string[]): Promise<string> {
  const plain = join(authority.root, `bundle-${files.length + 1}.json`);
  const signed = `${plain}.dsse`;
  await ok(authority, "bundle", "build", "--out", plain, ...flags);
  await ok(authority, "bundle", "sign", plain, "--out", signed);
  files.push(signed);
  return signed;
}

const apply = (file: string, ...flags: string[]) => machine.run(["bundle", "apply", file, ...flags]);
const status = async () => JSON.parse(await ok(machine, "bundle", "status", "--json")).current;

async function refused(running: Promise<Ran>, said: RegExp): Promise<void> {
  const before = await status();
  const ran = await running;
  assert.equal(ran.code, 125, ran.stdout);
  assert.match(ran.stderr, said);
  assert.deepEqual(await status(), before, "the good one stays in force");
}

test("a first bundle needs its authority's key named, and only that key will do", async () => {
  const [first = ""] = files;
  await refused(apply(first), /nobody's bundles count here yet[\s\S]*list-keys/);
  await refused(apply(first, "--key", "ab".repeat(32)), /none of the keys that count has signed it/);
  await refused(apply(first, "--key", "zz"), /64 hex digits/);
  assert.match(await ok(machine, "bundle", "apply", first, "--key", key), /version 1 is in force/);
  assert.equal((await status()).version, 1);
});

test("a token of the authority runs on the machine, which never had its secret, and events name the bundle", async () => {
  const token = await ok(authority, "auth", "issue-token", "--agent-id", "support-bot", "--policy-id", "support");
  const ran = await machine.run(["run", "--", "echo", "here"], { env: { SALLYPORT_TOKEN: token } });
  assert.deepEqual([ran.code, ran.stdout], [0, "here\n"], ran.stderr);
  const { digest } = await status();
  for (const event of machine.events()) assert.deepEqual(event.subject?.bundle, { version: 1, digest });
  const issue = await machine.run(["auth", "issue-token", "--agent-id", "support-bot", "--policy-id", "support"]);
  assert.match(issue.stderr, /no_authority/);
});

test("what the next bundle revokes runs no more", async () => {
  const token = await ok(authority, "auth", "issue-token", "--agent-id", "support-bot", "--policy-id", "support");
  const child = machine.start(["run", "--", "sh", "-c", "echo up; sleep 60"], { env: { SALLYPORT_TOKEN: token } });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  await ok(authority, "auth", "revoke-agent", "--agent-id", "support-bot");
  await ok(machine, "bundle", "apply", await make());
  assert.equal(await ended, 120);
});

test("an older bundle, the same once more, one that leaves one out and an expired one are refused", async () => {
  const [first = "", second = ""] = files;
  await refused(apply(first), /never rolled back/);
  await refused(apply(second), /in force already/);
  await make();
  await refused(apply(await make()), /apply those between first/);
  await ok(machine, "bundle", "apply", files[2] ?? "");
  await ok(machine, "bundle", "apply", files[3] ?? "");
  const short = await make("--ttl", "1s");
  while ((await machine.run(["bundle", "verify", short])).code === 0);
  await refused(apply(short), /it has expired/);
});

test("a bundle that was cut or touched anywhere is refused", async () => {
  const place = openPlace("bundle-fresh");
  const whole = readFileSync(files[0] ?? "", "utf8");
  const file = join(place.root, "x.json");
  const torn = [whole.slice(0, -10), whole.slice(0, whole.length / 2), "", "{}"];
  const { payload, signatures } = JSON.parse(whole);
  const places = [payload, signatures[0].sig].flatMap((part: string) =>
    [3, 30, 60].map((at) => whole.indexOf(part) + at),
  );
  const touched = places.map((at) => whole.slice(0, at) + (whole[at] === "A" ? "B" : "A") + whole.slice(at + 1));
  for (const text of [...torn, ...touched]) {
    writeFileSync(file, text);
    const ran = await place.run(["bundle", "apply", file, "--key", key]);
    assert.equal(ran.code, 125, text.slice(0, 60));
    assert.match(ran.stderr, /bundle_invalid/);
  }
  assert.equal(JSON.parse(await ok(place, "bundle", "status", "--json")).current, null);
  place.close();
});

test("`bundle status --attest` is a statement that anybody can check", async () => {
  const envelope = JSON.parse(await ok(machine, "bundle", "status", "--attest"));
  const payload = Buffer.from(envelope.payload, "base64");
  const { subject, predicate } = JSON.parse(payload.toString());
  const { version, digest } = await status();
  assert.equal(predicate.version, version);
  assert.equal(`sha256:${subject[0].digest.sha256}`, digest);
  const x = Buffer.from(predicate.supervisor_key, "hex").toString("base64url");
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${envelope.payloadType.length} ${envelope.payloadType} ${payload.length} `),
    payload,
  ]);
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  assert.ok(verify(null, signed, publicKey, Buffer.from(envelope.signatures[0].sig, "base64")));
});

test("a machine's own records are not overwritten by a bundle that says otherwise of them", async () => {
  const place = openPlace("bundle-own");
  await ok(place, "auth", "init");
  const ran = await place.run(["bundle", "apply", files[0] ?? "", "--key", key]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /something else of key 1/);
  place.close();
});
