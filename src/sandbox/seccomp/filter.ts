// Which system calls a cell's processes may make. A deny list over namespaces that already hold: it takes away kernel
// surface that agents do not need, and what would lead out of a namespace. ENOSYS where libraries fall back on it,
// EAFNOSUPPORT for socket families, EPERM where the caller should learn that it is not allowed.
// Rules: 32-bit and x32 calls end the process or do not exist; arguments that the kernel reads as `int` are compared in
// their low 32 bits, as the kernel does; pointers are never judged (another thread could change what they point to).

import { assemble, data, type Instruction, verdict } from "./assembler.ts";
import { syscallsArm64 } from "./syscalls-arm64.ts";
import { type SyscallName, syscallsX64 } from "./syscalls-x64.ts";

export interface FilterOptions {
  readonly architecture: "x64" | "arm64";
  readonly level: "standard" | "strict";
  readonly nestedSandbox: boolean;
  /** The cell writes files that belong to the host's root: it must not leave set-user-id programs there. */
  readonly guardSetId: boolean;
}

/** True when the argument's low word (`high`: its other one), after `mask`, is (or is not) one of the values, or has any of the bits. */
type Condition =
  | { readonly arg: number; readonly mask?: number; readonly in: readonly number[] }
  | { readonly arg: number; readonly mask?: number; readonly notIn: readonly number[] }
  | { readonly arg: number; readonly high?: true; readonly anyBit: number };

export interface Rule {
  readonly calls: readonly SyscallName[];
  readonly errno: number;
  /** All must hold; none: always. */
  readonly when?: readonly Condition[];
}

const EPERM = 1;
const ENOMEM = 12;
const ENOSYS = 38;
const EPROTONOSUPPORT = 93;
const EAFNOSUPPORT = 97;

const AF_UNIX = 1;
const AF_INET = 2;
const AF_INET6 = 10;
const AF_NETLINK = 16;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const typeMask = 0xf; // without SOCK_NONBLOCK and SOCK_CLOEXEC

/** CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. */
const namespaceFlags = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x10000000 | 0x20000000 | 0x40000000;
const CLONE_NEWTIME = 0x80; // in clone's flags these bits are the exit signal, so only for unshare
const O_CREAT = 0o100;
const O_TMPFILE = 0o20000000;
const setIdBits = 0o6000;

const always: readonly Rule[] = [
  {
    errno: ENOSYS,
    calls: [
      "io_uring_setup",
      "io_uring_enter",
      "io_uring_register",
      "userfaultfd",
      "bpf",
      "keyctl",
      "add_key",
      "request_key",
      "perf_event_open",
      "open_by_handle_at",
      "kexec_load",
      "kexec_file_load",
      "init_module",
      "finit_module",
      "delete_module",
      "lookup_dcookie",
      "nfsservctl",
      "fanotify_init",
      "quotactl",
      "quotactl_fd",
      "uselib",
      "ustat",
      "sysfs",
      "_sysctl",

      "memfd_secret",
      "remap_file_pages",
    ],
  },
  {
    errno: EPERM,
    calls: [
      "iopl",
      "ioperm",
      "modify_ldt",
      "swapon",
      "swapoff",
      "reboot",
      "acct",
      "settimeofday",
      "clock_settime",
      "clock_adjtime",
      "adjtimex",
      "syslog",
      "vhangup",
      "sethostname",
      "setdomainname",
    ],
  },
  { errno: EAFNOSUPPORT, calls: ["socket"], when: [{ arg: 0, notIn: [AF_UNIX, AF_INET, AF_INET6, AF_NETLINK] }] },
  { errno: EAFNOSUPPORT, calls: ["socketpair"], when: [{ arg: 0, notIn: [AF_UNIX] }] },
  {
    errno: EPROTONOSUPPORT,
    calls: ["socket"],
    when: [
      { arg: 0, in: [AF_NETLINK] },
      { arg: 2, notIn: [0] },
    ],
  },
  {
    errno: EPERM,
    calls: ["socket"],
    when: [
      { arg: 0, in: [AF_INET, AF_INET6] },
      { arg: 1, mask: typeMask, notIn: [SOCK_STREAM, SOCK_DGRAM] },
    ],
  },
  // Unspecified, TCP, UDP; ping sockets are left to the kernel, which has no group for them in a new namespace.
  {
    errno: EPROTONOSUPPORT,
    calls: ["socket"],
    when: [
      { arg: 0, in: [AF_INET, AF_INET6] },
      { arg: 2, notIn: [0, 1, 6, 17, 58] },
    ],
  },
  // A System V segment that nobody is attached to is memory that no process has, and no watch would see it: databases ask
  // for some bytes; a namespace has at most 4,096 segments. 256 KiB and more are refused.
  { errno: ENOMEM, calls: ["shmget"], when: [{ arg: 1, anyBit: 0xfffc0000 }] },
  { errno: ENOMEM, calls: ["shmget"], when: [{ arg: 1, high: true, anyBit: 0xffffffff }] },
  // TIOCSTI, TIOCLINUX, TIOCCONS: writing into a terminal as if its user had typed.
  { errno: EPERM, calls: ["ioctl"], when: [{ arg: 1, in: [0x5412, 0x541c, 0x541d] }] },
  // PER_LINUX, PER_LINUX32, with UNAME26, ADDR_NO_RANDOMIZE (debuggers), the query.
  { errno: EPERM, calls: ["personality"], when: [{ arg: 0, notIn: [0, 8, 0x20000, 0x20008, 0x40000, 0xffffffff] }] },
];

