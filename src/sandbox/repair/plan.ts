// What would let a cell start on this machine, as steps that can be shown before they are taken and taken back later. Only what
// is known to help is here, and each as narrow as it can be: a profile for the launcher alone rather than the setting that
// frees every program.
// Rules: nothing is done here; a step says what was there before it.

/** Settings and modules that were set stand in files of these names, so they hold after the next start of the machine. */
export const sysctlFile = "/etc/sysctl.d/60-sallyport.conf";
export const modulesFile = "/etc/modules-load.d/sallyport.conf";
export const profileFile = "/etc/apparmor.d/sallyport";
const headLine = "# Made by sallyport doctor --fix; sallyport uninstall takes it back.";

export type Step =
  /** Writes the file; null is no file. */
  | { readonly kind: "file"; readonly path: string; readonly before: string | null; readonly after: string }
  /** Sets a value of the running kernel. */
  | { readonly kind: "setting"; readonly path: string; readonly before: string; readonly after: string }
  /** Runs a tool; `undo` takes it back, null where nothing needs to. */
  | { readonly kind: "command"; readonly argv: readonly string[]; readonly undo: readonly string[] | null };

export interface Repair {
  readonly id: "apparmor_profile" | "user_namespaces" | "kernel_modules" | "packages";
  /** One sentence: what is wrong, and what this changes. */
  readonly what: string;
  readonly steps: readonly Step[];
  /** What is left to a person when it is taken back; null where nothing is. */
  readonly afterwards: string | null;
}

export interface RepairFacts {
  /** Ids of the findings that are not good. */
  readonly missing: ReadonlySet<string>;
  /** A file's text, or null where there is none. */
  readonly setting: (path: string) => string | null;
  readonly hasCommand: (name: string) => boolean;
  /** The real path of the launcher that people start. */
  readonly launcher: string;
  /** In a container none of the kernel's settings is this machine's to change. */
  readonly inContainer: boolean;
}

export function planRepairs(facts: RepairFacts): Repair[] {
  const packages = packagesRepair(facts);
  const kernel = facts.inContainer ? [] : [kernelRepair(facts)];
  return [packages, ...kernel].filter((repair) => repair !== null);
}

/** The narrowest that may help. Newer AppArmors let unshare(1) through and take its children's capabilities instead. */
function kernelRepair(facts: RepairFacts): Repair | null {
  const { missing } = facts;
  if (missing.has("user_namespaces")) return namespacesRepair(facts) ?? profileRepair(facts);
  if (missing.has("redirect")) return profileRepair(facts) ?? modulesRepair(facts);
  return missing.has("cell") ? profileRepair(facts) : null;
}

const limits: readonly (readonly [name: string, blocking: string, freeing: string])[] = [
  ["user.max_user_namespaces", "0", "15000"],
  ["kernel.unprivileged_userns_clone", "0", "1"],
];

function namespacesRepair({ setting }: RepairFacts): Repair | null {
  const wrong = limits.filter(([name, blocking]) => setting(settingPath(name)) === blocking);
  if (wrong.length === 0) return null;
  const lines = wrong.map(([name, , freeing]) => `${name} = ${freeing}`);
  return {
    id: "user_namespaces",
    what: `${wrong.map(([name, blocking]) => `${name} is ${blocking}`).join(" and ")}, so nobody can make a user namespace; this allows it.`,
    steps: [
      { kind: "file", path: sysctlFile, before: setting(sysctlFile), after: `${[headLine, ...lines].join("\n")}\n` },
      ...wrong.map(([name, blocking, freeing]) => ({
        kind: "setting" as const,
        path: settingPath(name),
        before: blocking,
        after: freeing,
      })),
    ],
    afterwards: null,
  };
}

function settingPath(name: string): string {
  return `/proc/sys/${name.replaceAll(".", "/")}`;
}

