// The first half of a cell: its process is started, and nothing is waited for. It comes up while the caller loads all else,
// so this file reaches no more of the program than that takes; process.ts does the rest.
// Rules: on the main thread only (PDEATHSIG follows the thread); no import that a start could do without.

import { closeSync, existsSync } from "node:fs";
import { Failure } from "#core/failure.ts";
import { beginSteps } from "./cell-steps.ts";
import { type JoiningCgroup, joinCgroup } from "./cgroup.ts";
import { fetchEnd, spawnFirst } from "./first-process.ts";
import { native } from "./native.ts";
import { ipBatch, nftRules } from "./network.ts";
import { type Architecture, playerProgram } from "./steps/player.ts";
import { type HostUser, hostUser } from "./user.ts";

export interface BeginOptions {
  readonly user?: HostUser;
  /** Where the agent will work: decides who the cell is when root starts it and nobody is named. */
  readonly workspace: string;
  /** SUDO_UID and SUDO_GID of the caller's environment. */
  readonly sudo?: { readonly uid?: string | undefined; readonly gid?: string | undefined };
  /** Layers to leave out, only for tests that show that the others hold alone. */
  readonly unsafe_without?: { readonly redirect?: boolean; readonly filter?: boolean; readonly seccomp?: boolean };
}

/** A cell's first process, on its way. What it says is kept until somebody listens. */
export interface BegunCell {
  readonly options: BeginOptions;
  readonly user: HostUser;
  readonly asRoot: boolean;
  readonly ipv6: boolean;
  readonly pid: number;
  readonly cgroup: JoiningCgroup | null;
  /** Our ends: steps and descriptors go in; what it says comes out; ends when it does. */
  readonly channel: number;
  readonly status: number;
  readonly life: number;
  /** Set by who takes it up, and now closes and ends it. */
  taken: boolean;
  /** Ends what nobody took up (`takeCell`); afterwards it finds nothing left to end. */
  abandon(): Promise<void>;
}

/** Where the programs are that make a cell. */
export const toolPath = "/usr/sbin:/usr/bin:/sbin:/bin";

const [AF_UNIX, SOCK_STREAM, CLOEXEC] = [1, 1, 0o2000000];

/** The processor's name, of those that a cell can be made on. @throws Failure platform_unsupported */
export function architecture(): Architecture {
  const { arch } = process;
  if (arch === "x64" || arch === "arm64") return arch;
  throw new Failure("platform_unsupported", `there are no cells on this processor (${arch})`, {
    remedy: "Run it on x86_64 or arm64.",
  });
}

/** Starts a cell's namespaces and listeners. MUST be called on the main thread. */
export function beginCell(options: BeginOptions): BegunCell {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const asRoot = uid === 0;
  const user =
    options.user ??
    hostUser({ uid, gid, sudoUid: options.sudo?.uid, sudoGid: options.sudo?.gid, workspace: options.workspace });
  const ipv6 = existsSync("/proc/net/if_inet6");
  const without = options.unsafe_without ?? {};
  const steps = beginSteps({
    architecture: architecture(),
    parent: process.pid,
    user,
    asRoot,
    ipv6,
    network: {
      addresses: ipBatch(ipv6),
      rules: nftRules({ redirect: !without.redirect, filter: !without.filter }),
    },
    path: toolPath,
  });

  const open: number[] = [];
  const pair = (make: (ends: number[]) => number): [number, number] => {
    const ends = [0, 0];
    if (make(ends) !== 0) throw new Failure("sandbox_unavailable", "no descriptor is free for a cell");
    open.push(...ends);
    return ends as [number, number];
  };
  const c = native();
  let pid: number;
  const socketpair = () => pair((ends) => c.socketpair(AF_UNIX, SOCK_STREAM | CLOEXEC, 0, ends));
  const [ours, theirs]: [number[], number[]] = [[], []];
  try {
    const [[channel, itsChannel], [status, itsStatus], [life, itsLife]] = [
      socketpair(),
      socketpair(),
      pair((ends) => c.pipe2(ends, CLOEXEC)),
    ];
    ours.push(channel, status, life);
    theirs.push(itsChannel, itsStatus, itsLife);
    pid = spawnFirst(playerProgram(architecture(), steps), theirs);
  } catch (error) {
    for (const fd of open) closeSync(fd);
    throw error;
  }
  for (const fd of theirs) closeSync(fd);
  const [channel = -1, status = -1, life = -1] = ours;
  const cgroup = joinCgroup(pid);
  const begun: BegunCell = {
    options,
    user,
    asRoot,
    ipv6,
    pid,
    cgroup,
    channel,
    status,
    life,
    taken: false,
    async abandon() {
      if (begun.taken) return;
      begun.taken = true;
      process.kill(pid, "SIGKILL");
      fetchEnd(pid, true);
      for (const fd of ours) closeSync(fd);
      await cgroup?.close();
    },
  };
  return begun;
}
