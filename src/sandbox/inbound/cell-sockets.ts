// Sockets of a cell's own network, held by sallyport: what connects from the host into a cell. A socket belongs to the network
// namespace it was made in; a process that enters the cell's user and network namespaces for some milliseconds makes a few
// and hands them over. It stays out of the cell's pid and mount namespaces, so nothing in the cell sees it, and no
// descriptor of the host's network is ever in the cell.
// Rules: a descriptor is one connection's, once; all that are left are closed with the cell, because they keep its namespace.

import { spawn } from "node:child_process";
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Failure } from "#core/failure.ts";
import { toolPath } from "../begin.ts";
import { native, nativeAddon, nativeFunction } from "../native.ts";
import { findProgram } from "../program.ts";
import type { HostUser } from "../user.ts";

export interface CellSockets {
  /** An unconnected TCP socket of the cell's network; the caller's to close. Rejects when none can be had. */
  take(): Promise<number>;
  /** What `take` gives: IPv6 sockets, which reach IPv4 as `::ffff:127.0.0.1`, where the machine has them. */
  readonly family: 4 | 6;
  close(): void;
}

export interface CellProcess {
  /** The host's id of a process in the cell's user and network namespaces that is our own child. */
  readonly pid: number;
  readonly user: HostUser;
}

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM_CLOEXEC = 0o2000001;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;
/** The first batch, and later ones: as many as the kernel passes in one message is 253. */
const [firstBatch, laterBatch] = [16, 128];
/** With fewer left, more are made before they are needed. */
const low = 8;

export function openCellSockets(cell: CellProcess): CellSockets {
  const family = existsSync("/proc/net/if_inet6") ? 6 : 4;
  const free: number[] = [];
  let making: Promise<void> | null = null;
  let batch = firstBatch;
  let closed = false;
  const make = () => {
    making ??= makeSockets(cell, family, batch)
      .then((fds) => {
        if (closed) for (const fd of fds) closeSync(fd);
        else free.push(...fds);
        batch = laterBatch;
      })
      .finally(() => {
        making = null;
      });
    return making;
  };
  return {
    family,
    take: async () => {
      for (;;) {
        if (closed) throw new Failure("sandbox_failed", "the cell has ended");
        const fd = free.shift();
        // Nobody waits for these; who runs out of them is told why.
        if (free.length < low) make().catch(() => undefined);
        if (fd !== undefined) return fd;
        await make();
      }
    },
    close: () => {
      closed = true;
      for (const fd of free.splice(0)) closeSync(fd);
    },
  };
}

async function makeSockets(cell: CellProcess, family: 4 | 6, count: number): Promise<number[]> {
  const nsenter = findProgram("nsenter", toolPath);
  if (nsenter === null)
    throw new Failure("sandbox_unavailable", "nsenter is not installed", {
      remedy: "Install util-linux; `sallyport doctor --fix` does.",
    });
  const ends: number[] = [0, 0];
  const socketpair = nativeFunction<(family: number, type: number, protocol: number, ends: number[]) => number>(
    "int socketpair(int family, int type, int protocol, _Out_ int *ends)",
  );
  if (socketpair(AF_UNIX, SOCK_STREAM_CLOEXEC, 0, ends) !== 0)
    throw new Failure("sandbox_failed", "no socket could be made for the way into the cell");
  const [here = -1, there = -1] = ends;
  const given = [there];
  try {
    for (const path of [nativeAddon(), process.execPath]) given.push(openSync(path, "r"));
    const source = readFileSync(fileURLToPath(new URL("./socket-maker.mjs", import.meta.url)), "utf8");
    const from = `/proc/${cell.pid}/ns`;
    const maker = spawn(
      nsenter,
      [
        `--user=${from}/user`,
        `--net=${from}/net`,
        "--preserve-credentials",
        "--",
        "/proc/self/fd/5",
        "--no-warnings",
        "--eval",
        source,
        String(family === 6 ? AF_INET6 : AF_INET),
        String(count),
      ],
      {
        stdio: ["ignore", "ignore", "pipe", ...given],
        env: { PATH: toolPath },
        cwd: "/",
        ...(process.geteuid?.() === 0 ? { uid: cell.user.uid, gid: cell.user.gid } : {}),
      },
    );
    let words = "";
    maker.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (words.length < 1024) words += text;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      maker.once("error", reject);
      maker.once("close", resolve);
    });
    const fds = code === 0 ? receive(here, count) : [];
    if (fds.length === 0)
      throw new Failure("sandbox_failed", `the cell's network could not be entered: ${words.trim().slice(-300)}`);
    return fds;
  } finally {
    for (const fd of [here, ...given]) closeSync(fd);
  }
}

/** The descriptors of one message: a struct msghdr with one byte and one control message (SCM_RIGHTS). */
function receive(socket: number, most: number): number[] {
  const { address } = native();
  const recvmsg = nativeFunction<(fd: number, message: Buffer, flags: number) => number>(
    "long recvmsg(int fd, const uint8_t *message, int flags)",
  );
  const [byte, vector, message] = [Buffer.alloc(1), Buffer.alloc(16), Buffer.alloc(56)];
  const control = Buffer.alloc(16 + most * 4);
  vector.writeBigUInt64LE(address(byte), 0);
  vector.writeBigUInt64LE(1n, 8);
  message.writeBigUInt64LE(address(vector), 16);
  message.writeBigUInt64LE(1n, 24);
  message.writeBigUInt64LE(address(control), 32);
  message.writeBigUInt64LE(BigInt(control.length), 40);
  if (recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) !== 1) return [];
  const fds: number[] = [];
  for (let at = 16; at + 4 <= Number(control.readBigUInt64LE(0)); at += 4) fds.push(control.readInt32LE(at));
  return fds;
}
