// Descriptors over a Unix socket (SCM_RIGHTS): structures as the kernel has them on 64-bit machines.

import { native } from "./native.ts";

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** The most that one message carries (SCM_MAX_FD). */
export const mostDescriptors = 253;

/** Bytes of a `struct cmsghdr` and `count` descriptors, padded. */
export const controlBytes = (count: number) => 16 + Math.ceil((count * 4) / 8) * 8;

/** A control message of descriptors; their numbers are at 16 and up, 4 bytes each. */
export function controlOf(fds: readonly number[]): Buffer {
  const control = Buffer.alloc(controlBytes(fds.length));
  control.writeBigUInt64LE(BigInt(16 + fds.length * 4), 0);
  control.writeInt32LE(SOL_SOCKET, 8);
  control.writeInt32LE(SCM_RIGHTS, 12);
  fds.forEach((fd, at) => {
    control.writeInt32LE(fd, 16 + at * 4);
  });
  return control;
}

/** Where the pointers and lengths of a `struct msghdr` stand. */
export const messageHeader = { bytes: 56, vector: 16, vectorLength: 24, control: 32, controlLength: 40 } as const;

function header(bytes: Buffer, control: Buffer): { header: Buffer; held: Buffer } {
  const { address } = native();
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(address(bytes), 0);
  vector.writeBigUInt64LE(BigInt(bytes.length), 8);
  const message = Buffer.alloc(messageHeader.bytes);
  message.writeBigUInt64LE(address(vector), messageHeader.vector);
  message.writeBigUInt64LE(1n, messageHeader.vectorLength);
  if (control.length > 0) message.writeBigUInt64LE(address(control), messageHeader.control);
  message.writeBigUInt64LE(BigInt(control.length), messageHeader.controlLength);
  return { header: message, held: vector };
}

/** Sends all the bytes, and the descriptors with the first of them; waits while the other side is slow. False: it is gone. */
export function sendMessage(socket: number, bytes: Buffer, fds: readonly number[] = []): boolean {
  const control = fds.length === 0 ? Buffer.alloc(0) : controlOf(fds);
  for (let at = 0; at < bytes.length; ) {
    const part = header(bytes.subarray(at), at === 0 ? control : Buffer.alloc(0));
    const sent = native().sendmsg(socket, part.header, MSG_NOSIGNAL);
    if (sent <= 0 || part.held.length === 0) return false;
    at += sent;
  }
  return true;
}

/** The descriptors that lie ready in the socket with one byte; null where there are not as many. */
export function takeDescriptors(socket: number, count: number): number[] | null {
  const control = Buffer.alloc(controlBytes(count));
  const message = header(Buffer.alloc(1), control);
  if (native().recvmsg(socket, message.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !== 1 || message.held.length === 0)
    return null;
  const length = Number(control.readBigUInt64LE(0));
  if (length !== 16 + count * 4 || control.readInt32LE(12) !== SCM_RIGHTS) return null;
  return Array.from({ length: count }, (_, at) => control.readInt32LE(16 + at * 4));
}
