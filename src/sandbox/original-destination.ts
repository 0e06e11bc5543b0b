// What the cell dialled before its kernel redirected it to the door.

import { isIPv6, type Socket } from "node:net";
import { native } from "./native.ts";

const SOL_IP = 0;
const SOL_IPV6 = 41;
const SO_ORIGINAL_DST = 80; // IP6T_SO_ORIGINAL_DST has the same number
const AF_INET = 2;
const AF_INET6 = 10;

const value = Buffer.alloc(28);

/**
 * The address and port that the other side of a redirected connection dialled, from conntrack
 * (`struct sockaddr_in` / `sockaddr_in6`). A connection dialled to the door itself has the door's own address and
 * port. Null when the kernel does not know (the connection is gone): the caller must refuse it.
 */
export function originalDestination(socket: Socket): { address: string; port: number } | null {
  const fd = (socket as unknown as { _handle: { fd: number } | null })._handle?.fd;
  if (fd === undefined || fd < 0) return null;
  const { getsockopt } = native();
  const mapped =
    socket.remoteAddress === undefined || !isIPv6(socket.remoteAddress) || /^::ffff:/i.test(socket.remoteAddress);
  for (const level of mapped ? [SOL_IP, SOL_IPV6] : [SOL_IPV6, SOL_IP]) {
    const length = [level === SOL_IP ? 16 : 28];
    if (getsockopt(fd, level, SO_ORIGINAL_DST, value, length) !== 0) continue;
    const family = value.readUInt16LE(0);
    const port = value.readUInt16BE(2);
    if (level === SOL_IP && family === AF_INET) return { address: value.subarray(4, 8).join("."), port };
    if (level === SOL_IPV6 && family === AF_INET6) return { address: ipv6Text(value.subarray(8, 24)), port };
  }
  return null;
}

/** RFC 5952 text of 16 bytes: lower case, no leading zeros, the longest run of two or more zero groups as `::`. */
export function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0));
  let best = { at: -1, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === 0) length++;
    if (length > best.length) best = { at, length };
  }
  const text = (from: number, to: number) =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return best.at < 0 ? text(0, 8) : `${text(0, best.at)}::${text(best.at + best.length, 8)}`;
}
