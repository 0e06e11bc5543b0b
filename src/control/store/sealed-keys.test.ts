import assert from "node:assert/strict";
import {
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Failure } from "#core/failure.ts";
import { addKey, listKeys, signingKey } from "./keys.ts";
import { keptSecrets, rotateKey, sealKeys, unsealKeys } from "./sealed-keys.ts";

const passphrase = "correct horse battery staple";
const given = async () => passphrase;
const other = async () => "another one altogether";
const nobody = () => Promise.reject(new Error("nobody is to be asked"));
const created = "2026-11-21T17:00:00.000Z";

async function folderWithKeys(t: { after(work: () => void): void }, count = 1): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-seal-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (let made = 0; made < count; made += 1) await addKey(folder, created, null);
  return folder;
}

const code = (wanted: string) => (error: unknown) => error instanceof Failure && error.code === wanted;

test("what is sealed signs as before, asks for the passphrase, and unsealed is the very same", async (t) => {
  const folder = await folderWithKeys(t);
  const before = await signingKey(folder, nobody);
  const text = readFileSync(join(folder, "authority-1.key"), "utf8");
  assert.deepEqual(await sealKeys(folder, given), [1]);
  assert.match(readFileSync(join(folder, "authority-1.key"), "utf8"), /^-----BEGIN AGE ENCRYPTED FILE-----\n/);
  assert.equal(statSync(join(folder, "authority-1.key")).mode & 0o777, 0o600);
  assert.deepEqual(await signingKey(folder, given), before);
  await assert.rejects(signingKey(folder, other), code("passphrase_wrong"));
  assert.deepEqual(await unsealKeys(folder, given), [1]);
  assert.equal(readFileSync(join(folder, "authority-1.key"), "utf8"), text);
});

test("the text that was there is overwritten where it lay; what killed writers left is gone, what holds is whole", async (t) => {
  const folder = await folderWithKeys(t);
  const secret = join(folder, "authority-1.key");
  // Another name of the same bytes: what a reader of the raw disk would find under the old file.
  linkSync(secret, join(folder, "witness"));
  const leftover = (digit: string) => join(folder, `.${digit.repeat(8)}-1111-1111-1111-111111111111.next`);
  const [text, ofTheSecret, ofTheRecord, young] = ["1", "2", "3", "4"].map(leftover) as [
    string,
    string,
    string,
    string,
  ];
  for (const file of [text, young]) writeFileSync(file, readFileSync(secret), { mode: 0o600 });
  linkSync(secret, ofTheSecret);
  const record = join(folder, "authority-1.json");
  linkSync(record, ofTheRecord);
  const recordText = readFileSync(record);
  for (const file of [text, ofTheSecret, ofTheRecord]) utimesSync(file, 1, 1);
  await sealKeys(folder, given);
  assert.deepEqual(readFileSync(join(folder, "witness")), Buffer.alloc(65));
  assert.deepEqual(readFileSync(record), recordText);
  assert.deepEqual(
    [text, ofTheSecret, ofTheRecord, young].filter((file) => existsSync(file)),
    [young],
    "a file that is being written now is not touched",
  );
});

test("a key that is made while they are sealed is sealed before it is written, under the same passphrase", async (t) => {
  const folder = await folderWithKeys(t);
  await sealKeys(folder, given);
  await assert.rejects(rotateKey(folder, created, other), code("passphrase_wrong"));
  assert.equal(listKeys(folder).length, 1);
  const key = await rotateKey(folder, created, given);
  assert.equal(key.id, 2);
  assert.deepEqual(
    keptSecrets(folder).map(({ sealed }) => sealed),
    [true, true],
  );
  assert.equal((await signingKey(folder, given)).id, 2);
});

test("a sealing that was broken off is finished under its passphrase, and under no other", async (t) => {
  const folder = await folderWithKeys(t, 2);
  const second = readFileSync(join(folder, "authority-2.key"));
  await sealKeys(folder, given);
  writeFileSync(join(folder, "authority-2.key"), second);
  await assert.rejects(sealKeys(folder, other), code("passphrase_wrong"));
  assert.deepEqual(readFileSync(join(folder, "authority-2.key")), second);
  assert.deepEqual(await sealKeys(folder, given), [2]);
});

test("one at a time: who comes meanwhile is told, and a lock that a killed one left is nobody's", async (t) => {
  const folder = await folderWithKeys(t);
  let entered = () => {};
  const inside = new Promise<void>((resolve) => {
    entered = resolve;
  });
  let answer = (_: string) => {};
  const sealing = sealKeys(folder, () => {
    entered();
    return new Promise((resolve) => {
      answer = resolve;
    });
  });
  await inside;
  await assert.rejects(rotateKey(folder, created, nobody), code("home_busy"));
  await assert.rejects(sealKeys(folder, nobody), code("home_busy"));
  answer(passphrase);
  await sealing;
  writeFileSync(join(folder, "sealing.lock"), `${2 ** 22 + 1}\n`);
  await assert.rejects(sealKeys(folder, nobody), code("usage"), "sealed already, and the lock was taken");
  assert.ok(!readdirSync(folder).includes("sealing.lock"));
});

test("a sealed key that is torn, changed or something else is damage, not a wrong passphrase", async (t) => {
  const folder = await folderWithKeys(t);
  await sealKeys(folder, given);
  const file = join(folder, "authority-1.key");
  const sealed = readFileSync(file, "utf8");
  for (const text of [
    sealed.slice(0, 200),
    sealed.replace(/\n(.{10})./, (_, kept) => `\n${kept}#`),
    "-----BEGIN AGE ENCRYPTED FILE-----\nnothing\n-----END AGE ENCRYPTED FILE-----\n",
  ]) {
    writeFileSync(file, text);
    await assert.rejects(signingKey(folder, given), code("home_damaged"), text);
  }
});
