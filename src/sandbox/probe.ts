// What a cell needs of this machine, found by trying it: each step is made once, by the same tools and as the same
// user as a real cell, and its failure is explained from the settings that are known to forbid it.
// Rules: nothing is changed; everything that is started ends within its time; a finding never throws.

import { execFile } from "node:child_process";
import { chownSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync } from "node:fs";
import { release, tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree } from "#lib/file-tree.ts";
import { describeLimits } from "./limits.ts";
import { native } from "./native.ts";
import { ipBatch, nftRules } from "./network.ts";
import {
  containerRemedy,
  findSurroundings,
  type Lack,
  readLacks,
  type Surroundings,
  surroundingsText,
} from "./surroundings.ts";
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

export interface ProbeOptions {
  /** The program and its first arguments, to which `run …` is added: the proof is a run like any other. */
  readonly self: readonly string[];
  /** The caller's environment. */
  readonly env: { readonly [name: string]: string | undefined };
}

/** All findings, in the order in which a cell needs them. Takes about a second. */
export async function probeKernel({ self, env }: ProbeOptions): Promise<readonly Finding[]> {
  const where = findSurroundings({ setting: readSetting, env, link: readLink });
  const [tools, userNamespaces, redirect, mounts, cell] = await Promise.all([
    probeTools(),
    probeUserNamespaces(where),
    probeRedirect(where),
    probeMounts(where),
    probeCell(self, env, where),
  ]);
  // Both are tried in a user namespace: without one, their errors would say nothing of themselves.
  const untried = (finding: Finding): Finding =>
    userNamespaces.ok ? finding : { ...finding, detail: "cannot be tried without a user namespace", remedy: null };
  return [
    kernelFinding(release()),
    architectureFinding(process.arch),
    { id: "surroundings", ok: true, detail: surroundingsText(where), remedy: null },
    ...tools,
    userNamespaces,
    untried(redirect),
    untried(mounts),
    seccompFinding(),
    nativeFinding(),
    limitsFinding(),
    ipv6Finding(),
    cell,
  ];
}

/** True where the kernel's settings are not this system's to change. */
export function isContainer(env: ProbeOptions["env"]): boolean {
  return findSurroundings({ setting: readSetting, env, link: readLink }).engine !== null;
}

/** What a new process of ours finds: `self` is a command line that prints the findings as JSON. */
export async function probeAgain(self: readonly string[], env: ProbeOptions["env"]): Promise<readonly Finding[]> {
  const [command = "", ...args] = self;
  const { stdout } = await execute(command, args, { cwd: "/", timeout: 60_000, env });
  return (JSON.parse(stdout) as { findings: readonly Finding[] }).findings;
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
        remedy: tried.ok ? null : `Install ${debian}: sallyport doctor --fix does, with this system's package manager.`,
      };
    }),
  );
}

async function probeUserNamespaces(where: Surroundings): Promise<Finding> {
  const tried = await attempt("unshare", ["--user", "--map-root-user", "--net", "--", "true"]);
  const detail = tried.ok ? "a user and a network namespace can be made" : `unshare: ${tried.said}`;
  const remedy = tried.ok ? null : userNamespaceRemedy(readSetting, where);
  return { id: "user_namespaces", ok: tried.ok, detail, remedy };
}

/** What forbids user namespaces here, by the settings that are known to; `setting` gives a file's text or null. */
export function userNamespaceRemedy(setting: (path: string) => string | null, where: Surroundings): string {
  const fix = "sallyport doctor --fix";
  const outside = where.engine === null ? "" : " on the machine that the container runs on";
  if (setting("/proc/sys/user/max_user_namespaces") === "0")
    return `User namespaces are limited to 0${outside}: ${fix} sets user.max_user_namespaces=15000.`;
  if (setting("/proc/sys/kernel/unprivileged_userns_clone") === "0")
    return `This kernel forbids them to ordinary users${outside}: ${fix} sets kernel.unprivileged_userns_clone=1.`;
  if (where.engine !== null) return containerRemedy(where, ["system_calls", ...readLacks(setting)]);
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1")
    return `AppArmor keeps them from programs without a profile: ${fix} gives sallyport's launcher one.`;
  if (/^Seccomp:\s*2$/m.test(setting("/proc/self/status") ?? ""))
    return "What started this shell filters its system calls: let clone, unshare, mount, umount2, pivot_root and sethostname through.";
  return "Look for what forbids unshare(CLONE_NEWUSER): a sysctl, a security module, or a seccomp filter.";
}

async function probeRedirect(where: Surroundings): Promise<Finding> {
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
    remedy: tried.ok ? null : redirectRemedy(readSetting, where),
  };
}

