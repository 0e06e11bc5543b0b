// From what a run wants of its cell to what the waiting first process is sent: bubblewrap's arguments, the files it reads, the
// mounts it cannot make itself, the limits, and the program that stands in front of the agent. All of it is decided here; the
// steps only perform it.

import { closeSync, existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Failure } from "#core/failure.ts";
import { architecture, type BegunCell, toolPath } from "./begin.ts";
import { agentSteps, announced, encloseSteps, fileFd, inMessages, lifeFd } from "./cell-steps.ts";
import { sendMessage } from "./descriptors.ts";
import { memoryFile } from "./first-process.ts";
import type { Guarded } from "./guard.ts";
import { type Limits, rlimits } from "./limits.ts";
import type { CellSpec } from "./process.ts";
import { findProgram } from "./program.ts";
import { seccompFilter } from "./seccomp/filter.ts";
import { openStaging } from "./staging.ts";
import { playerProgram } from "./steps/player.ts";
import { viewArguments } from "./view.ts";

export interface EnclosureQuestion {
  readonly begun: BegunCell;
  readonly spec: CellSpec;
  readonly limits: Limits;
  readonly guarded: readonly Guarded[];
  readonly terminal: boolean;
  /** A control group holds the memory of the whole cell. */
  readonly holdsMemory: boolean;
}

export interface Enclosure {
  /** Sends everything to the first process, the agent's three ends among it. @throws Failure sandbox_failed */
  send(ends: readonly number[]): void;
  close(): void;
}

/** @throws Failure sandbox_unavailable, sandbox_failed, program_not_found, program_not_executable, workspace_refused */
export function openEnclosure({ begun, spec, limits, guarded, terminal, holdsMemory }: EnclosureQuestion): Enclosure {
  const bwrap = findProgram("bwrap", toolPath);
  if (bwrap === null)
    throw new Failure("sandbox_unavailable", "bubblewrap (bwrap) is not installed", {
      remedy: "Install bubblewrap; `sallyport doctor --fix` does.",
    });
  const { user, asRoot, channel } = begun;
  const nested = spec.nestedSandbox ?? false;
  const staging = openStaging({ pid: begun.pid, asRoot, user });
  const files: number[] = [];
  const close = () => {
    staging.close();
    for (const fd of files.splice(0)) closeSync(fd);
  };
  try {
    const { command, cwd } = spec;
    const path = spec.env.PATH ?? toolPath;
    const view = viewArguments({ view: spec.view, command, cwd, path, user, limits, guarded, staging });
    const foreign = [spec.view.workspace, spec.view.home.folder].find((path) => staging.foreign.includes(path));
    if (foreign !== undefined)
      throw new Failure("workspace_refused", "it belongs to root, and cannot be shown as the cell's user's here", {
        place: foreign,
        remedy: "Run sallyport as an ordinary user, in folders of that user; in a container see: sallyport doctor",
      });
    if (view.program === null) throw noProgram(command[0] ?? "", cwd);
    const filter = seccompFilter({
      architecture: architecture(),
      level: spec.level ?? "standard",
      nestedSandbox: nested,
      guardSetId: asRoot,
    });
    const agent = agentSteps({
      architecture: architecture(),
      data: holdsMemory ? null : limits.memory,
      terminal,
      command,
      program: resolve(cwd, view.program),
      env: { ...spec.env, PWD: cwd },
    });
    for (const bytes of view.data) files.push(memoryFile(bytes));
    const file = (bytes: Buffer) => {
      files.push(memoryFile(bytes));
      return fileFd(staging.fds.length, files.length - 1);
    };
    const filterFd = file(filter);
    const agentFd = file(playerProgram(architecture(), agent));
    const seccomp = begun.options.unsafe_without?.seccomp ? [] : ["--seccomp", filterFd];
    const fixed = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"];
    const identity = ["--uid", user.uid, "--gid", user.gid, "--hostname", "cell", "--cap-drop", "ALL"];
    const shown = view.args.map((arg) => (typeof arg === "number" ? fileFd(staging.fds.length, arg) : arg));
    const args = [
      ...fixed,
      ...identity,
      "--die-with-parent",
      "--json-status-fd",
      lifeFd,
      ...shown,
      "--chdir",
      cwd,
      ...seccomp,
    ];
    const argsFd = file(Buffer.from(args.map((arg) => `${arg}\0`).join("")));
    const steps = encloseSteps({
      architecture: architecture(),
      mounts: staging.mounts,
      sent: { mounts: staging.fds.length, files: files.length },
      limits: rlimits(limits, hardOpenFiles()),
      // bubblewrap makes two user namespaces (one to mount devpts, one for the agent); none is left for the agent.
      sysctls: nested ? [] : [{ path: "/proc/sys/user/max_user_namespaces", text: "2" }],
      bwrap,
      args: ["--args", String(argsFd), "--", `/proc/self/fd/${agentFd}`],
    });
    return {
      send(ends) {
        const messages = inMessages([...ends, ...staging.fds, ...files]);
        const done =
          sendMessage(channel, announced(steps)) &&
          messages.every((fds) => sendMessage(channel, Buffer.from("d"), fds));
        if (!done) throw new Failure("sandbox_failed", "the cell ended before it was told what to run");
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
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
