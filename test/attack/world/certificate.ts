// The certificates of the make-believe internet: one authority that the policy trusts, and leaves that are good,
// expired, self-signed, or made out to somebody else.

import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  cryptoProvider,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const day = 86_400_000;

export interface Identity {
  readonly cert: string;
  readonly key: string;
}

export interface Authority {
  readonly certificate: string;
  issue(names: readonly string[], valid?: { from: number; to: number }): Promise<Identity>;
  selfSigned(names: readonly string[]): Promise<Identity>;
}

export async function createAuthority(): Promise<Authority> {
  cryptoProvider.set(webcrypto as Crypto);
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const root = await X509CertificateGenerator.createSelfSigned({
    name: "CN=make-believe internet",
    keys,
    notBefore: new Date(Date.now() - 400 * day),
    notAfter: new Date(Date.now() + day),
    signingAlgorithm: algorithm,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return {
    certificate: root.toString("pem"),
    async issue(names, valid = { from: Date.now() - day, to: Date.now() + day }) {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const leaf = await X509CertificateGenerator.create({
        subject: `CN=${names[0]}`,
        issuer: root.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        notBefore: new Date(valid.from),
        notAfter: new Date(valid.to),
        signingAlgorithm: algorithm,
        extensions: [alternativeNames(names)],
      });
      return identity(leaf, own.privateKey);
    },
    async selfSigned(names) {
      const own = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
      const leaf = await X509CertificateGenerator.createSelfSigned({
        name: `CN=${names[0]}`,
        keys: own,
        notBefore: new Date(Date.now() - day),
        notAfter: new Date(Date.now() + day),
        signingAlgorithm: algorithm,
        extensions: [alternativeNames(names)],
      });
      return identity(leaf, own.privateKey);
    },
  };
}

function alternativeNames(names: readonly string[]): SubjectAlternativeNameExtension {
  return new SubjectAlternativeNameExtension(names.map((value) => ({ type: "dns", value })));
}

async function identity(leaf: X509Certificate, key: webcrypto.CryptoKey): Promise<Identity> {
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  const lines = pkcs8.match(/.{1,64}/g) ?? [];
  return {
    cert: leaf.toString("pem"),
    key: `-----BEGIN PRIVATE KEY-----\n${lines.join("\n")}\n-----END PRIVATE KEY-----\n`,
  };
}
