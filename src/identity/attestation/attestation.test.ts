import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import fc from "fast-check";
import { type Envelope, readEnvelope, signedBytes, writeEnvelope } from "./dsse.ts";
import { issuerKind, signerOf } from "./issuer.ts";
import { type Measurement, statementType, unlike } from "./statement.ts";

const folder = mkdtempSync(join(tmpdir(), "sallyport-attestation-"));
after(() => rmSync(folder, { recursive: true }));

const payload = Buffer.from('{"a":1}');
function seal(key: KeyObject, o: { cert?: string; payload?: Buffer; type?: string } = {}): Envelope {
  const [type, body] = [o.type ?? statementType, o.payload ?? payload];
  const sig = sign(key.asymmetricKeyType === "ed25519" ? null : "sha256", signedBytes(type, body), key);
  return { payloadType: type, payload: body, signatures: [{ keyid: "k", sig, cert: o.cert ?? null }] };
}
const pem = (key: KeyObject) => key.export({ type: "spki", format: "pem" }) as string;

test("what is signed is type and payload with their lengths, as the protocol's own example", () => {
  const bytes = signedBytes("http://example.com/HelloWorld", Buffer.from("hello world"));
  assert.equal(Buffer.from(bytes).toString(), "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
});

for (const type of ["ed25519", "ec", "rsa"] as const) {
  test(`a signature by a known ${type} key is that issuer's, and by no other`, () => {
    const pair = () =>
      type === "ed25519"
        ? generateKeyPairSync("ed25519")
        : type === "ec"
          ? generateKeyPairSync("ec", { namedCurve: "P-256" })
          : generateKeyPairSync("rsa", { modulusLength: 2048 });
    const [ours, theirs] = [pair(), pair()];
    const envelope = readEnvelope(writeEnvelope(seal(ours.privateKey)));
    assert.ok(envelope);
    const issuers = [
      { name: "theirs", pem: pem(theirs.publicKey) },
      { name: "ours", pem: pem(ours.publicKey) },
    ];
    assert.equal(signerOf(envelope, issuers, 0)?.issuer, "ours");
    assert.equal(signerOf(envelope, issuers.slice(0, 1), 0), null);
    assert.equal(signerOf({ ...envelope, payloadType: "other" }, issuers, 0), null, "the type is signed too");
    assert.equal(signerOf({ ...envelope, payload: Buffer.from('{"a":2}') }, issuers, 0), null);
  });
}

test("a certificate under an authority counts while all of its chain is in time, and no other does", () => {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
  const authority = (name: string) =>
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
      "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`); // biome-ignore format: one command
  authority("ca");
  authority("other");
  openssl(
    "req",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-subj",
    "/CN=builder",
    "-keyout",
    "leaf.key",
    "-out",
    "leaf.csr",
  );
  openssl("x509", "-req", "-in", "leaf.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "10", "-out", "leaf.pem");
  const read = (name: string) => readFileSync(join(folder, name), "utf8");
  const envelope = seal(createPrivateKey(read("leaf.key")), { cert: read("leaf.pem") });
  const ca = [{ name: "internal-ca", pem: read("ca.pem") }];
  const now = Date.now();
  assert.equal(signerOf(envelope, ca, now)?.issuer, "internal-ca");
  assert.match(signerOf(envelope, ca, now)?.keyId ?? "", /^sha256:[0-9a-f]{64}$/);
  assert.equal(signerOf(envelope, ca, now + 20 * 86_400_000), null, "the certificate is past its time");
  assert.equal(signerOf(envelope, [{ name: "other", pem: read("other.pem") }], now), null);
  assert.equal(signerOf(seal(createPrivateKey(read("leaf.key"))), ca, now), null, "no certificate, nobody's");
  const byAuthority = seal(createPrivateKey(read("ca.key")), { cert: read("ca.pem") });
  assert.equal(signerOf(byAuthority, ca, now), null, "an authority signs certificates, not agents");
  const leaf = [{ name: "leaf", pem: read("leaf.pem") }];
  assert.equal(signerOf(envelope, leaf, now), null, "a leaf is no authority");
  assert.equal(issuerKind(read("ca.pem")), "authority");
  assert.equal(issuerKind(read("leaf.pem")), null);
  assert.equal(issuerKind(read("ca.key")), null, "a private key is nobody's name");
});

const measurement: Measurement = {
  digest: `sha256:${"cd".repeat(32)}`,
  files: [
    { path: "/srv/agent.py", sha256: "aa".repeat(32) },
    { path: "/usr/bin/python3", sha256: "bb".repeat(32) },
  ],
};
const agent = { agent_id: "support-bot", owner: "you@example.com" };
const subject = measurement.files.map(({ path, sha256 }) => ({ name: path, digest: { sha256 } }));
const provenance = {
  _type: "https://in-toto.io/Statement/v1",
  predicateType: "https://slsa.dev/provenance/v1",
  subject,
  predicate: {},
};

const statements: readonly { title: string; statement: unknown; type?: string; said: RegExp | null }[] = [
  { title: "SLSA provenance of every file", statement: provenance, said: null },
  {
    title: "a statement of the whole measurement",
    statement: { ...provenance, subject: [{ digest: { sha256: "cd".repeat(32) } }] },
    said: null,
  },
  {
    title: "a statement of an older version",
    statement: { ...provenance, _type: "https://in-toto.io/Statement/v0.1" },
    said: null,
  },
  { title: "one that names its agent and owner", statement: { ...provenance, predicate: agent }, said: null },
  {
    title: "one that lacks a file",
    statement: { ...provenance, subject: subject.slice(0, 1) },
    said: /does not name \/usr\/bin\/python3/,
  },
  {
    title: "one of another agent",
    statement: { ...provenance, predicate: { ...agent, agent_id: "x" } },
    said: /another agent_id/,
  },
  {
    title: "one of another owner",
    statement: { ...provenance, predicate: { ...agent, owner: "x" } },
    said: /another owner/,
  },
  { title: "one of another type", statement: { ...provenance, _type: "x" }, said: /no in-toto statement/ },
  { title: "one whose subject is no list", statement: { ...provenance, subject: null }, said: /does not name/ },
  { title: "another payload", statement: provenance, type: "text/plain", said: /its payload is text\/plain/ },
];

for (const { title, statement, type = statementType, said } of statements) {
  test(`${title} ${said === null ? "speaks of the agent" : "does not count"}`, () => {
    const envelope = { payloadType: type, payload: Buffer.from(JSON.stringify(statement)), signatures: [] };
    const why = unlike(envelope, measurement, agent);
    if (said === null) assert.equal(why, null);
    else assert.match(why ?? "", said);
  });
}

test("random text is no envelope, and nothing is thrown", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.object().map((value) => JSON.stringify(value)),
      ),
      (text) => {
        const envelope = readEnvelope(text);
        assert.ok(envelope === null || envelope.signatures.length > 0);
      },
    ),
    { numRuns: 500 },
  );
  const mutated = writeEnvelope(seal(generateKeyPairSync("ed25519").privateKey));
  fc.assert(
    fc.property(fc.nat(mutated.length - 1), fc.string({ minLength: 1, maxLength: 1 }), (at, letter) => {
      readEnvelope(mutated.slice(0, at) + letter + mutated.slice(at + 1));
    }),
    { numRuns: 500 },
  );
});
