// A private authority for tests and the quickstart, made by the openssl program, so that what the boundary verifies was not
// made by the code that verifies it. Keys are ECDSA P-256 and live in the folder that was handed in; the caller removes it.

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";

/** PEM text of a leaf and its key. */
export interface Leaf {
  readonly cert: string;
  readonly key: string;
}

export interface TestAuthority {
  /** The file that `[upstream] ca` names. */
  readonly caFile: string;
  /** A leaf for these names (or addresses); `days` below zero makes one that has expired. */
  issue(names: readonly string[], days?: number): Leaf;
}

function openssl(dir: string, ...args: string[]): void {
  execFileSync("openssl", args, { cwd: dir, stdio: ["ignore", "ignore", "pipe"] });
}

export function createTestAuthority(dir: string, name = "Sallyport test authority"): TestAuthority {
  const caFile = join(dir, "upstream-ca.pem");
  const caKey = join(dir, "upstream-ca.key");
  // prettier errors than `-addext` gives on older openssl: everything stands in one configuration file
  writeFileSync(
    join(dir, "ca.cnf"),
    "[req]\ndistinguished_name=dn\nx509_extensions=v3\nprompt=no\n" +
      `[dn]\nCN=${name}\n[v3]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n`,
  );
  openssl(dir, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", caKey);
  openssl(dir, "req", "-x509", "-new", "-sha256", "-days", "30", "-key", caKey, "-config", "ca.cnf", "-out", caFile);

  let serial = 0;
  return {
    caFile,
    issue(names, days = 20) {
      serial += 1;
      const at = (end: string): string => join(dir, `leaf-${serial}.${end}`);
      const alternatives = names.map((n) => (isIP(n) ? `IP:${n}` : `DNS:${n}`)).join(",");
      writeFileSync(
        at("cnf"),
        `[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=${(names[0] ?? "leaf").slice(0, 60)}\n` +
          `[v3]\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=${alternatives}\nauthorityKeyIdentifier=keyid\n`,
      );
      openssl(dir, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at("key"));
      openssl(dir, "req", "-new", "-sha256", "-key", at("key"), "-config", at("cnf"), "-out", at("csr"));
      openssl(
        dir,
        "x509",
        "-req",
        "-sha256",
        "-in",
        at("csr"),
        "-CA",
        caFile,
        "-CAkey",
        caKey,
        "-set_serial",
        String(1000 + serial),
        "-days",
        String(days),
        "-extfile",
        at("cnf"),
        "-extensions",
        "v3",
        "-out",
        at("pem"),
      );
      return { cert: readFileSync(at("pem"), "utf8"), key: readFileSync(at("key"), "utf8") };
    },
  };
}
