// What the player does in a cell's life, as lists of system calls: `beginSteps` make its namespaces and sockets and wait;
// `encloseSteps` are sent when policy and command are known, and end in bubblewrap; `agentSteps` stand in front of the
// agent inside, and end in it.
// Descriptors of the first process: 3 the channel (steps and descriptors come in), 4 the status (words go out), 5 what is
// open as long as it lives. What it is sent begins at 6.
// Rules: nothing is undone: whatever fails ends the process; when sallyport goes away, at any moment, so does this process
// (PDEATHSIG; the channel's end; nobody who answers the agent's first word).

import { controlBytes, controlOf, messageHeader, mostDescriptors } from "./descriptors.ts";
import type { Rlimit } from "./limits.ts";
import type { StagedMount } from "./staging.ts";
import { type Architecture, firstStep, laterStep } from "./steps/player.ts";
import {
  type Argument,
  anyResult,
  argument,
  type Bounds,
  leastOf,
  type Memory,
  memory,
  mostOf,
  Steps,
  text,
  texts,
} from "./steps/steps.ts";
import type { HostUser } from "./user.ts";

const AT_FDCWD = -100;
const SIGCHLD = 17;
const SIGKILL = 9;
const EAGAIN = 11;
const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const CLONE_NEWNS = 0x00020000;
const CLONE_NEWUSER = 0x10000000;
const CLONE_NEWNET = 0x40000000;
const MS_PRIVATE_RECURSIVE = 0x40000 | 0x4000;
const [AF_INET, AF_INET6, SOCK_STREAM, SOCK_DGRAM] = [2, 10, 1, 2];
const MSG_PEEK_DONTWAIT = 0x42;
const MSG_WAITALL = 0x100;
const MSG_NOSIGNAL = 0x4000;
const everything = 0xffff_ffff;
const OPEN_TREE = { clone: 1, cloexec: 0o2000000, noFollow: 0x100 } as const;
const AT_EMPTY_PATH = 0x1000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const MOUNT_ATTR_NOSUID_NODEV = 6n;
const RLIMIT_DATA = 2;
const TIOCSCTTY = 0x540e;

export const channelFd = 3;
export const statusFd = 4;
export const lifeFd = 5;
/** The first descriptor that is sent gets this number, the others follow. */
export const firstSent = 6;

const exactly = (result: number, words?: string): Bounds => ({
  least: result,
  most: result,
  ...(words === undefined ? {} : { words }),
});
const or = (words: string): Bounds => ({ words: `${words}\n` });

type Part = readonly [to: Memory | Argument, length: number];

/** A `struct msghdr` of these parts and, where there is room for one, a control message. */
function message(parts: readonly Part[], control: Buffer): Memory {
  const vector = Buffer.alloc(parts.length * 16);
  parts.forEach(([, length], at) => {
    vector.writeBigUInt64LE(BigInt(length), at * 16 + 8);
  });
  const header = Buffer.alloc(messageHeader.bytes);
  header.writeBigUInt64LE(BigInt(parts.length), messageHeader.vectorLength);
  header.writeBigUInt64LE(BigInt(control.length), messageHeader.controlLength);
  const pointers = parts.map(([to], at) => [at * 16, to] as const);
  return memory(header, [
    [messageHeader.vector, memory(vector, pointers)],
    ...(control.length === 0 ? [] : [[messageHeader.control, memory(control)] as const]),
  ]);
}

const oneByte = (): Part => [memory(Buffer.from("d")), 1];

export interface BeginQuestion {
  readonly architecture: Architecture;
  /** The process that starts it. */
  readonly parent: number;
  readonly user: HostUser;
  readonly asRoot: boolean;
  readonly ipv6: boolean;
  /** For ip(8) and nft(8). */
  readonly network: { readonly addresses: string; readonly rules: string };
  readonly path: string;
}

// Its output is the status; a tool's error is kept there until `network-failed` ends it.
const networkScript = `exec >&4 2>&1 4>&-
ip -batch - <<END && nft -f - <<END2 && echo network-ready || echo network-failed
$1
END
$2
END2`;

