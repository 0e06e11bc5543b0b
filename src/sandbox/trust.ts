// What makes programs in the cell trust the boundary's authority: the host's own authorities with that one added, in every
// form that runtimes read. Built once for a home and again when the host's bundle or the authority changes.
//   bundle.pem · authority.pem · certs/ (what OpenSSL looks up by a subject's hash) · cacerts (a Java key store)
// Rules: the host's own store is never written to; the folder is complete before it gets its name.

import { createHash, X509Certificate } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** In the cell. */
export const trustPaths = {
  bundle: "/etc/ssl/cert.pem",
  authority: "/etc/ssl/sallyport.pem",
  folder: "/etc/ssl/certs",
} as const;

/** Where programs look for the system's authorities: Debian, Red Hat, SUSE, Alpine, and what Go tries besides. */
export const bundlePaths = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/ssl/cert.pem",
  "/var/lib/ca-certificates/ca-bundle.pem",
  "/usr/local/share/certs/ca-root-nss.crt",
  "/etc/certs/ca-certificates.crt",
  "/usr/lib/ssl/cert.pem",
] as const;

/** On the host: a folder with `bundle.pem`, `authority.pem`, `certs/` and `cacerts`. */
export interface Trust {
  readonly folder: string;
}

/** `folder`: of the home, made when missing. `authorityPem`: the authority's certificate. */
export function buildTrust(folder: string, authorityPem: string): Trust {
  const host = bundlePaths.find((path) => existsSync(path));
  const facts = host === undefined ? undefined : statSync(host);
  const key = createHash("sha256")
    .update(JSON.stringify([2, authorityPem, host ?? null, facts?.mtimeMs ?? 0, facts?.size ?? 0]))
    .digest("hex")
    .slice(0, 16);
  const built = join(folder, key);
  const trust = { folder: built };
  if (existsSync(built)) return trust;
  mkdirSync(folder, { recursive: true, mode: 0o755 });
  const draft = join(folder, `${key}.${process.pid}`);
  rmSync(draft, { recursive: true, force: true });
  mkdirSync(join(draft, "certs", "java"), { recursive: true });
  const bundle = `${host === undefined ? "" : readFileSync(host, "utf8").replace(/\n*$/, "\n")}${authorityPem.replace(/\n*$/, "\n")}`;
  const store = javaKeyStore(bundle);
  const files: [string, string | Buffer][] = [
    ["bundle.pem", bundle],
    ["authority.pem", authorityPem],
    ["cacerts", store],
    ["certs/ca-certificates.crt", bundle],
    ["certs/ca-bundle.crt", bundle],
    ["certs/sallyport.pem", authorityPem],
    ["certs/java/cacerts", store],
  ];
  const hash = subjectHash(new X509Certificate(authorityPem).raw);
  const taken = new Set<string>();
  if (existsSync(trustPaths.folder)) {
    for (const name of readdirSync(trustPaths.folder)) {
      if (!/^[0-9a-f]{8}\.\d+$|\.pem$/.test(name)) continue;
      const path = join(trustPaths.folder, name);
      if (!statSync(path, { throwIfNoEntry: false })?.isFile()) continue;
      files.push([`certs/${name}`, readFileSync(path)]);
      taken.add(name);
    }
  }
  let at = 0;
  while (taken.has(`${hash}.${at}`)) at++;
  files.push([`certs/${hash}.${at}`, authorityPem]);
  for (const [name, content] of files) writeFileSync(join(draft, name), content, { mode: 0o644 });
  for (const path of [draft, join(draft, "certs"), join(draft, "certs", "java")]) chmodSync(path, 0o755);
  try {
    renameSync(draft, built);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(built)) throw error; // else another run was faster
  }
  for (const name of readdirSync(folder))
    if (name !== key && /^[0-9a-f]{16}$/.test(name)) rmSync(join(folder, name), { recursive: true, force: true });
  return trust;
}

/** A Java key store of certificates only (the JKS format, version 2; the password that Java expects is `changeit`). */
export function javaKeyStore(pem: string): Buffer {
  const certificates = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(value);
    return bytes;
  };
  const text = (value: string) => Buffer.concat([u32(value.length).subarray(2), Buffer.from(value)]);
  const parts = [u32(0xfeedfeed), u32(2), u32(certificates.length)];
  certificates.forEach((certificate, at) => {
    const der = Buffer.from(certificate.replace(/-----[^-]+-----|\s/g, ""), "base64");
    parts.push(u32(2), text(`authority-${at}`), Buffer.alloc(8), text("X.509"), u32(der.length), der);
  });
  const content = Buffer.concat(parts);
  const password = Buffer.from("changeit", "utf16le").swap16();
  return Buffer.concat([
    content,
    createHash("sha1").update(password).update("Mighty Aphrodite").update(content).digest(),
  ]);
}

/**
 * The name under which OpenSSL looks a certificate up in a folder (X509_NAME_hash): SHA-1 over the subject's
 * relative names, each string as UTF-8 in lower case with single spaces; the first four bytes, little-endian.
 */
export function subjectHash(certificate: Buffer): string {
  const [tbs] = children(children(certificate)[0]?.content ?? Buffer.alloc(0));
  const fields = children(tbs?.content ?? Buffer.alloc(0));
  const subject = fields[fields[0]?.tag === 0xa0 ? 5 : 4];
  if (subject === undefined) throw new Error("the certificate has no subject");
  const strings = new Set([0x0c, 0x13, 0x14, 0x16, 0x1a, 0x1e]);
  const names = children(subject.content).map((set) =>
    encode(
      0x31,
      Buffer.concat(
        children(set.content).map((pair) => {
          const [oid, value] = children(pair.content);
          if (oid === undefined || value === undefined) throw new Error("the certificate's subject is damaged");
          const canonical = strings.has(value.tag)
            ? encode(
                0x0c,
                Buffer.from(
                  value.content
                    .toString(value.tag === 0x0c ? "utf8" : "latin1")
                    .trim()
                    .replace(/[ \t\n\v\f\r]+/g, " ")
                    .replace(/[A-Z]/g, (letter) => letter.toLowerCase()),
                ),
              )
            : encode(value.tag, value.content);
          return encode(0x30, Buffer.concat([encode(0x06, oid.content), canonical]));
        }),
      ),
    ),
  );
  return createHash("sha1").update(Buffer.concat(names)).digest().readUInt32LE(0).toString(16).padStart(8, "0");
}

interface Der {
  readonly tag: number;
  readonly content: Buffer;
}

function children(bytes: Buffer): Der[] {
  const found: Der[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const tag = bytes[at] ?? 0;
    let length = bytes[at + 1] ?? 0;
    at += 2;
    if (length > 0x80) {
      const size = length & 0x7f;
      length = bytes.readUIntBE(at, size);
      at += size;
    }
    found.push({ tag, content: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

function encode(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}
