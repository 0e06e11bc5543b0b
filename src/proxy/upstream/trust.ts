// Whom the boundary believes: the certificates that an upstream's chain must end in. The store of Node (Mozilla's), the
// system's (a company's own authority is there), and the policy's `[upstream] ca` files. Names are verified by the dial
// itself (tls.connect's servername): nothing here can switch that off. NODE_EXTRA_CA_CERTS is not read.

import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext, getCACertificates, type SecureContext } from "node:tls";
import { Failure } from "#core/failure.ts";

export interface UpstreamTrust {
  /** The context to dial a host with; made at first use, then shared by all hosts. */
  contextFor(host: string): SecureContext;
}

const mostBundleBytes = 4 * 1024 * 1024;
const pem = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** Reads a PEM bundle; throws Failure `policy_invalid` naming the file. */
export function readBundle(file: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(file, "latin1");
  } catch (cause) {
    throw new Failure("policy_invalid", "[upstream] ca cannot be read", {
      place: file,
      remedy: "Name a readable PEM file.",
      cause,
    });
  }
  const found = text.length > mostBundleBytes ? null : text.match(pem);
  if (found === null) {
    throw new Failure("policy_invalid", "[upstream] ca holds no PEM certificate", {
      place: file,
      remedy: "The file must hold certificates between BEGIN CERTIFICATE and END CERTIFICATE lines.",
    });
  }
  for (const [index, certificate] of found.entries()) {
    try {
      new X509Certificate(certificate);
    } catch (cause) {
      throw new Failure("policy_invalid", `certificate ${index + 1} of [upstream] ca cannot be read`, {
        place: file,
        cause,
      });
    }
  }
  return found;
}

// Where distributions keep the system's bundle; the first that is there. Node's own reading of the system store opens
// every file and link of /etc/ssl/certs: 45 ms of the first request, against 1 ms.
const systemBundles = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, Alpine, Arch
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
  "/etc/ssl/ca-bundle.pem", // SUSE
  "/etc/ssl/cert.pem",
];

function systemStore(files: readonly string[]): readonly string[] {
  for (const file of files) {
    try {
      const found = readFileSync(file, "latin1").match(pem);
      if (found !== null) return found;
    } catch (error) {
      if (!(error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "EACCES")))
        throw error;
    }
  }
  return []; // Node's own store is there in any case
}

/**
 * Reads the policy's files now, so that a bad one stops the run before it starts; the stores' thousands of lines only
 * when the first upstream is dialled.
 */
export function openUpstreamTrust(
  options: { readonly caFiles?: readonly string[]; readonly systemBundles?: readonly string[] } = {},
): UpstreamTrust {
  const extra = (options.caFiles ?? []).flatMap(readBundle);
  let context: SecureContext | null = null;
  return {
    contextFor() {
      if (context !== null) return context;
      const all = new Map<string, string>();
      for (const text of [
        ...getCACertificates("bundled"),
        ...systemStore(options.systemBundles ?? systemBundles),
        ...extra,
      ]) {
        all.set(text.replaceAll(/\s+/g, ""), text);
      }
      context = createSecureContext({ ca: [...all.values()].join("\n"), minVersion: "TLSv1.2" });
      return context;
    },
  };
}