export function beginSteps(question: BeginQuestion): Buffer {
  const { architecture, parent, user, asRoot, ipv6, network, path } = question;
  const steps = new Steps(architecture, firstStep);
  if (asRoot) {
    steps.call("setgroups", [0, 0], or("root here cannot give the cell another user"));
    steps.call("setresgid", [user.gid, user.gid, user.gid], or("root here cannot give the cell another user"));
    steps.call("setresuid", [user.uid, user.uid, user.uid], or("root here cannot give the cell another user"));
    steps.call("prctl", [PR_SET_DUMPABLE, 1]); // its own /proc/self belongs to root otherwise
  }
  steps.call("prctl", [PR_SET_PDEATHSIG, SIGKILL]);
  // Whoever died before that line sends no signal, but is not the parent any more.
  steps.call("getppid", [], exactly(parent));
  // The keys of the caller's session are unreachable from here on. A kernel without keyrings has none to hide.
  steps.call("keyctl", [KEYCTL_JOIN_SESSION_KEYRING, 0], anyResult);
  steps.call("close_range", [firstSent, everything, 0], or("close_range"));
  for (const fd of [channelFd, lifeFd]) steps.call("fcntl", [fd, F_SETFD, FD_CLOEXEC], or("fcntl"));

  steps.call("unshare", [CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET], or("unshare failed"));
  const maps = [
    ["setgroups", "deny"],
    ["uid_map", `0 ${user.uid} 1`],
    ["gid_map", `0 ${user.gid} 1`],
  ] as const;
  for (const [name, content] of maps) steps.writeFile(`/proc/self/${name}`, content, `cannot write ${name}\n`);
  steps.call("mount", [0, text("/"), 0, MS_PRIVATE_RECURSIVE, 0], or("the mounts could not be made private"));
  steps.call("close_range", [firstSent, everything, 0]);

  const family = ipv6 ? AF_INET6 : AF_INET;
  const sockets = [
    [family, SOCK_STREAM],
    [family, SOCK_STREAM],
    [AF_INET, SOCK_DGRAM],
    ...(ipv6 ? [[AF_INET6, SOCK_DGRAM] as const] : []),
  ];
  const fds = sockets.map((_, at) => firstSent + at);
  sockets.forEach(([domain = 0, type = 0], at) => {
    steps.call("socket", [domain, type, 0], exactly(firstSent + at, "no socket could be made\n"));
  });
  const doors = message([oneByte()], controlOf(fds));
  steps.call("sendmsg", [channelFd, doors, MSG_NOSIGNAL], exactly(1));
  steps.call("close_range", [firstSent, everything, 0]);
  const sent = Buffer.from("doors-sent\n");
  steps.call("write", [statusFd, memory(sent), sent.length], or("write"));

  steps.call("clone", [SIGCHLD, 0, 0, 0, 0], { skip: 1, words: "no process could be made\n" });
  const script = ["sh", "-c", networkScript, "sh", network.addresses, network.rules];
  steps.call("execve", [text("/bin/sh"), texts(script), texts([`PATH=${path}`])], or("no /bin/sh\nnetwork-failed"));

  // The length of what follows comes three times: for the step that reads it, and for both of its bounds.
  const read = steps.length + 1;
  const lengths = [argument(read, 2), leastOf(read), mostOf(read)].map((place): Part => [place, 8]);
  steps.call("recvmsg", [channelFd, message(lengths, Buffer.alloc(0)), 0], exactly(24));
  steps.call("recvfrom", [channelFd, laterStep, 0, MSG_WAITALL, 0, 0], { thenLater: true });
  return steps.bytes();
}

/** What goes before a list of steps on the channel. */
export function announced(steps: Buffer): Buffer {
  const lengths = Buffer.alloc(24);
  for (const at of [0, 8, 16]) lengths.writeBigUInt64LE(BigInt(steps.length), at);
  return Buffer.concat([lengths, steps]);
}

export interface EncloseQuestion {
  readonly architecture: Architecture;
  readonly mounts: readonly StagedMount[];
  /** How many descriptors come: the agent's three ends, a mount for each that is `received`, and what bubblewrap reads. */
  readonly sent: { readonly mounts: number; readonly files: number };
  readonly limits: readonly Rlimit[];
  readonly sysctls: readonly { readonly path: string; readonly text: string }[];
  readonly bwrap: string;
  readonly args: readonly string[];
}

/** The number that a file for bubblewrap gets. */
export const fileFd = (mounts: number, at: number) => firstSent + 3 + mounts + at;

/** Descriptors come in as many messages as they need, each with one byte. */
export function inMessages<T>(fds: readonly T[]): T[][] {
  const messages: T[][] = [];
  for (let at = 0; at < fds.length; at += mostDescriptors) messages.push(fds.slice(at, at + mostDescriptors));
  return messages;
}

