// What a cell needs of this machine, found by trying it: each step is made once, by the same tools and as the same
// user as a real cell, and its failure is explained from the settings that are known to forbid it.
// Rules: nothing is changed; everything that is started ends within its time; a finding never throws.

import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { describeLimits } from "./limits.ts";
import { native } from "./native.ts";
import { ipBatch, nftRules } from "./network.ts";
import { prepareCell } from "./process.ts";
import { hostUser } from "./user.ts";

export interface Finding {
  readonly id: string;
  /** False only for what a cell cannot start without. */
  readonly ok: boolean;
  readonly detail: string;
  /** One sentence that says what to do; null when nothing is wrong. */
  readonly remedy: string | null;
}

const toolPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const oldestKernel = [5, 15] as const;

/** All findings, in the order in which a cell needs them. Takes about a second. */
export async function probeKernel(): Promise<readonly Finding[]> {
  const [tools, userNamespaces, redirect, mounts, cell] = await Promise.all([
    probeTools(),
    probeUserNamespaces(),
    probeRedirect(),
    probeMounts(),
    probeCell(),
  ]);
  return [
    kernelFinding(release()),
    architectureFinding(process.arch),
    ...tools,
    userNamespaces,
    redirect,
    mounts,
    seccompFinding(),
    nativeFinding(),
    limitsFinding(),
    ipv6Finding(),
    cell,
  ];
}

export function kernelFinding(version: string): Finding {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  const ok = major > oldestKernel[0] || (major === oldestKernel[0] && minor >= oldestKernel[1]);
  const wsl1 = /-Microsoft$/.test(version);
  return {
    id: "kernel",
    ok,
    detail: `Linux ${version}`,
    remedy: ok
      ? null
      : wsl1
        ? "This is WSL1: convert it with wsl --set-version DISTRIBUTION 2."
        : "Update to Linux 5.15 or newer.",
  };
}

export function architectureFinding(arch: string): Finding {
  const ok = arch === "x64" || arch === "arm64";
  return { id: "architecture", ok, detail: arch, remedy: ok ? null : "Use a machine with x86_64 or arm64." };
}

const tools: readonly [id: string, command: string, args: readonly string[], debian: string][] = [
  ["bubblewrap", "bwrap", ["--version"], "bubblewrap"],
  ["nftables", "nft", ["--version"], "nftables"],
  ["iproute2", "ip", ["-Version"], "iproute2"],
  ["util-linux", "unshare", ["--version"], "util-linux"],
];

function probeTools(): Promise<Finding[]> {
  return Promise.all(
    tools.map(async ([id, command, args, debian]) => {
      const tried = await attempt(command, args);
      return {
        id,
        ok: tried.ok,
        detail: tried.ok ? (tried.said.split("\n")[0] ?? command) : `${command}: ${tried.said}`,
        remedy: tried.ok
          ? null
          : `Install ${command}: apt install ${debian} (dnf, pacman, apk: the package of the same name).`,
      };
    }),
  );
}

async function probeUserNamespaces(): Promise<Finding> {
  const tried = await attempt("unshare", ["--user", "--map-root-user", "--net", "--", "true"]);
  const detail = tried.ok ? "a user and a network namespace can be made" : `unshare: ${tried.said}`;
  return { id: "user_namespaces", ok: tried.ok, detail, remedy: tried.ok ? null : userNamespaceRemedy(readSetting) };
}

/** What forbids user namespaces here, by the settings that are known to; `setting` gives a file's text or null. */
export function userNamespaceRemedy(setting: (path: string) => string | null): string {
  if (setting("/proc/sys/user/max_user_namespaces") === "0") {
    return "User namespaces are limited to 0: sysctl -w user.max_user_namespaces=15000.";
  }
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") === "0") {
    return "This kernel forbids them to ordinary users: sysctl -w kernel.unprivileged_userns_clone=1.";
  }
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1") {
    return "Ubuntu's AppArmor forbids them to programs without a profile: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or give unshare and bwrap a profile that says userns.";
  }
  if (isContainer(setting)) {
    return "This is a container whose seccomp profile or capabilities forbid them: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined, or --privileged.";
  }
  return "Look for what forbids unshare(CLONE_NEWUSER): a sysctl, a security module, or a seccomp filter.";
}

