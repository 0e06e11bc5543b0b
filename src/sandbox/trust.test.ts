import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { buildTrust, javaKeyStore, subjectHash } from "./trust.ts";

const base = mkdtempSync(join(tmpdir(), "trust-test-"));
after(() => rmSync(base, { recursive: true, force: true }));

function authority(subject: string): string {
  const file = join(base, "ca.pem");
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-keyout",
      "/dev/null",
      "-out",
      file,
      "-utf8",
      "-subj",
      subject,
      "-days",
      "2",
    ],
    { stdio: "ignore" },
  );
  return readFileSync(file, "utf8");
}

for (const subject of ["/CN=Sallyport", "/O=Mixed  CASE   Spaces/CN= lead ", "/C=DE/O=Ünï/OU=a+OU=b/CN=x"])
  test(`${subject} has the hash that OpenSSL gives it`, () => {
    const pem = authority(subject);
    const expected = execFileSync("openssl", ["x509", "-hash", "-noout"], { input: pem, encoding: "utf8" }).trim();
    assert.equal(subjectHash(new X509Certificate(pem).raw), expected);
  });

test("the host's own certificates have the hashes they are stored under", () => {
  const folder = "/etc/ssl/certs";
  for (const name of existsSync(folder) ? readdirSync(folder).filter((entry) => /^[0-9a-f]{8}\.0$/.test(entry)) : [])
    assert.equal(subjectHash(new X509Certificate(readFileSync(join(folder, name))).raw), name.slice(0, 8), name);
});

test("it is built once, and again for another authority, and the old one goes", () => {
  const [first, second] = [authority("/CN=One"), authority("/CN=Two")];
  const folder = join(base, "trust");
  const built = buildTrust(folder, first);
  writeFileSync(join(built.folder, "mark"), "");
  assert.equal(buildTrust(folder, first).folder, built.folder);
  assert.ok(existsSync(join(built.folder, "mark")));
  assert.ok(readFileSync(join(built.folder, "bundle.pem"), "utf8").trimEnd().endsWith(first.trimEnd()));
  const other = buildTrust(folder, second);
  assert.deepEqual(readdirSync(folder), [other.folder.slice(folder.length + 1)]);
  execFileSync("openssl", ["verify", "-no-CAfile", "-CApath", join(other.folder, "certs"), join(base, "ca.pem")]);
});

test("a Java key store has every certificate", () => {
  const store = javaKeyStore(authority("/CN=One") + authority("/CN=Two"));
  assert.equal(store.readUInt32BE(0), 0xfeedfeed);
  assert.equal(store.readUInt32BE(8), 2);
  if (!existsSync("/usr/bin/keytool")) return;
  writeFileSync(join(base, "cacerts"), store);
  assert.match(
    execFileSync("keytool", ["-list", "-keystore", join(base, "cacerts"), "-storepass", "changeit"], {
      encoding: "utf8",
    }),
    /contains 2 entries/,
  );
});
