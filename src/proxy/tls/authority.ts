// The home's certificate authority: what the cell is told to trust, so that the boundary can read the HTTP inside TLS.
// Rules: one per home, made at first use; its key is a file of mode 0600 in a folder of mode 0700, never printed, never
// copied into a cell; it is added to no trust store of the host. Two processes that start at once end up with the same
// one. Both files are written whole under another name and linked into place: a reader sees all of one or none of it.

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  X509Certificate,
} from "node:crypto";
import {
  closeSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { createSecureContext, type SecureContext } from "node:tls";
import { Failure } from "#core/failure.ts";
import { issueAuthority, issueLeaf } from "./certificate.ts";

export interface CertificateAuthority {
  /** What a cell must trust. */
  readonly certificatePem: string;
  /**
   * The context to answer a client with that dialled this host: name or literal address, normal form. Made at first use
   * (about half a millisecond), then kept. All leaves share one key, which no file holds.
   */
  contextFor(host: string): SecureContext;
}

const keyFile = "ca.key";
const certificateFile = "ca.pem";
const renewBefore = 60 * 86_400_000;

interface Material {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly pem: string;
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}

function unusable(file: string, message: string, remedy: string, cause?: unknown): Failure {
  return new Failure("home_unusable", message, { place: file, remedy, cause });
}

/** The file's text, or null when there is none. A key that others may read is no secret any more, and is refused. */
function read(file: string, secret: boolean): string | null {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    if (hasCode(error, "ENOENT")) return null;
    throw unusable(file, "the authority's file cannot be read", "Give it to the user who runs sallyport.", error);
  }
  try {
    const stat = fstatSync(fd);
    if (secret && (stat.mode & 0o077) !== 0) {
      throw unusable(
        file,
        "the authority's key may be read by others",
        "Delete ca.key and ca.pem, and a new authority is made; or chmod 600 if nobody read it.",
      );
    }
    return readFileSync(fd, "latin1");
  } finally {
    closeSync(fd);
  }
}

function writeBeside(file: string, text: string, mode: number): string {
  const temporary = `${file}.${randomBytes(8).toString("hex")}`;
  const fd = openSync(temporary, "wx", mode);
  try {
    writeSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  return temporary;
}

/** Writes a file that must not exist yet; false when another process was first. */
function createWhole(file: string, text: string, mode: number): boolean {
  const temporary = writeBeside(file, text, mode);
  try {
    linkSync(temporary, file);
    return true;
  } catch (error) {
    if (hasCode(error, "EEXIST")) return false;
    throw error;
  } finally {
    unlinkSync(temporary);
  }
}

function readKey(dir: string, text: string): KeyObject {
  const file = join(dir, keyFile);
  const remedy = "Delete ca.key and ca.pem, and a new authority is made.";
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    // No cause: an error of the key parser must not carry the key's text anywhere.
    throw unusable(file, "the authority's key is damaged", remedy);
  }
  if (key.asymmetricKeyType !== "ec" || key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
    throw unusable(file, "the authority's key is not ECDSA P-256", remedy);
  }
  return key;
}

/** The key decides: whoever links ca.key first is the authority, and any process can write its certificate from it. */
function loadOrCreate(dir: string, now: number): Material {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  let keyText = read(join(dir, keyFile), true);
  if (keyText === null) {
    const made = generateKeyPairSync("ec", {
      namedCurve: "prime256v1",
      privateKeyEncoding: { type: "pkcs8", format: "pem" },
      publicKeyEncoding: { type: "spki", format: "pem" },
    });
    keyText = createWhole(join(dir, keyFile), made.privateKey, 0o600)
      ? made.privateKey
      : read(join(dir, keyFile), true);
    if (keyText === null)
      throw unusable(join(dir, keyFile), "the authority's key vanished while it was made", "Run again.");
  }
  const privateKey = readKey(dir, keyText);
  const publicKey = createPublicKey(privateKey);
  return { privateKey, publicKey, pem: certificateOf(dir, privateKey, publicKey, now) };
}

function certificateOf(dir: string, privateKey: KeyObject, publicKey: KeyObject, now: number): string {
  const file = join(dir, certificateFile);
  const present = read(file, false);
  if (present !== null && isUsable(present, privateKey, now)) return present;
  const pem = issueAuthority(privateKey, publicKey, now);
  if (present === null) {
    if (createWhole(file, pem, 0o644)) return pem;
    const other = read(file, false);
    if (other !== null && isUsable(other, privateKey, now)) return other;
  }
  // Of another key, damaged, or near its end: made again from the key, which clients of this home already trust by name.
  renameSync(writeBeside(file, pem, 0o644), file);
  return pem;
}

function isUsable(pem: string, privateKey: KeyObject, now: number): boolean {
  try {
    const certificate = new X509Certificate(pem);
    return (
      certificate.checkPrivateKey(privateKey) && certificate.ca && certificate.validToDate.getTime() - renewBefore > now
    );
  } catch {
    return false; // not a certificate: the caller writes one
  }
}

export interface AuthorityOptions {
  /** ms since the epoch; a cell's clock may be two days behind it. */
  readonly now?: () => number;
  /** Contexts kept; the one that was used least lately goes first. */
  readonly mostLeaves?: number;
}

/** Opens the authority of a folder, making it where there is none. Throws Failure `home_unusable`. */
export async function openAuthority(dir: string, options: AuthorityOptions = {}): Promise<CertificateAuthority> {
  const { now = Date.now, mostLeaves = 1024 } = options;
  let material: Material;
  try {
    material = loadOrCreate(dir, now());
  } catch (error) {
    if (error instanceof Failure) throw error;
    throw unusable(
      dir,
      "the authority cannot be kept here",
      "The folder must be writable by the user who runs sallyport.",
      error,
    );
  }
  let leafKey: { readonly publicKey: KeyObject; readonly privatePem: string } | null = null;
  const contexts = new Map<string, { readonly context: SecureContext; readonly renewAfter: number }>();

  return {
    certificatePem: material.pem,
    contextFor(host) {
      const known = contexts.get(host);
      if (known !== undefined && known.renewAfter > now()) {
        if (contexts.size > mostLeaves / 2) {
          contexts.delete(host); // to the end: the map's order is its age
          contexts.set(host, known);
        }
        return known.context;
      }
      if (leafKey === null) {
        const pair = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
        leafKey = {
          publicKey: pair.publicKey,
          privatePem: pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        };
      }
      const leaf = issueLeaf(host, leafKey.publicKey, material, now());
      const context = createSecureContext({
        cert: leaf.certificate,
        key: leafKey.privatePem,
        minVersion: "TLSv1.2",
        honorCipherOrder: true,
      });
      contexts.delete(host);
      if (contexts.size >= mostLeaves) contexts.delete(contexts.keys().next().value ?? host);
      contexts.set(host, { context, renewAfter: leaf.renewAfter });
      return context;
    },
  };
}
