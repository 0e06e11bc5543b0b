// Whose attestations count, by the name that policies use: `keys/issuers/<name>.pem`, a public key or a certificate authority.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Failure } from "#core/failure.ts";
import { type Issuer, issuerKind } from "#identity/attestation/issuer.ts";
import { createFile, namesIn, readIfThere } from "./files.ts";

const form = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** @throws Failure usage */
export function addIssuer(keys: string, { name, pem }: Issuer): "key" | "authority" {
  if (!form.test(name)) {
    throw new Failure("usage", `${JSON.stringify(name)} is no issuer's name`, {
      place: "--name",
      remedy: "Use the name that policies have in allowed_issuers, such as internal-ca.example.com.",
    });
  }
  const kind = issuerKind(pem);
  if (kind === null) {
    throw new Failure("usage", "this is neither a public key nor a certificate authority's certificate", {
      place: "--file",
      remedy: "Give one of the two as PEM.",
    });
  }
  mkdirSync(folderOf(keys), { recursive: true, mode: 0o700 });
  if (createFile(fileOf(keys, name), pem, 0o400)) return kind;
  throw new Failure("usage", `there is an issuer ${name} already`, {
    place: "--name",
    remedy: "Choose another name, or remove the old one's file from the home's keys/issuers.",
  });
}

export function listIssuers(keys: string): readonly Issuer[] {
  return namesIn(folderOf(keys))
    .map((file) => file.replace(/\.pem$/, ""))
    .filter((name) => form.test(name))
    .sort()
    .map((name) => ({ name, pem: readIfThere(fileOf(keys, name)) ?? "" }));
}

function folderOf(keys: string): string {
  return join(keys, "issuers");
}

function fileOf(keys: string, name: string): string {
  return join(folderOf(keys), `${name}.pem`);
}
