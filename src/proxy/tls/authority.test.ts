import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createPublicKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect, TLSSocket } from "node:tls";
import { promisify } from "node:util";
import { Failure } from "#core/failure.ts";
import { type CertificateAuthority, openAuthority } from "./authority.ts";

const run = promisify(execFile);
const day = 86_400_000;

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "sallyport-authority-"));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** A server that answers each TLS client with the authority's leaf for `host`, and closes. */
async function serve(authority: CertificateAuthority, host: string) {
  const server = createServer((raw) => {
    const secure = new TLSSocket(raw, {
      isServer: true,
      secureContext: authority.contextFor(host),
      ALPNProtocols: ["http/1.1"],
    });
    secure.on("error", () => raw.destroy());
    secure.once("data", () => secure.end("HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nyes"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  return (server.address() as AddressInfo).port;
}

async function peerOf(authority: CertificateAuthority, host: string): Promise<X509Certificate> {
  const client = connect({
    host: "127.0.0.1",
    port: await serve(authority, host),
    ca: authority.certificatePem,
    checkServerIdentity: () => undefined,
    ...(/^[0-9]|:/.test(host) ? {} : { servername: host }),
  });
  await once(client, "secureConnect");
  const certificate = client.getPeerX509Certificate();
  client.destroy();
  assert.ok(certificate);
  return certificate;
}

test("the first opening makes an authority that only its owner can use, and the next finds the same", async () => {
  const dir = join(folder(), "keys");
  const first = await openAuthority(dir);
  assert.equal(statSync(dir).mode & 0o777, 0o700);
  assert.equal(statSync(join(dir, "ca.key")).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(dir).sort(), ["ca.key", "ca.pem"]);
  assert.equal(readFileSync(join(dir, "ca.pem"), "latin1"), first.certificatePem);
  assert.equal((await openAuthority(dir)).certificatePem, first.certificatePem);

  const certificate = new X509Certificate(first.certificatePem);
  assert.ok(certificate.ca && certificate.verify(certificate.publicKey));
  assert.equal(certificate.publicKey.asymmetricKeyDetails?.namedCurve, "prime256v1");
  assert.ok(!JSON.stringify(first).includes("PRIVATE"));
});

test("processes that start at once agree on one authority", async () => {
  const dir = join(folder(), "keys");
  const program = `import { openAuthority } from ${JSON.stringify(import.meta.resolve("./authority.ts"))};
    process.stdout.write((await openAuthority(${JSON.stringify(dir)})).certificatePem);`;
  const printed = await Promise.all(
    Array.from({ length: 6 }, () => run(process.execPath, ["--input-type=module-typescript", "-e", program])),
  );
  const keys = new Set(
    printed.map(({ stdout }) => new X509Certificate(stdout).publicKey.export({ type: "spki", format: "pem" })),
  );
  assert.equal(keys.size, 1);
  const kept = new X509Certificate(readFileSync(join(dir, "ca.pem")));
  assert.deepEqual([...keys], [kept.publicKey.export({ type: "spki", format: "pem" })]);
  assert.deepEqual(readdirSync(dir).sort(), ["ca.key", "ca.pem"], "no half-written file is left");
});

test("a leaf is for its host alone, as a name or as an address, and short-lived on both sides of now", async () => {
  const now = Date.now();
  const authority = await openAuthority(folder());
  const issuer = new X509Certificate(authority.certificatePem);
  const long = `${"a".repeat(60)}.${"b".repeat(60)}.example.com`;
  const cases: [host: string, name: string, check: (certificate: X509Certificate) => unknown][] = [
    ["api.example.com", "DNS:api.example.com", (leaf) => leaf.checkHost("api.example.com")],
    ["_x.example.com", "DNS:_x.example.com", () => true],
    [long, `DNS:${long}`, (leaf) => leaf.checkHost(long)],
    ["10.1.2.3", "IP Address:10.1.2.3", (leaf) => leaf.checkIP("10.1.2.3")],
    ["2001:db8::1", "IP Address:2001:DB8:0:0:0:0:0:1", (leaf) => leaf.checkIP("2001:db8::1")],
  ];
  for (const [host, name, check] of cases) {
    const leaf = await peerOf(authority, host);
    assert.equal(leaf.subjectAltName, name);
    assert.ok(check(leaf), host);
    assert.ok(!leaf.checkHost("example.com"));
    assert.ok(leaf.verify(issuer.publicKey) && leaf.checkIssued(issuer) && !leaf.ca);
    assert.ok(leaf.validFromDate.getTime() < now - day && leaf.validToDate.getTime() > now + 7 * day);
    assert.ok(leaf.validToDate.getTime() < now + 90 * day);
  }
});

test("contexts are kept, share one key, and are made anew before they end", async () => {
  let now = Date.now();
  const authority = await openAuthority(folder(), { now: () => now });
  const [one, other] = [await peerOf(authority, "a.example"), await peerOf(authority, "b.example")];
  assert.ok(one.publicKey.equals(other.publicKey));
  assert.notEqual(one.serialNumber, other.serialNumber);
  const kept = authority.contextFor("a.example");
  assert.equal(authority.contextFor("a.example"), kept);
  now += 29.5 * day;
  assert.notEqual(authority.contextFor("a.example"), kept);
});

test("names without end do not make the boundary grow without end", async () => {
  const authority = await openAuthority(folder(), { mostLeaves: 20 });
  const first = authority.contextFor("first.example");
  const used = authority.contextFor("used.example");
  for (let i = 0; i < 50; i++) {
    authority.contextFor(`n${i}.example`);
    if (i % 5 === 0) authority.contextFor("used.example");
  }
  assert.equal(authority.contextFor("used.example"), used);
  assert.notEqual(authority.contextFor("first.example"), first, "the oldest was let go");
});

test("a key that is not one's own alone, damaged or of another kind stops the start and is not printed", async () => {
  const damage: { [why: string]: (file: string) => void } = {
    "may be read by others": (file) => chmodSync(file, 0o644),
    "is damaged": (file) => writeFileSync(file, "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"),
  };
  for (const [why, harm] of Object.entries(damage)) {
    const dir = folder();
    await openAuthority(dir);
    harm(join(dir, "ca.key"));
    await assert.rejects(openAuthority(dir), (error) => {
      assert.ok(error instanceof Failure && error.code === "home_unusable" && error.place === join(dir, "ca.key"));
      assert.match(error.message, new RegExp(why));
      assert.ok(!`${error.stack}${String(error.cause)}`.includes("c2VjcmV0"));
      return true;
    });
  }
});

test("a certificate that is lost, damaged, of another key or near its end is written again from the key", async () => {
  const dir = folder();
  const other = await openAuthority(folder());
  const first = new X509Certificate((await openAuthority(dir)).certificatePem);
  const file = join(dir, "ca.pem");
  for (const harm of [
    () => rmSync(file),
    () => writeFileSync(file, "x"),
    () => writeFileSync(file, other.certificatePem),
  ]) {
    harm();
    const again = new X509Certificate((await openAuthority(dir)).certificatePem);
    assert.ok(again.publicKey.equals(first.publicKey));
    assert.equal(again.subject, first.subject);
    assert.equal(readFileSync(file, "latin1"), again.toString());
  }
  const later = new X509Certificate((await openAuthority(dir, { now: () => Date.now() + 3620 * day })).certificatePem);
  assert.ok(later.validToDate > first.validToDate);
  assert.deepEqual(readdirSync(dir).sort(), ["ca.key", "ca.pem"]);
});

test("a folder that cannot be written says so", async () => {
  const file = join(folder(), "file");
  writeFileSync(file, "");
  await assert.rejects(openAuthority(file), (error) => error instanceof Failure && error.code === "home_unusable");
});

test("openssl reads both certificates as what they are meant to be", async () => {
  const dir = folder();
  const authority = await openAuthority(dir);
  writeFileSync(join(dir, "leaf.pem"), (await peerOf(authority, "api.example.com")).toString());
  const strict = ["verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", join(dir, "ca.pem")];
  const { stdout } = await run("openssl", [...strict, "-verify_hostname", "api.example.com", join(dir, "leaf.pem")]);
  assert.match(stdout, /OK/);
  await assert.rejects(run("openssl", [...strict, "-verify_hostname", "x.example.com", join(dir, "leaf.pem")]));
  const { stdout: text } = await run("openssl", ["x509", "-in", join(dir, "ca.pem"), "-noout", "-text"]);
  assert.match(text, /CA:TRUE, pathlen:0/);
  assert.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign\n/);
});

test("curl and Python believe a leaf under the authority, and only then", async () => {
  const dir = folder();
  const authority = await openAuthority(dir);
  const port = await serve(authority, "api.example.com");
  const url = `https://api.example.com:${port}/`;
  const curl = ["-sS", "--max-time", "10", "--noproxy", "*", "--resolve", `api.example.com:${port}:127.0.0.1`, url];
  const { stdout } = await run("curl", ["--cacert", join(dir, "ca.pem"), ...curl]);
  assert.equal(stdout, "yes");
  await assert.rejects(run("curl", curl), /certificate/);
  const python = `import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
context.verify_flags |= getattr(ssl, "VERIFY_X509_STRICT", 0)
with context.wrap_socket(socket.create_connection(("127.0.0.1", int(sys.argv[2]))), server_hostname="api.example.com") as s:
    print(s.version())`;
  assert.match((await run("python3", ["-c", python, join(dir, "ca.pem"), String(port)])).stdout, /TLSv1\.3/);
});

test("the key's file holds the key of the certificate", async () => {
  const dir = folder();
  const authority = await openAuthority(dir);
  const fromFile = createPublicKey(readFileSync(join(dir, "ca.key")));
  assert.ok(new X509Certificate(authority.certificatePem).publicKey.equals(fromFile));
});
