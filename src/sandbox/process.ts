// Tier `process`: a cell of Linux namespaces. `beginCell` (begin.ts) starts the namespaces and the doors' listeners, which
// come up while the caller loads its policy, log and proxy; `run` turns the waiting process into bubblewrap
// and that into the agent. One chain of execve, no fork: the supervisor's child is bubblewrap itself, which dies with it.
//   posix_spawn → player: setuid (as root), namespaces, sockets (cell-steps.ts) → bwrap ─clone→ pid 1 of the cell
//                                                                  pid 1 ─fork→ player: waits for `go` → agent
// Rules: start from the main thread (PDEATHSIG follows the thread); the agent is let go only when the network's status has
// come back good and the doors listen; what fails is a Failure, and leaves nothing behind.

import { closeSync, fchownSync } from "node:fs";
import { Socket } from "node:net";
import { constants } from "node:os";
import type { Readable, Writable } from "node:stream";
import { Failure } from "#core/failure.ts";
import type { Restored } from "./additions.ts";
import { type BeginOptions, type BegunCell, beginCell } from "./begin.ts";
import { type Doors, type OpenDoors, openDoors } from "./doors.ts";
import { openEnclosure } from "./enclosure.ts";
import { type End, fetchEnd } from "./first-process.ts";
import type { Guarded } from "./guard.ts";
import { guardAll } from "./guard-all.ts";
import { noteRun } from "./interrupted.ts";
import { defaultLimits, type Limits } from "./limits.ts";
import { watchMemory } from "./memory-watch.ts";
import { restoreWorkspace } from "./restore.ts";
import { readStatus } from "./status.ts";
import { openStdio, type Stdio } from "./stdio.ts";
import { signalBelow } from "./tree.ts";
import type { HostUser } from "./user.ts";
import type { View } from "./view.ts";

export type { Doors } from "./doors.ts";

interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
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
  /** Begins what `run` does with the same spec, up to the closed cell: nothing of the agent starts. `run` tells its failure. */
  prepare(spec: CellSpec): void;
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
export function prepareCell(options: BeginOptions & { readonly terminal?: TerminalSize }): PreparedCell {
  return takeCell(beginCell(options), options.terminal);
}

