// Whether a Host field names what was dialled. The usual spellings are compared byte by byte; any other is brought to
// normal form first. The port must agree too: without one it is the scheme's own.

import { normalHost } from "#lib/host-name.ts";

interface Dialled {
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
}

export function hostAgrees(bytes: Buffer, start: number, end: number, dialled: Dialled): boolean {
  const { host } = dialled;
  const usual = dialled.port === (dialled.scheme === "https" ? 443 : 80);
  if (end - start === host.length && isSame(bytes, start, host)) return usual && !host.includes(":");
  const text = bytes.toString("latin1", start, end);
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:@[\]]+)(?::([1-9][0-9]{0,4}))?$/.exec(text);
  if (match === null) return false;
  const port = match[2] === undefined ? null : Number(match[2]);
  if (port === null ? !usual : port !== dialled.port) return false;
  const name = match[1] as string;
  return normalHost(name.startsWith("[") ? name.slice(1, -1) : name) === host;
}

function isSame(bytes: Buffer, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const byte = bytes[start + i] as number;
    const folded = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (folded !== lower.charCodeAt(i)) return false;
  }
  return true;
}