/** Ubuntu 23.10 and later; null where that is not what forbids it, or this AppArmor cannot say it in a profile. */
function profileRepair({ missing, setting, hasCommand, launcher }: RepairFacts): Repair | null {
  if (setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") !== "1") return null;
  if (!hasCommand("apparmor_parser") || setting("/etc/apparmor.d/abi/4.0") === null) return null;
  // A path with a character that means something in a profile would let other programs in.
  if (!/^\/[A-Za-z0-9_@+:. /-]+$/.test(launcher)) return null;
  // It is there, and namespaces can be made: what is wrong is something else.
  const there = setting(profileFile)?.trim() === apparmorProfile(launcher).trim();
  if (there && !missing.has("user_namespaces")) return null;
  return {
    id: "apparmor_profile",
    what: `AppArmor keeps user namespaces from programs without a profile; this gives one to ${launcher}, and to nothing else.`,
    steps: [
      { kind: "file", path: profileFile, before: setting(profileFile), after: apparmorProfile(launcher) },
      {
        kind: "command",
        argv: ["apparmor_parser", "--replace", profileFile],
        undo: ["apparmor_parser", "--remove", profileFile],
      },
    ],
    afterwards: null,
  };
}

/**
 * Everything is allowed, as it is without a profile; what counts is the rule `userns`. What the launcher starts stays in
 * this profile (`ix`) instead of going to one of its own (newer Ubuntus have them for unshare and bwrap, and those
 * take away the capabilities that a cell is made with).
 */
export function apparmorProfile(launcher: string): string {
  return `${headLine}
# It lets sallyport's launcher, and what that starts, make user namespaces.
abi <abi/4.0>,

include <tunables/global>

profile sallyport ${launcher.includes(" ") ? `"${launcher}"` : launcher} flags=(attach_disconnected,mediate_deleted) {
  allow userns,
  allow capability,
  allow file rwlkm /{**,},
  allow ix /**,
  allow network,
  allow unix,
  allow ptrace,
  allow signal,
  allow mqueue,
  allow io_uring,
  allow mount,
  allow umount,
  allow pivot_root,
  allow dbus,

  include if exists <local/sallyport>
}
`;
}

const modules = ["nf_tables", "nft_chain_nat", "nft_redir", "nft_reject_inet"];

function modulesRepair({ setting, hasCommand }: RepairFacts): Repair | null {
  if (!hasCommand("modprobe")) return null;
  return {
    id: "kernel_modules",
    what: "The kernel's part that redirects connections (nf_tables with nat) is not loaded; this loads it, now and at each start.",
    steps: [
      {
        kind: "file",
        path: modulesFile,
        before: setting(modulesFile),
        after: `${[headLine, ...modules].join("\n")}\n`,
      },
      { kind: "command", argv: ["modprobe", "--all", ...modules], undo: null },
    ],
    afterwards: null,
  };
}

/** What each package manager is told, and what the packages are called there where that is not what Debian calls them. */
const managers: readonly {
  readonly command: string;
  readonly install: readonly string[];
  readonly remove: string;
  readonly called: Readonly<Record<string, string>>;
}[] = [
  {
    command: "apt-get",
    install: ["apt-get", "install", "-y", "--no-install-recommends"],
    remove: "apt-get remove",
    called: {},
  },
  { command: "dnf", install: ["dnf", "install", "-y"], remove: "dnf remove", called: { iproute2: "iproute" } },
  { command: "apk", install: ["apk", "add"], remove: "apk del", called: {} },
  { command: "pacman", install: ["pacman", "-S", "--needed", "--noconfirm"], remove: "pacman -R", called: {} },
  { command: "zypper", install: ["zypper", "--non-interactive", "install"], remove: "zypper remove", called: {} },
];

/** The findings that a package brings are named after Debian's. */
export const packageFindings = ["bubblewrap", "nftables", "iproute2", "util-linux"] as const;

function packagesRepair({ missing, hasCommand }: RepairFacts): Repair | null {
  const wanted = packageFindings.filter((name) => missing.has(name));
  const manager = managers.find(({ command }) => hasCommand(command));
  if (wanted.length === 0 || manager === undefined) return null;
  const called = wanted.map((name) => manager.called[name] ?? name);
  return {
    id: "packages",
    what: `${called.join(", ")} ${called.length === 1 ? "is" : "are"} not installed; this installs ${called.length === 1 ? "it" : "them"} with ${manager.command}.`,
    steps: [{ kind: "command", argv: [...manager.install, ...called], undo: null }],
    afterwards: `Other programs may use what was installed; to remove it: ${manager.remove} ${called.join(" ")}.`,
  };
}
