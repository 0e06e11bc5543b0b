// Whether a Host field names what was dialled. The usual spelling is compared byte by byte; any other is brought to normal
// form first. The port must agree too: without one it is the scheme's own.

import { normalHost } from "#lib/host-name.ts";
import { isWord } from "../wire/http1-fields.ts";

interface Dialled {
  readonly scheme: "http" | "https";
  /** In normal form. */
  readonly host: string;
  readonly port: number;
  /** Host and, unless it is the scheme's own, port. */
  readonly authority: string;
}

export function hostAgrees(bytes: Buffer, start: number, end: number, dialled: Dialled): boolean {
  if (isWord(bytes, start, end, dialled.authority)) return true;
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:@[\]]+)(?::([1-9][0-9]{0,4}))?$/.exec(bytes.toString("latin1", start, end));
  if (match === null) return false;
  const port = match[2] === undefined ? (dialled.scheme === "https" ? 443 : 80) : Number(match[2]);
  return port === dialled.port && normalHost(match[1] as string) === dialled.host;
}