function isContainer(setting: (path: string) => string | null): boolean {
  if (setting("/.dockerenv") !== null || setting("/run/.containerenv") !== null) return true;
  return /^Seccomp:\s*2$/m.test(setting("/proc/self/status") ?? "");
}

async function probeRedirect(): Promise<Finding> {
  const script = 'printf %s "$1" | ip -batch - && printf %s "$2" | nft -f -';
  const ipv6 = existsSync("/proc/net/if_inet6");
  const tried = await attempt("unshare", [
    "--user",
    "--map-root-user",
    "--net",
    "--",
    "sh",
    "-c",
    script,
    "sh",
    ipBatch(ipv6),
    nftRules(),
  ]);
  return {
    id: "redirect",
    ok: tried.ok,
    detail: tried.ok ? "every connection of a cell can be redirected to the boundary" : `nft: ${tried.said}`,
    remedy: tried.ok
      ? null
      : "The kernel needs nf_tables with nat: modprobe -a nf_tables nft_chain_nat nft_redir nft_reject_inet (a container cannot load them itself).",
  };
}

async function probeMounts(): Promise<Finding> {
  const view = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"];
  const tried = await attempt("unshare", [
    "--user",
    "--map-root-user",
    "--net",
    "--",
    "bwrap",
    "--unshare-user",
    "--unshare-pid",
    ...view,
    "--",
    "true",
  ]);
  return {
    id: "mounts",
    ok: tried.ok,
    detail: tried.ok ? "bubblewrap can build a cell's view of the files" : tried.said,
    remedy: tried.ok
      ? null
      : "A container that masks parts of /proc forbids a new one: start it with --security-opt systempaths=unconfined, or --privileged.",
  };
}

function seccompFinding(): Finding {
  const ok = (readSetting("/proc/sys/kernel/seccomp/actions_avail") ?? "").split(" ").includes("errno");
  return {
    id: "seccomp",
    ok,
    detail: ok ? "system calls can be filtered" : "the kernel has no seccomp filters",
    remedy: ok ? null : "Use a kernel with CONFIG_SECCOMP_FILTER.",
  };
}

function nativeFinding(): Finding {
  try {
    native();
    return { id: "koffi", ok: true, detail: "system calls can be made from Node.js", remedy: null };
  } catch (error) {
    const { message, remedy } = error as { message: string; remedy?: string | null };
    return { id: "koffi", ok: false, detail: message, remedy: remedy ?? "Install sallyport again on this machine." };
  }
}

/** By what the limits are held here; none of it can be missing, only weaker. */
function limitsFinding(): Finding {
  const detail = describeLimits()
    .map(({ limit, means }) => `${limit}: ${means}`)
    .join("; ");
  return { id: "limits", ok: true, detail, remedy: null };
}

function ipv6Finding(): Finding {
  const has = existsSync("/proc/net/if_inet6");
  return {
    id: "ipv6",
    ok: true,
    detail: has ? "cells have IPv4 and IPv6" : "cells have IPv4 only: this kernel has no IPv6",
    remedy: null,
  };
}

/** The proof: a cell's namespaces, network and doors come up, and go again. */
async function probeCell(): Promise<Finding> {
  try {
    const cell = prepareCell({ workspace: "/" });
    try {
      await cell.doors;
    } finally {
      await cell.abandon();
    }
    return { id: "cell", ok: true, detail: "a cell starts", remedy: null };
  } catch (error) {
    return {
      id: "cell",
      ok: false,
      detail: error instanceof Error ? error.message : String(error),
      remedy: "Follow the remedies above; if there are none, report this as a bug.",
    };
  }
}

/** Runs a tool as a cell's first process would run: as root never, with nothing of the caller's environment. */
function attempt(command: string, args: readonly string[]): Promise<{ ok: boolean; said: string }> {
  const uid = process.geteuid?.() ?? 0;
  const gid = process.getegid?.() ?? 0;
  const user = hostUser({ uid, gid, workspace: "/" });
  const options = {
    timeout: 10_000,
    cwd: "/",
    env: { PATH: toolPath },
    ...(uid === 0 ? { uid: user.uid, gid: user.gid } : {}),
  };
  return new Promise((resolve) => {
    execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ ok: true, said: stdout.trim() });
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      resolve({ ok: false, said: missing ? "not installed" : stderr.trim().split("\n").at(-1) || error.message });
    });
  });
}

function readSetting(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null; // the setting does not exist on this kernel
  }
}
