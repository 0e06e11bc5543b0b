// A container as Docker makes it, without Docker: crun, an OCI runtime like Docker's own, is given what Docker gives it by
// default. The machine's own programs are its files, read-only. AppArmor's part is not here: it is the host's, and few
// test machines have it.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = dirname(dirname(import.meta.dirname));

export interface ContainerOptions {
  /** Who is in it; `root` has Docker's default capabilities, and those of `add`. */
  readonly user: "root" | "ordinary";
  /** What was switched off, as `--security-opt` does. */
  readonly unconfined?: readonly ("seccomp" | "systempaths")[];
  readonly add?: readonly string[];
  /** System calls that a profile of one's own lets through besides Docker's. */
  readonly allow?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** Docker's default capabilities. */
const capabilities = [
  ...["CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"],
  ...["NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"],
].map((name) => `CAP_${name}`);

/** What Docker's default profile lets through only to who has CAP_SYS_ADMIN; `pivot_root` to nobody. */
const administrators = [
  ...["bpf", "fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "lookup_dcookie", "mount", "mount_setattr"],
  ...["move_mount", "open_tree", "perf_event_open", "quotactl", "quotactl_fd", "setdomainname", "sethostname", "setns"],
  ...["syslog", "umount", "umount2", "unshare"],
];
const newNamespaces = 0x7e020000;

function seccomp({ add = [], allow = [] }: ContainerOptions): object {
  const admin = add.includes("CAP_SYS_ADMIN");
  const refused = [...(admin ? [] : administrators), "pivot_root", "keyctl", "add_key", "request_key", "userfaultfd"];
  const rule = (names: readonly string[], more: object = {}) => ({
    names,
    action: "SCMP_ACT_ERRNO",
    errnoRet: 1,
    ...more,
  });
  const clone = { args: [{ index: 0, value: newNamespaces, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }] };
  // A call is refused where any of these bits is set, so each has a rule.
  const bits = [17, 25, 26, 27, 28, 29, 30].map((bit) => 2 ** bit);
  return {
    defaultAction: "SCMP_ACT_ALLOW",
    architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
    syscalls: [
      rule(refused.filter((name) => !allow.includes(name))),
      ...(admin || allow.includes("clone")
        ? []
        : bits.map((bit) => rule(["clone"], { args: [{ ...clone.args[0], value: bit, valueTwo: bit }] }))),
      ...(admin ? [] : [{ names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: 38 }]),
    ],
  };
}

const masked = ["/proc/asound", "/proc/acpi", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats"];
const alsoMasked = ["/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"];
const readOnly = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

const mount = (destination: string, type: string, ...options: string[]) => ({
  destination,
  type,
  source: type,
  options,
});
const bind = (path: string) => ({ destination: path, type: "bind", source: path, options: ["rbind", "ro"] });

function configuration(options: ContainerOptions, args: readonly string[]): object {
  const { user, unconfined = [], add = [], env = {} } = options;
  const id = user === "root" ? 0 : 1234;
  const all = [...capabilities, ...add];
  const own = user === "root" ? all : [];
  return {
    ociVersion: "1.0.2",
    process: {
      user: { uid: id, gid: id },
      args,
      env: Object.entries({
        PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        HOME: "/home/me",
        ...env,
      }).map(([name, value]) => `${name}=${value}`),
      cwd: "/workspace",
      capabilities: { bounding: all, effective: own, permitted: own },
    },
    root: { path: "rootfs" },
    hostname: "container",
    mounts: [
      mount("/proc", "proc", "nosuid", "noexec", "nodev"),
      mount("/dev", "tmpfs", "nosuid", "mode=755"),
      mount("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
      mount("/sys", "sysfs", "nosuid", "noexec", "nodev", "ro"),
      ...["/usr", "/etc"].map(bind),
      mount("/tmp", "tmpfs", "mode=1777"),
      bind(root), // after /tmp: the checkout may be below it
      // What an image would have made for its user.
      ...["/home/me", "/workspace"].map((path) => mount(path, "tmpfs", "mode=700", `uid=${id}`, `gid=${id}`)),
    ],
    linux: {
      namespaces: ["mount", "network", "uts", "pid", "ipc"].map((type) => ({ type })),
      ...(unconfined.includes("systempaths")
        ? {}
        : { maskedPaths: [...masked, ...alsoMasked], readonlyPaths: readOnly }),
      ...(unconfined.includes("seccomp") ? {} : { seccomp: seccomp(options) }),
    },
  };
}

/** Runs a command in such a container, to its end. */
export function inContainer(
  options: ContainerOptions,
  args: readonly string[],
): { code: number | null; stdout: string; stderr: string } {
  const bundle = mkdtempSync(join(tmpdir(), "sallyport-container-"));
  try {
    mkdirSync(join(bundle, "rootfs"));
    for (const name of ["bin", "sbin", "lib", "lib64"]) symlinkSync(`usr/${name}`, join(bundle, "rootfs", name));
    writeFileSync(join(bundle, "rootfs", ".dockerenv"), "");
    writeFileSync(join(bundle, "config.json"), JSON.stringify(configuration(options, args)));
    const name = `sallyport-${process.pid}-${bundle.slice(-6)}`;
    // crun knows cgroups of either version, and not both at once, as some machines have them.
    const script = 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup; exec "$@"';
    const crun = ["crun", `--root=${bundle}/state`, "--cgroup-manager=disabled", "run", `--bundle=${bundle}`, name];
    const ran = spawnSync("unshare", ["--mount", "sh", "-c", script, "sh", ...crun], {
      encoding: "utf8",
      timeout: 120_000,
    });
    return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
  } finally {
    rmSync(bundle, { recursive: true, force: true });
  }
}