export function redirectRemedy(setting: (path: string) => string | null, where: Surroundings): string {
  if (where.engine !== null)
    return "The kernel needs nf_tables with nat: on the machine that the container runs on, modprobe -a nf_tables nft_chain_nat nft_redir nft_reject_inet.";
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") === "1")
    return "AppArmor may take the capabilities of programs without a profile: sallyport doctor --fix gives sallyport's launcher one.";
  return "The kernel needs nf_tables with nat: sallyport doctor --fix loads it.";
}

async function probeMounts(where: Surroundings): Promise<Finding> {
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
  const detail = tried.ok ? "bubblewrap can build a cell's view of the files" : tried.said;
  return { id: "mounts", ok: tried.ok, detail, remedy: tried.ok ? null : mountsRemedy(readSetting, where) };
}

export function mountsRemedy(setting: (path: string) => string | null, where: Surroundings): string {
  const lacks = readLacks(setting);
  if (where.engine !== null) return containerRemedy(where, lacks.includes("proc") ? lacks : ["system_calls", ...lacks]);
  if (lacks.includes("proc"))
    return "Parts of /proc are covered by other mounts, so no new one can be made: umount them.";
  return "Follow the remedies above; if there are none, look for a security module or a seccomp filter that forbids mounts.";
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

/** The proof: a run of `true`, in a workspace and a home of its own. */
async function probeCell(self: readonly string[], env: ProbeOptions["env"], where: Surroundings): Promise<Finding> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-doctor-"));
  const workspace = join(folder, "workspace");
  mkdirSync(workspace);
  // Who says sudo wants to know it of themselves.
  const sudo = process.geteuid?.() === 0 ? Number(env.SUDO_UID ?? 0) : 0;
  const user = sudo > 0 ? { uid: sudo, gid: Number(env.SUDO_GID ?? sudo) } : {};
  try {
    if (user.uid !== undefined) for (const path of [folder, workspace]) chownSync(path, user.uid, user.gid);
    const [command = "", ...before] = self;
    const args = [...before, "run", "--quiet", "--json", "--allow", "doctor.invalid", "--", "true"];
    const { ok, said } = await execute(command, args, {
      cwd: workspace,
      timeout: 20_000,
      env: {
        PATH: toolPath,
        HOME: folder,
        SALLYPORT_HOME: join(folder, "home"),
      },
      ...user,
    });
    if (ok) return { id: "cell", ok: true, detail: "a cell starts", remedy: null };
    const { message, remedy } = firstFailure(said);
    const rootOnly = /belongs? to root|workspace_refused/.test(said);
    const lacks: readonly Lack[] = rootOnly ? ["root_files", ...readLacks(readSetting)] : readLacks(readSetting);
    if (where.engine !== null && rootOnly)
      return { id: "cell", ok: false, detail: message, remedy: containerRemedy(where, lacks) };
    return { id: "cell", ok: false, detail: message, remedy };
  } finally {
    removeTree(folder);
  }
}

/** The failure of `run --json`, which is a line among others. */
function firstFailure(said: string): { message: string; remedy: string } {
  const follow = "Follow the remedies above; if there are none, report this as a bug.";
  for (const line of said.split("\n")) {
    try {
      const { error } = JSON.parse(line) as { error?: { message: string; remedy: string | null; code: string } };
      if (error !== undefined)
        return {
          message: error.message,
          remedy: error.code.startsWith("sandbox_") ? follow : (error.remedy ?? follow),
        };
    } catch {
      // what the program's own loader says is no JSON
    }
  }
  return { message: said.split("\n").at(-1) || "the run ended without a word", remedy: follow };
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
  return execute(command, args, options).then(({ ok, said }) => ({
    ok,
    said: ok ? said : (said.split("\n").at(-1) ?? ""),
  }));
}

/** `said`: its output when it worked, else its errors. */
function execute(
  command: string,
  args: readonly string[],
  options: { cwd: string; timeout: number; env: NodeJS.ProcessEnv; uid?: number; gid?: number },
): Promise<{ ok: boolean; said: string; stdout: string }> {
  return new Promise((resolve) => {
    execFile(command, [...args], options, (error, stdout, stderr) => {
      if (error === null) return resolve({ ok: true, said: stdout.trim(), stdout });
      const missing = (error as NodeJS.ErrnoException).code === "ENOENT";
      resolve({ ok: false, said: missing ? "not installed" : stderr.trim() || error.message, stdout });
    });
  });
}

function readLink(path: string): string | null {
  try {
    return readlinkSync(path);
  } catch {
    return null; // this kernel has no such namespace
  }
}

function readSetting(path: string): string | null {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return null; // the setting does not exist on this kernel
  }
}
