// The first half of a cell: its process is started, and nothing is waited for. It comes up while the caller loads all else,
// so this file reaches no more of the program than that takes; process.ts does the rest.
// Rules: on the main thread only (PDEATHSIG follows the thread); no import that a start could do without.

import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, existsSync, fchownSync, openSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Failure } from "#core/failure.ts";
import { nativeAddon } from "./native.ts";
import { dnsDoorPort, ipBatch, nftRules, tcpDoorPort } from "./network.ts";
import { openStdio, type Stdio } from "./stdio.ts";
import { type HostUser, hostUser } from "./user.ts";

export interface BeginOptions {
  readonly user?: HostUser;
  /** Where the agent will work: decides who the cell is when root starts it and nobody is named. */
  readonly workspace: string;
  /** SUDO_UID and SUDO_GID of the caller's environment. */
  readonly sudo?: { readonly uid?: string | undefined; readonly gid?: string | undefined };
  /** A terminal of this size instead of three pipes. */
  readonly terminal?: { readonly columns: number; readonly rows: number };
  /** Layers to leave out, only for tests that show that the others hold alone. */
  readonly unsafe_without?: { readonly redirect?: boolean; readonly filter?: boolean; readonly seccomp?: boolean };
}

/** A cell's first process, on its way. What it says is kept until somebody listens. */
export interface BegunCell {
  readonly options: BeginOptions;
  readonly user: HostUser;
  readonly asRoot: boolean;
  readonly ipv6: boolean;
  readonly stdio: Stdio;
  readonly child: ChildProcess;
  /** The first process's end, or that it never was. */
  readonly ended: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Ends what nobody took up (`takeCell`); afterwards it finds nothing left to end. */
  abandon(): Promise<void>;
}

/** Where the programs are that make a cell. */
export const toolPath = "/usr/sbin:/usr/bin:/sbin:/bin";

// The network comes up beside Node's start; its tools' errors and its success go to the status descriptor.
const chain = `{ { printf %s "$1" | ip -batch - && printf %s "$2" | nft -f - && echo network-ready; } 2>&1 || echo network-failed; } </dev/null >&4 3>&- 5>&- 6>&- &
shift 2; exec /proc/self/fd/6 "$@"`;

/** Starts a cell's namespaces and listeners. MUST be called on the main thread. */
export function beginCell(options: BeginOptions): BegunCell {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const user =
    options.user ??
    hostUser({ uid, gid, sudoUid: options.sudo?.uid, sudoGid: options.sudo?.gid, workspace: options.workspace });
  const ipv6 = existsSync("/proc/net/if_inet6");
  const without = options.unsafe_without ?? {};
  const source = readFileSync(fileURLToPath(new URL("./cell-init.mjs", import.meta.url)), "utf8");

  const stdio = openStdio(options.terminal);
  // A program may open its own descriptors again, by /dev/stderr.
  try {
    if (uid === 0) for (const fd of stdio.ends) fchownSync(fd, user.uid, user.gid);
  } catch (cause) {
    stdio.handedOver();
    stdio.close();
    throw new Failure("sandbox_unavailable", `root here cannot give the cell another user (${user.uid})`, {
      remedy: "Run sallyport as an ordinary user, or where more ids than root's are mapped.",
      cause,
    });
  }
  const opened = [openSync(nativeAddon(), "r"), openSync(process.execPath, "r")];
  const close = () => {
    stdio.handedOver();
    for (const fd of opened) closeSync(fd);
  };
  let child: ChildProcess;
  try {
    child = spawn(
      "unshare",
      [
        "--user",
        "--map-root-user",
        "--net",
        "--mount",
        "--",
        "/bin/sh",
        "-c",
        chain,
        "sh",
        ipBatch(ipv6),
        nftRules({ redirect: !without.redirect, filter: !without.filter }),
        "--no-warnings",
        "--eval",
        source,
        String(tcpDoorPort),
        String(dnsDoorPort),
        ipv6 ? "6" : "4",
        String(process.pid),
      ],
      {
        stdio: [...stdio.ends, "ipc", "pipe", ...opened],
        env: { PATH: toolPath },
        cwd: "/",
        detached: true,
        ...(uid === 0 ? { uid: user.uid, gid: user.gid } : {}),
      },
    );
  } catch (cause) {
    close();
    stdio.close();
    throw new Failure("sandbox_unavailable", "the cell's first process could not be started", { cause });
  }
  close();
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
    child.once("error", () => resolve({ code: 125, signal: null }));
  });
  const abandon = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
    await ended;
    stdio.close();
  };
  return { options, user, asRoot: uid === 0, ipv6, stdio, child, ended, abandon };
}
