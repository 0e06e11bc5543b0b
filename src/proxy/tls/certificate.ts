// X.509 certificates (RFC 5280) as the home's authority writes them: itself, and a leaf for a name or an address.
// ECDSA P-256 with SHA-256 throughout. Written by hand because a leaf is on the way of a host's first request.

import { createHash, type KeyObject, randomBytes, sign } from "node:crypto";
import { addressBytes, parseAddress } from "#lib/address.ts";
import { bits, boolean, implicit, integer, octets, oid, sequence, set, tagged, time, utf8 } from "./der.ts";

const ecdsaWithSha256 = sequence(oid("1.2.840.10045.4.3.2"));
const commonName = oid("2.5.4.3");
const organization = oid("2.5.4.10");

const day = 86_400_000;
/** Clocks of cells, VMs and people are wrong by hours. */
const skew = 2 * day;
/** Apple's and others' limit for leaves is 398 days; ours are made anew by each run. */
const leafLife = 30 * day;
const authorityLife = 3650 * day;

function name(cn: string): Buffer {
  return sequence(set(sequence(organization, utf8("Sallyport"))), set(sequence(commonName, utf8(cn))));
}

function extension(id: string, critical: boolean, value: Uint8Array): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

const keyUsage = (usage: number, unused: number) => extension("2.5.29.15", true, bits(Buffer.from([usage]), unused));

function publicInfo(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}

/** SHA-1 of the key's bits (RFC 5280 §4.2.1.2, method 1): an identifier, not a protection. */
function keyIdentifier(key: KeyObject): Buffer {
  return createHash("sha1").update(publicInfo(key).subarray(-65)).digest();
}

interface Fields {
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly key: KeyObject;
  readonly from: Date;
  readonly until: Date;
  readonly extensions: readonly Uint8Array[];
}

function issue(fields: Fields, signer: KeyObject): string {
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and always 16 bytes
  const body = sequence(
    tagged(0, integer(Buffer.from([2]))), // v3
    integer(serial),
    ecdsaWithSha256,
    fields.issuer,
    sequence(time(fields.from), time(fields.until)),
    fields.subject,
    publicInfo(fields.key),
    tagged(3, sequence(...fields.extensions)),
  );
  const certificate = sequence(body, ecdsaWithSha256, bits(sign("sha256", body, { key: signer, dsaEncoding: "der" })));
  const lines = certificate.toString("base64").replaceAll(/.{64}(?=.)/g, "$&\n");
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

/** Names of two homes' authorities differ, so that a client with both finds the right one; the key's identifier makes it so. */
function authorityName(publicKey: KeyObject): Buffer {
  return name(`Sallyport local authority ${keyIdentifier(publicKey).toString("hex").slice(0, 12)}`);
}

/** The authority's own certificate, PEM: may sign leaves and nothing below them. */
export function issueAuthority(privateKey: KeyObject, publicKey: KeyObject, now: number): string {
  const subject = authorityName(publicKey);
  return issue(
    {
      issuer: subject,
      subject,
      key: publicKey,
      from: new Date(now - skew),
      until: new Date(now + authorityLife),
      extensions: [
        extension("2.5.29.19", true, sequence(boolean(true), integer(Buffer.from([0])))), // CA, pathlen 0
        keyUsage(0x06, 1), // keyCertSign, cRLSign
        extension("2.5.29.14", false, octets(keyIdentifier(publicKey))),
      ],
    },
    privateKey,
  );
}

export interface Leaf {
  readonly certificate: string;
  /** When it should no longer be handed out, ms since the epoch: a day before it ends for a client whose clock is right. */
  readonly renewAfter: number;
}

/** A leaf for one host in normal form: a name, or a literal address (then as iPAddress, which is what clients compare). */
export function issueLeaf(
  host: string,
  leafPublic: KeyObject,
  authority: { readonly privateKey: KeyObject; readonly publicKey: KeyObject },
  now: number,
): Leaf {
  const address = parseAddress(host);
  const alternative = address === null ? implicit(2, Buffer.from(host, "latin1")) : implicit(7, addressBytes(address));
  // A common name holds 64 characters at most; a longer host stands in the alternative name alone.
  const certificate = issue(
    {
      issuer: authorityName(authority.publicKey),
      subject: name(host.length <= 64 ? host : "sallyport"),
      key: leafPublic,
      from: new Date(now - skew),
      until: new Date(now + leafLife),
      extensions: [
        extension("2.5.29.19", true, sequence()), // not a CA
        keyUsage(0x80, 7), // digitalSignature
        extension("2.5.29.37", false, sequence(oid("1.3.6.1.5.5.7.3.1"))), // serverAuth
        extension("2.5.29.17", false, sequence(alternative)),
        extension("2.5.29.14", false, octets(keyIdentifier(leafPublic))),
        extension("2.5.29.35", false, sequence(implicit(0, keyIdentifier(authority.publicKey)))),
      ],
    },
    authority.privateKey,
  );
  return { certificate, renewAfter: now + leafLife - day };
}
