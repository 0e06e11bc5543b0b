// Tier `process`: a cell of Linux namespaces. `beginCell` (begin.ts) starts the namespaces and the doors' listeners, which
// come up while the caller loads its policy, log and proxy; `run` turns the waiting process into bubblewrap
// and that into the agent. One chain of execve, no fork: the supervisor's child is bubblewrap itself, which dies with it.
//   setuid (as root) → unshare → sh → node cell-init → bwrap ─clone→ pid 1 of the cell → agent
// Rules: spawn from the main thread (PDEATHSIG follows the thread); nothing runs in the cell before the network's
// status has come back good and every door has arrived; what fails is a Failure, and leaves nothing behind.

import type { Socket as DatagramSocket } from "node:dgram";
import { existsSync, readFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { resolve } from "node:path";
import type { Readable, Writable } from "node:stream";
import { Failure } from "#core/failure.ts";
import { type BeginOptions, type BegunCell, beginCell, toolPath } from "./begin.ts";
import { type Cgroup, openCgroup } from "./cgroup.ts";
import { guardAll } from "./guard-all.ts";
import { noteRun } from "./interrupted.ts";
import { defaultLimits, type Limits, rlimits } from "./limits.ts";
import { watchMemory } from "./memory-watch.ts";
import { findProgram } from "./program.ts";
import { restoreWorkspace } from "./restore.ts";
import { seccompFilter } from "./seccomp/filter.ts";
import { openStaging } from "./staging.ts";
import { handshake, readStatus, type Status } from "./status.ts";
import { signalBelow } from "./tree.ts";
import type { HostUser } from "./user.ts";
import { type View, viewArguments } from "./view.ts";
import type { Restored } from "./workspace.ts";

/** The ways into the boundary: connections of the cell arrive here in the host's namespace. */
export interface Doors {
  /** Every TCP connection of the cell but DNS. Sockets come paused and half-open-capable; ask `originalDestination`. */
  readonly tcp: Server;
  readonly dns: Server;
  /** Queries of both families; a reply goes out on the socket that the query came in on. */
  readonly udp: readonly DatagramSocket[];
}

export interface CellSpec {
  /** Name or path, and arguments. A name is looked up in `env.PATH`. */
  readonly command: readonly string[];
  readonly cwd: string;
  /** The whole environment of the agent; see `cellEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  readonly view: View;
  readonly limits?: Partial<Limits>;
  readonly level?: "standard" | "strict";
  /** False (the default): no user namespace can be made in the cell. */
  readonly nestedSandbox?: boolean;
}

export interface Exit {
  /** Ended because it held more memory than allowed, where no control group could refuse it. */
  readonly outOfMemory: boolean;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface RunningCell {
  /** The host's id of a process in the cell's user and network namespaces, which is sallyport's own child. */
  readonly pid: number;
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** The agent's end; everything it left running is gone by then. bubblewrap reports a signal n as code 128 + n. */
  readonly exited: Promise<Exit>;
  /** Sends a signal to the agent's process group; after the end it does nothing. */
  signal(signal: NodeJS.Signals): void;
  /** Sends a signal to every process of the cell, daemons among them; after the end it does nothing. */
  signalAll(signal: NodeJS.Signals): void;
  /** Ends every process of the cell at once; resolves when none is left. */
  kill(): Promise<void>;
  /** Does nothing without a terminal. */
  resize(columns: number, rows: number): void;
  /** The character that should stop the agent and that nobody in the cell answers (see `attachTerminal`); else null. */
  suspendCharacter(): number | null;
  /** The agent itself has its terminal, and no shell in the cell would answer a stop. */
  isAlone(): boolean;
  /** True while the agent has stopped itself (or was stopped by us). */
  isStopped(): boolean;
  /** The agent's terminal takes whole lines: nothing that draws has it. False without a terminal. */
  takesLines(): boolean;
  /** The agent's input has ended: closes its pipe, or types the end of input. */
  endInput(): void;
  /** Once, after the end: puts the workspace right, and says what. */
  restore(): readonly Restored[];
}

export interface PreparedCell {
  readonly user: HostUser;
  /** Rejects with Failure sandbox_unavailable when this machine cannot give the namespaces or the rules. */
  readonly doors: Promise<Doors>;
  /**
   * Once; may be called before the doors are there, so that what it works out overlaps with their coming up. `beforeAgent` is
   * called with them when the cell is closed, and returns before anything of the agent starts.
   * Throws what `doors` rejects with, and Failure sandbox_failed, program_not_found, program_not_executable, workspace_refused.
   */
  run(spec: CellSpec, beforeAgent?: (doors: Doors) => void): Promise<RunningCell>;
  /** Ends a cell that is not wanted; resolves when nothing is left. After `run`, the same as `kill`. */
  abandon(): Promise<void>;
}

/** Starts a cell's namespaces and listeners. MUST be called on the main thread. */
export function prepareCell(options: BeginOptions): PreparedCell {
  return takeCell(beginCell(options));
}

/** Takes up what `beginCell` started. Once. */
export function takeCell({ options, user, asRoot, ipv6, stdio, child, ended: end }: BegunCell): PreparedCell {
  const without = options.unsafe_without ?? {};
  const status: Status = readStatus(child.stdio[4] as Socket, child.pid ?? 0);
  let outOfMemory = false;
  let cgroup: Cgroup | null = null;
  let endWatch = () => {};
  const ended = end.then((how): Exit => ({ ...how, outOfMemory }));
  const gone = ended.then(async (exit) => {
    endWatch();
    status.ending();
    await status.vanished();
    await cgroup?.close();
    return exit;
  });

  let said: string | null = null;
  const received: { tcp?: Server; dns?: Server; udp4?: DatagramSocket; udp6?: DatagramSocket } = {};
  const doors = new Promise<Doors>((resolve, reject) => {
    let initReady = false;
    const refuse = (message: string) =>
      reject(
        new Failure("sandbox_unavailable", message, {
          remedy: "See what this machine lacks: sallyport doctor",
        }),
      );
    const complete = () => {
      const { tcp, dns, udp4, udp6 } = received;
      if (!initReady || !status.networkReady || tcp === undefined || dns === undefined || udp4 === undefined) return;
      if (ipv6 && udp6 === undefined) return;
      resolve({ tcp, dns, udp: udp6 === undefined ? [udp4] : [udp4, udp6] });
    };
    child.on("message", (message: { kind: string; message?: string }, handle) => {
      if (message.kind === "ready") initReady = true;
      else if (message.kind === "failed") {
        said = message.message ?? "";
        return refuse(`the cell could not be set up: ${said}`);
      } else Object.assign(received, { [message.kind]: handle });
      if (message.kind === "tcp" || message.kind === "dns")
        Object.assign(handle as Server, { pauseOnConnect: true, allowHalfOpen: true });
      complete();
    });
    status.onNetwork((failed) =>
      failed === null ? complete() : refuse(`the cell's network could not be made: ${failed}`),
    );
    void ended.then(() => refuse(`the cell's namespaces could not be made: ${status.words() || "unshare failed"}`));
  });
  doors.catch(() => void kill());

  let abandoned: Promise<void> | null = null;
  const abandon = () => {
    abandoned ??= endAll();
    return abandoned;
  };
  const endAll = async () => {
    await kill();
    stdio.close();
    for (const server of [received.tcp, received.dns]) server?.close();
    for (const socket of [received.udp4, received.udp6]) socket?.close();
  };
  const kill = async () => {
    status.ending();
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await gone;
  };

  const run = async (spec: CellSpec, beforeAgent: (doors: Doors) => void = () => {}): Promise<RunningCell> => {
    // Root's mounts are mapped to the ids of the cell's user namespace, which is there when the doors are.
    if (asRoot) await doors;
    const limits = { ...defaultLimits, ...spec.limits };
    const bwrap = findProgram("bwrap", toolPath);
    if (bwrap === null)
      throw new Failure("sandbox_unavailable", "bubblewrap (bwrap) is not installed", {
        remedy: "Install bubblewrap; `sallyport doctor --fix` does.",
      });
    const nested = spec.nestedSandbox ?? false;
    const guarded = guardAll(spec.view);
    const forget = noteRun(spec.view.note, child.pid ?? 0, guarded, spec.view.scratch);
    const staging = openStaging({ pid: child.pid ?? 0, asRoot, user });
    try {
      // The agent leads a session of its own (with the terminal, where there is one: job control, and Ctrl-C for it alone).
      // Not bubblewrap's --new-session: the cell's first process must stay in the group that dies with the supervisor.
      const setsid = findProgram("setsid", toolPath);
      if (setsid === null)
        throw new Failure("sandbox_unavailable", "setsid is not installed", {
          remedy: "Install util-linux; `sallyport doctor --fix` does.",
        });
      const launcher = [setsid, ...(options.terminal === undefined ? [] : ["-c"])];
      const path = spec.env.PATH ?? toolPath;
      const view = viewArguments({
        view: spec.view,
        command: spec.command,
        cwd: spec.cwd,
        path,
        user,
        limits,
        guarded,
        staging,
      });
      const foreign = [spec.view.workspace, spec.view.home.folder].find((path) => staging.foreign.includes(path));
      if (foreign !== undefined)
        throw new Failure("workspace_refused", "it belongs to root, and cannot be shown as the cell's user's here", {
          place: foreign,
          remedy: "Run sallyport as an ordinary user, in folders of that user; in a container see: sallyport doctor",
        });
      if (view.program === null) throw noProgram(spec.command[0] ?? "", spec.cwd);
      const filter = seccompFilter({
        architecture: process.arch as "x64" | "arm64",
        level: spec.level ?? "standard",
        nestedSandbox: nested,
        guardSetId: asRoot,
      });
      const args = [
        "--unshare-user",
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--uid",
        String(user.uid),
        "--gid",
        String(user.gid),
        "--hostname",
        "cell",
        "--cap-drop",
        "ALL",
        "--die-with-parent",
        ...view.args,
        "--chdir",
        spec.cwd,
        ...(without.seccomp ? [] : ["--seccomp", view.data.length]),
      ];
      beforeAgent(await doors);
      cgroup = openCgroup(child.pid ?? 0, limits);
      if (cgroup === null)
        endWatch = watchMemory(
          () => status.firstProcess,
          limits.memory,
          () => {
            outOfMemory = true;
            child.kill("SIGKILL");
          },
        );
      child.send({
        bwrap,
        mounts: staging.mounts,
        args,
        data: [...view.data, filter.toString("base64")],
        command: [...handshake(cgroup === null ? limits.memory : null), ...launcher, ...spec.command],
        env: spec.env,
        limits: rlimits(limits, hardOpenFiles()),
        // bubblewrap makes two user namespaces (one to mount devpts, one for the agent); none is left for the agent.
        sysctls: nested ? [] : [{ path: "/proc/sys/user/max_user_namespaces", text: "2" }],
      });
      staging.send((child.stdio[4] as unknown as { _handle: { fd: number } })._handle.fd);
      const failed = await Promise.race([
        status.agentStarted.then(() => null),
        ended.then(() => failure(said ?? "", stdio.stderr)),
      ]);
      if (failed !== null) throw await failed;
    } catch (error) {
      await kill();
      forget();
      throw error;
    } finally {
      staging.close();
    }
    return {
      pid: child.pid ?? 0,
      stdin: stdio.stdin,
      stdout: stdio.stdout,
      stderr: stdio.stderr,
      exited: gone,
      signal: status.signalAgent,
      signalAll: (signal) => {
        if (status.firstProcess !== null) signalBelow(status.firstProcess, signal);
      },
      kill,
      resize: stdio.resize,
      suspendCharacter: stdio.suspendCharacter,
      isAlone: stdio.isAlone,
      isStopped: status.isStopped,
      takesLines: stdio.takesLines,
      endInput: stdio.endInput,
      restore: () => {
        try {
          return restoreWorkspace(guarded, spec.view.scratch);
        } finally {
          forget();
        }
      },
    };
  };
  return { user, doors, run, abandon };
}

/** What ended before the agent began; bubblewrap says it on what would have been the agent's error output. */
async function failure(said: string, stderr: Readable): Promise<Failure> {
  let words = said;
  for await (const chunk of stderr) if (words.length < 4096) words += String(chunk);
  return new Failure("sandbox_failed", `the cell could not be started: ${words.trim() || "it ended at once"}`, {
    remedy: "See what is missing: sallyport doctor",
  });
}

/** A path that leads to something which cannot be executed is another failure than one that leads nowhere. */
function noProgram(name: string, cwd: string): Failure {
  if (name.includes("/") && existsSync(resolve(cwd, name)))
    return new Failure("program_not_executable", "it is not an executable file", {
      place: name,
      remedy: "Make it executable (chmod +x), or name its interpreter.",
    });
  return new Failure("program_not_found", "there is no such program in the cell's PATH", {
    place: name,
    remedy: "Give its path, or put its folder into PATH; folders of the home are shown only if PATH names them.",
  });
}

function hardOpenFiles(): number {
  const line = /^Max open files\s+\S+\s+(\S+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  const hard = Number(line?.[1]);
  return Number.isFinite(hard) ? hard : 1_048_576;
}