/** Takes up what `beginCell` started. Once. `terminal`: one of this size instead of three pipes. */
export function takeCell(begun: BegunCell, terminal?: TerminalSize): PreparedCell {
  const { user, pid, channel, ipv6, cgroup } = begun;
  begun.taken = true;
  const life = new Socket({ fd: begun.life, readable: true, writable: false });
  const status = readStatus(new Socket({ fd: begun.status }), life, pid);
  let outOfMemory = false;
  let endWatch = () => {};
  let opened: OpenDoors | null = null;
  let stdio: Stdio | null = null;
  let end: End | null = null;
  let started = false;
  const ended = endOf(pid, life).then((how): Exit => {
    end = how;
    return { ...how, outOfMemory };
  });
  const gone = ended.then(async (exit) => {
    endWatch();
    status.ending();
    await status.vanished();
    return exit;
  });

  const refused = (message: string) =>
    new Failure("sandbox_unavailable", message, {
      remedy: "See what this machine lacks: sallyport doctor",
    });
  const endedEarly = ended.then(({ code, signal }): never => {
    const name = Object.entries(constants.errno).find(([, value]) => value === code)?.[0];
    const why = status.words() || `it ended at once (${signal ?? code})`;
    throw refused(`the cell's namespaces could not be made: ${why}${name === undefined ? "" : `: ${name}`}`);
  });
  endedEarly.catch(() => {}); // told by whoever waits for the doors
  const sent = Promise.race([status.doorsSent, endedEarly]);
  const doors = sent.then(async (): Promise<Doors> => {
    const failed = await Promise.race([status.network, status.tooLate, endedEarly]);
    if (failed !== null) throw refused(`the cell's network could not be made: ${failed}`);
    opened = openDoors(channel, ipv6);
    return opened;
  });
  doors.catch(() => void kill());

  const kill = async () => {
    status.ending();
    if (end === null) process.kill(pid, "SIGKILL");
    await gone;
  };
  let abandoned: Promise<void> | null = null;
  const abandon = () => {
    abandoned ??= endAll();
    return abandoned;
  };
  const endAll = async () => {
    await kill();
    stdio?.close();
    opened?.close();
    closeSync(channel);
    await cgroup?.close();
  };

  const enclose = async (spec: CellSpec): Promise<Enclosed> => {
    await sent;
    const limits = { ...defaultLimits, ...spec.limits };
    const group = (await cgroup?.limit(limits)) ?? null;
    const ends = openAgentsEnds(terminal, begun);
    stdio = ends;
    const guarded = guardAll(spec.view);
    const forget = noteRun(spec.view.note, pid, guarded, spec.view.scratch);
    try {
      const holdsMemory = group !== null;
      const enclosure = openEnclosure({ begun, spec, limits, guarded, terminal: terminal !== undefined, holdsMemory });
      try {
        enclosure.send(ends.ends);
      } finally {
        enclosure.close();
        ends.handedOver();
      }
      return { limits, holdsMemory, ends, guarded, forget };
    } catch (error) {
      await kill();
      forget();
      throw error;
    }
  };
  let enclosing: { readonly spec: CellSpec; readonly enclosed: Promise<Enclosed> } | null = null;
  const prepare = (spec: CellSpec): Promise<Enclosed> => {
    if (enclosing !== null && enclosing.spec !== spec) throw new Error("a cell is enclosed once");
    enclosing ??= { spec, enclosed: enclose(spec) };
    enclosing.enclosed.catch(() => {}); // told by `run`
    return enclosing.enclosed;
  };

  const run = async (spec: CellSpec, beforeAgent: (doors: Doors) => void = () => {}): Promise<RunningCell> => {
    const { limits, holdsMemory, ends, guarded, forget } = await prepare(spec);
    try {
      beforeAgent(await doors);
      const failed = await Promise.race([
        status.cellReady.then(() => null),
        status.tooLate.then((words) => failure(words, null)),
        ended.then(({ code, signal }) => failure(status.words(), ends.stderr, `it ended at once (${signal ?? code})`)),
      ]);
      if (failed !== null) throw failed;
      // Not before: until the cell is closed its first process still sees the host's /proc.
      if (!holdsMemory)
        endWatch = watchMemory(
          () => status.firstProcess,
          limits.memory,
          () => {
            outOfMemory = true;
            if (end === null) process.kill(pid, "SIGKILL");
          },
        );
      started = true;
      status.go();
    } catch (error) {
      await kill();
      forget();
      throw error;
    }
    return {
      pid,
      stdin: ends.stdin,
      stdout: ends.stdout,
      stderr: ends.stderr,
      exited: gone,
      signal: status.signalAgent,
      signalAll: (signal) => {
        if (status.firstProcess !== null && end === null) signalBelow(status.firstProcess, signal);
      },
      kill,
      resize: ends.resize,
      suspendCharacter: ends.suspendCharacter,
      isAlone: ends.isAlone,
      isStopped: status.isStopped,
      takesLines: ends.takesLines,
      endInput: ends.endInput,
      restore: () => {
        try {
          return restoreWorkspace(guarded, spec.view.scratch);
        } finally {
          forget();
        }
      },
    };
  };
  return {
    user,
    doors,
    prepare: (spec) => void prepare(spec),
    run,
    async abandon() {
      const enclosed = await enclosing?.enclosed.catch(() => null);
      await abandon();
      if (!started) enclosed?.forget();
    },
  };
}

interface Enclosed {
  readonly limits: Limits;
  /** A control group holds the memory of the whole cell. */
  readonly holdsMemory: boolean;
  readonly ends: Stdio;
  readonly guarded: readonly Guarded[];
  /** Takes the run's note away. */
  readonly forget: () => void;
}

/** The end of a process that alone holds the other end of `life`. */
function endOf(pid: number, life: Socket): Promise<End> {
  return new Promise((resolve) => {
    // The kernel closes descriptors a moment before there is a status to fetch.
    const fetch = () => {
      const end = fetchEnd(pid);
      if (end === null) setTimeout(fetch, 1);
      else resolve(end);
    };
    life.on("error", () => life.destroy());
    life.on("close", fetch);
  });
}

/** A program may open its own descriptors again, by /dev/stderr: as root they are given to the cell's user. */
function openAgentsEnds(terminal: TerminalSize | undefined, { asRoot, user }: BegunCell): Stdio {
  const stdio = openStdio(terminal);
  try {
    if (asRoot) for (const fd of stdio.ends) fchownSync(fd, user.uid, user.gid);
  } catch (cause) {
    stdio.handedOver();
    stdio.close();
    throw new Failure("sandbox_unavailable", `root here cannot give the cell another user (${user.uid})`, {
      remedy: "Run sallyport as an ordinary user, or where more ids than root's are mapped.",
      cause,
    });
  }
  return stdio;
}

/** What ended before the agent began; bubblewrap says it on what would have been the agent's error output. */
async function failure(said: string, stderr: Readable | null, otherwise = ""): Promise<Failure> {
  let words = said;
  if (stderr !== null) for await (const chunk of stderr) if (words.length < 4096) words += String(chunk);
  return new Failure("sandbox_failed", `the cell could not be started: ${words.trim() || otherwise}`, {
    remedy: "See what is missing: sallyport doctor",
  });
}
