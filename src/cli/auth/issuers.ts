// `sallyport auth add-issuer|list-issuers`.

import { addIssuer, listIssuers } from "#control/store/issuers.ts";
import { issuerKind } from "#identity/attestation/issuer.ts";
import { openHome } from "../home.ts";
import { printJson, printLine, printTable } from "../output.ts";
import { readText } from "./text-file.ts";

export function add(flags: { readonly name: string; readonly file: string; readonly json?: boolean }): void {
  const { name } = flags;
  const kind = addIssuer(openHome(process.env).keys, { name, pem: readText(flags.file, "--file") });
  if (flags.json) printJson({ name, kind });
  else printLine(`issuer ${name}: ${kind === "key" ? "a public key" : "a certificate authority"}`);
}

export function list({ json = false }: { readonly json?: boolean }): void {
  const issuers = listIssuers(openHome(process.env).keys).map(({ name, pem }) => ({ name, kind: issuerKind(pem) }));
  if (json) printJson(issuers);
  else printTable([["ISSUER", "KIND"], ...issuers.map(({ name, kind }) => [name, kind ?? "unreadable"])]);
}