export function encloseSteps({ architecture, mounts, sent, limits, sysctls, bwrap, args }: EncloseQuestion): Buffer {
  const steps = new Steps(architecture, laterStep);
  const count = 3 + sent.mounts + sent.files;
  for (const part of inMessages(Array.from({ length: count }))) {
    const into = message([oneByte()], Buffer.alloc(controlBytes(part.length)));
    steps.call("recvmsg", [channelFd, into, 0], exactly(1));
  }
  for (const fd of [0, 1, 2]) steps.call("dup3", [firstSent + fd, fd, 0], or("dup3"));
  if (mounts.length > 0)
    steps.call("mount", [text("tmpfs"), text("/sys"), text("tmpfs"), 0, text("size=1m,mode=0755")], or("mount"));
  let received = firstSent + 3;
  mounts.forEach((mount, at) => {
    const failed = or(`cannot show ${mount.path}`);
    const target = text(mount.path);
    if (mount.kind === "received") {
      if (mount.directory) steps.call("mkdirat", [AT_FDCWD, target, 0o755], failed);
      else steps.call("mknodat", [AT_FDCWD, target, 0o100644, 0], failed);
      steps.call("move_mount", [received++, text(""), AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH], failed);
      return;
    }
    const link = text(`/sys/link-${at}`);
    steps.call("symlinkat", [text(mount.to), AT_FDCWD, link], failed);
    const { clone, cloexec, noFollow } = OPEN_TREE;
    // With both flags already set, bubblewrap does not set them through the link.
    const attributes = Buffer.alloc(32);
    attributes.writeBigUInt64LE(MOUNT_ATTR_NOSUID_NODEV, 0);
    const fd = firstSent + count; // the lowest that is free
    steps.call("open_tree", [AT_FDCWD, link, clone | cloexec | noFollow], exactly(fd, `cannot show ${mount.path}\n`));
    steps.call("mount_setattr", [fd, text(""), AT_EMPTY_PATH, memory(attributes), attributes.length], failed);
    steps.call("move_mount", [fd, text(""), AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH], failed);
    steps.call("close", [fd]);
  });
  for (const { path, text: content } of sysctls) steps.writeFile(path, content, `cannot write ${path}\n`);
  for (const [resource, soft, hard] of limits)
    steps.call("prlimit64", [0, resource, memory(limitBytes(soft, hard)), 0], or(`cannot set limit ${resource}`));
  steps.call("close_range", [firstSent, firstSent + 2 + sent.mounts, 0]);
  steps.call("close_range", [firstSent + count, everything, 0]);
  steps.call("fcntl", [lifeFd, F_SETFD, 0]);
  // From here bubblewrap lives without PDEATHSIG until it sets its own: a child of its that is still being set up would
  // survive it, for ever. If sallyport goes away now, the cell's first program finds nobody to answer it, and ends.
  steps.call("prctl", [PR_SET_PDEATHSIG, 0]);
  const nothing = memory(Buffer.alloc(1));
  steps.call("recvfrom", [channelFd, nothing, 1, MSG_PEEK_DONTWAIT, 0, 0], exactly(-EAGAIN));
  steps.call("execve", [text(bwrap), texts(["bwrap", ...args]), texts([])], or("bubblewrap could not be started"));
  return steps.bytes();
}

export interface AgentQuestion {
  readonly architecture: Architecture;
  /** Bytes of writable memory that one process may have (RLIMIT_DATA); null: not limited here. */
  readonly data: number | null;
  readonly terminal: boolean;
  readonly command: readonly string[];
  /** Where the command was found; it is looked for again in the cell when it is not there. */
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
}

/** The first program inside: says that the cell is closed, waits for `go`, and becomes the agent. */
export function agentSteps({ architecture, data, terminal, command, program, env }: AgentQuestion): Buffer {
  const steps = new Steps(architecture, firstStep);
  const ready = Buffer.from("cell-ready\n");
  steps.call("write", [statusFd, memory(ready), ready.length]);
  steps.call("recvfrom", [statusFd, memory(Buffer.alloc(3)), 3, MSG_WAITALL, 0, 0], exactly(3));
  if (data !== null) steps.call("prlimit64", [0, RLIMIT_DATA, memory(limitBytes(data, data)), 0]);
  // It leads a session of its own (with the terminal, where there is one: job control, and Ctrl-C for it alone).
  steps.call("setsid", [], anyResult);
  if (terminal) steps.call("ioctl", [0, TIOCSCTTY, 1], anyResult);
  steps.call("close_range", [3, everything, 0]);
  const environment = texts(Object.entries(env).map(([name, value]) => `${name}=${value}`));
  steps.call("execve", [text(program), texts(command), environment], anyResult);
  // A script without `#!`, or a name that means something else here: the shell knows, and says what is wrong.
  const shell = ["sh", "-c", 'exec "$@"', "sh", ...command];
  steps.call("execve", [text("/bin/sh"), texts(shell), environment], anyResult);
  steps.call("exit_group", [126]);
  return steps.bytes();
}

function limitBytes(soft: number, hard: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(BigInt(soft), 0);
  bytes.writeBigUInt64LE(BigInt(hard), 8);
  return bytes;
}
