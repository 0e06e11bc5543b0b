// What a scanned request head asks for, as the action that the gate judges. The scanner's offsets are into `bytes`.

import type { HttpAction } from "#core/action.ts";
import type { HeadScanner } from "../wire/http1-head.ts";
import type { Origin } from "./upstream-pool.ts";

/** The action by its request line; what an override header makes of it is `methodOverride`'s. */
export function requestAction(scanner: HeadScanner, bytes: Buffer, origin: Origin): HttpAction {
  return {
    kind: "http",
    scheme: origin.scheme,
    host: origin.host,
    port: origin.port,
    method: scanner.method,
    path: bytes.toString("latin1", scanner.targetStart, scanner.targetEnd),
    body: scanner.chunked || scanner.contentLength > 0,
    upgrade: upgradeAsked(scanner, bytes),
  };
}

/** The protocol of an Upgrade that is forwarded. h2c is not: HTTP/2 in a tunnel would be requests nobody judges. */
function upgradeAsked(scanner: HeadScanner, bytes: Buffer): string | null {
  if (scanner.upgrade < 0 || !scanner.connectionUpgrade || scanner.minor === 0) return null;
  const start = scanner.valueStart[scanner.upgrade];
  const asked = bytes.toString("latin1", start, scanner.valueEnd[scanner.upgrade]).toLowerCase();
  return /^[!#$%&'*+.^_`|~0-9a-z/-]{1,64}$/.test(asked) && !/^(h2c?|http\/|tls\/)/.test(asked) ? asked : null;
}

/** The method that an override header names, upper case. The head MUST have one (`scanner.override`). */
export function methodOverride(scanner: HeadScanner, bytes: Buffer): string {
  const start = scanner.valueStart[scanner.override];
  return bytes.toString("latin1", start, scanner.valueEnd[scanner.override]).toUpperCase();
}

/** True for methods whose body some origins run as the next request. */
export function isBodiless(method: string): boolean {
  return method === "GET" || method === "HEAD";
}