const withoutNesting: readonly Rule[] = [
  { errno: EPERM, calls: ["unshare"], when: [{ arg: 0, anyBit: namespaceFlags | CLONE_NEWTIME }] },
  { errno: EPERM, calls: ["clone"], when: [{ arg: 0, anyBit: namespaceFlags }] },
  { errno: ENOSYS, calls: ["clone3"] }, // its flags stand behind a pointer; libc falls back to clone
  {
    errno: EPERM,
    calls: [
      "setns",
      "mount",
      "umount2",
      "pivot_root",
      "chroot",
      "fsopen",
      "fsconfig",
      "fsmount",
      "fspick",
      "move_mount",
      "open_tree",
      "open_tree_attr",
      "mount_setattr",
    ],
  },
];

const strict: readonly Rule[] = [
  {
    errno: EPERM,
    calls: ["ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "process_madvise"],
  },
];

const setIdGuard: readonly Rule[] = [
  { errno: EPERM, calls: ["chmod", "fchmod", "creat", "mknod"], when: [{ arg: 1, anyBit: setIdBits }] },
  { errno: EPERM, calls: ["fchmodat", "fchmodat2", "mknodat"], when: [{ arg: 2, anyBit: setIdBits }] },
  {
    errno: EPERM,
    calls: ["open"],
    when: [
      { arg: 1, anyBit: O_CREAT | O_TMPFILE },
      { arg: 2, anyBit: setIdBits },
    ],
  },
  {
    errno: EPERM,
    calls: ["openat"],
    when: [
      { arg: 2, anyBit: O_CREAT | O_TMPFILE },
      { arg: 3, anyBit: setIdBits },
    ],
  },
  { errno: ENOSYS, calls: ["openat2"] },
];

export function filterRules(options: FilterOptions): readonly Rule[] {
  return [
    ...always,
    ...(options.nestedSandbox ? [] : withoutNesting),
    ...(options.level === "strict" ? strict : []),
    ...(options.guardSetId ? setIdGuard : []),
  ];
}

const architectures = {
  x64: { audit: 0xc000003e, syscalls: syscallsX64 as Readonly<Partial<Record<SyscallName, number>>> },
  arm64: { audit: 0xc00000b7, syscalls: syscallsArm64 },
} as const;

const x32Bit = 0x40000000;

/** The filter as the kernel reads it; the same options give the same bytes. */
export function seccompFilter(options: FilterOptions): Buffer {
  const { audit, syscalls } = architectures[options.architecture];
  const blocks = new Map<number, { errno: number; when: readonly Condition[] }[]>();
  for (const rule of filterRules(options)) {
    for (const call of rule.calls) {
      const number = syscalls[call];
      if (number === undefined) continue; // not on this architecture
      const block = blocks.get(number) ?? [];
      block.push({ errno: rule.errno, when: rule.when ?? [] });
      blocks.set(number, block);
    }
  }
  const program: Instruction[] = [
    { kind: "load", offset: data.architecture },
    { kind: "equal", value: audit, otherwise: "foreign" },
    { kind: "load", offset: data.number },
  ];
  if (options.architecture === "x64")
    program.push(
      { kind: "atLeast", value: x32Bit, otherwise: "native" },
      { kind: "return", value: verdict.errno(ENOSYS) },
      { kind: "label", name: "native" },
    );
  for (const [number, rules] of blocks) {
    program.push({ kind: "equal", value: number, otherwise: `after ${number}` });
    rules.forEach((rule, at) => {
      const next = `${number} rule ${at + 1}`;
      for (const [which, condition] of rule.when.entries())
        program.push(...compare(condition, next, `${number} rule ${at} condition ${which}`));
      program.push({ kind: "return", value: verdict.errno(rule.errno) });
      if (rule.when.length > 0) program.push({ kind: "label", name: next });
    });
    if (rules.every((rule) => rule.when.length > 0)) program.push({ kind: "return", value: verdict.allow });
    program.push({ kind: "label", name: `after ${number}` });
  }
  program.push(
    { kind: "return", value: verdict.allow },
    { kind: "label", name: "foreign" },
    { kind: "return", value: verdict.killProcess },
  );
  return assemble(program);
}

/** Falls through when the condition holds, else goes on at `otherwise`. */
function compare(condition: Condition, otherwise: string, name: string): Instruction[] {
  const high = "high" in condition && condition.high === true;
  const load: Instruction = { kind: "load", offset: data.argument(condition.arg) + (high ? 4 : 0) };
  if ("anyBit" in condition) return [load, { kind: "anyBit", value: condition.anyBit, otherwise }];
  const masked: Instruction[] = condition.mask === undefined ? [load] : [load, { kind: "and", value: condition.mask }];
  if ("in" in condition) {
    const holds = `${name} holds`;
    return [
      ...masked,
      ...condition.in.flatMap((value, at): Instruction[] => [
        { kind: "equal", value, otherwise: `${name} not ${at}` },
        { kind: "goto", to: holds },
        { kind: "label", name: `${name} not ${at}` },
      ]),
      { kind: "goto", to: otherwise },
      { kind: "label", name: holds },
    ];
  }
  return [
    ...masked,
    ...condition.notIn.flatMap((value, at): Instruction[] => [
      { kind: "equal", value, otherwise: `${name} not ${at}` },
      { kind: "goto", to: otherwise },
      { kind: "label", name: `${name} not ${at}` },
    ]),
  ];
}
