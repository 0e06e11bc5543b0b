// The bytes of a message as they leave. Spans are copied as they came; only fields that must not be forwarded are left
// out, and for an upgrade the one field that a hop must say itself is put in.

import { ALT_SVC, CONNECTION, DROPPED, METHOD_OVERRIDE, UPGRADE } from "../wire/http1-fields.ts";
import type { HeadScanner } from "../wire/http1-head.ts";

const connectionUpgrade = Buffer.from("connection: upgrade\r\n", "latin1");
const connectionClose = Buffer.from("connection: close\r\n", "latin1");

/** Whether field `kind` is left out of what is forwarded. */
function isLeftOut(kind: number, upgrade: boolean): boolean {
  return kind === DROPPED || kind === CONNECTION || kind === ALT_SVC || (kind === UPGRADE && !upgrade);
}

/**
 * Head and the body's beginning, `bytes[start..bodyEnd)`, in one buffer that is the caller's. Without anything to leave
 * out it is the very memory of `bytes`. MUST be called while the scanner still holds this head.
 */
export function forwardedRequest(
  scanner: HeadScanner,
  bytes: Buffer,
  headEnd: number,
  bodyEnd: number,
  upgrade: boolean,
): Buffer {
  if (!scanner.hasDropped) return bodyEnd === bytes.length ? bytes : bytes.subarray(0, bodyEnd);
  const out = Buffer.allocUnsafe(bodyEnd + (upgrade ? connectionUpgrade.length : 0));
  let length = copyFields(scanner, bytes, 0, headEnd, out, upgrade);
  if (upgrade) length += connectionUpgrade.copy(out, length);
  length += bytes.copy(out, length, headEnd - 2, bodyEnd);
  return out.subarray(0, length);
}

/** True where the scanned response does not leave as it came. `close`: its reader must be told that the connection ends. */
export function isResponseRewritten(scanner: HeadScanner, close: boolean): boolean {
  if (close && !scanner.close) return true;
  if (!scanner.hasDropped) return false;
  for (let i = 0; i < scanner.fieldCount; i++) if (scanner.kind[i] === ALT_SVC) return true;
  return false;
}

/**
 * The response `bytes[start..)`, its head without Alt-Svc (HTTP/3 cannot leave the cell, and other places are not the
 * agent's to choose), and what of the body came with it; `headLength` is the head's.
 */
export function forwardedResponse(
  scanner: HeadScanner,
  bytes: Buffer,
  start: number,
  headEnd: number,
  close: boolean,
): { readonly bytes: Buffer; readonly headLength: number } {
  const tell = close && !scanner.close;
  const out = Buffer.allocUnsafe(bytes.length - start + connectionClose.length);
  let length = 0;
  let from = start;
  for (let i = 0; i < scanner.fieldCount; i++) {
    const kind = scanner.kind[i];
    if (kind !== ALT_SVC && !(tell && kind === CONNECTION)) continue;
    length += bytes.copy(out, length, from, scanner.nameStart[i]);
    from = scanner.nameStart[i + 1] as number;
  }
  length += bytes.copy(out, length, from, headEnd - 2);
  if (tell) length += connectionClose.copy(out, length);
  length += bytes.copy(out, length, headEnd - 2, headEnd);
  const headLength = length;
  length += bytes.copy(out, length, headEnd);
  return { bytes: out.subarray(0, length), headLength };
}

function copyFields(
  scanner: HeadScanner,
  bytes: Buffer,
  start: number,
  headEnd: number,
  out: Buffer,
  upgrade: boolean,
): number {
  let length = 0;
  let from = start;
  const count = scanner.fieldCount;
  for (let i = 0; i < count; i++) {
    const kind = scanner.kind[i] as number;
    if (kind === METHOD_OVERRIDE || !isLeftOut(kind, upgrade)) continue;
    length += bytes.copy(out, length, from, scanner.nameStart[i]);
    from = scanner.nameStart[i + 1] as number;
  }
  return length + bytes.copy(out, length, from, headEnd - 2);
}
