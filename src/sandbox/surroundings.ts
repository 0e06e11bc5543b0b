// Where sallyport itself runs, as far as it decides whether cells can be made: on a machine, in a container and by which engine,
// in a dev container, in a job of GitHub Actions; what that container lacks, and by which flags it is given.
// Rules: nothing is tried here, only read; each flag is one that a run was seen to need, and no wider one is named.

export type Engine = "docker" | "podman" | "kubernetes" | "lxc" | "nspawn" | "container";

/** What a container may be without, of what a cell is made of. */
export type Lack =
  /** A seccomp filter refuses new namespaces and mounts. */
  | "system_calls"
  /** An AppArmor profile of the engine refuses mounts. */
  | "apparmor"
  /** Parts of /proc are masked or read-only, so the kernel refuses a new one. */
  | "proc"
  /** Root here may not show its files as another user's. */
  | "root_files";

export interface Surroundings {
  /** Null on a machine, virtual or not. */
  readonly engine: Engine | null;
  readonly rootless: boolean;
  readonly devContainer: boolean;
  readonly githubActions: boolean;
  readonly wsl: boolean;
}

export interface Facts {
  /** A file's text, or null where there is none. */
  readonly setting: (path: string) => string | null;
  readonly env: { readonly [name: string]: string | undefined };
  /** Where a symbolic link points to, or null where there is none. */
  readonly link: (path: string) => string | null;
}

/** The namespaces of a machine that was just started have these names (linux/proc_ns.h); a container has its own. */
const initial = { pid: "pid:[4026531836]", uts: "uts:[4026531838]", ipc: "ipc:[4026531839]" } as const;

export function findSurroundings({ setting, env, link }: Facts): Surroundings {
  const podman = setting("/run/.containerenv");
  return {
    // A virtual machine made from a container's image has its marks, and none of its walls.
    engine: Object.entries(initial).every(([kind, name]) => link(`/proc/self/ns/${kind}`) === name)
      ? null
      : findEngine({ setting, env }),
    rootless: podman !== null && /^rootless=1$/m.test(podman),
    devContainer: env.REMOTE_CONTAINERS === "true" || env.CODESPACES === "true" || env.DEVCONTAINER === "true",
    githubActions: env.GITHUB_ACTIONS === "true",
    wsl: /microsoft/i.test(setting("/proc/sys/kernel/osrelease") ?? ""),
  };
}

function findEngine({ setting, env }: Omit<Facts, "link">): Engine | null {
  if (env.KUBERNETES_SERVICE_HOST !== undefined) return "kubernetes";
  if (setting("/run/.containerenv") !== null) return "podman";
  if (setting("/.dockerenv") !== null) return "docker";
  const named = env.container ?? setting("/run/systemd/container");
  if (named === null || named === "") return null;
  if (named === "podman" || named === "docker" || named === "lxc") return named;
  return named === "systemd-nspawn" ? "nspawn" : "container";
}

/** The lacks that can be read off: masked parts of /proc, and the engine's own AppArmor profile. */
export function readLacks(setting: Facts["setting"]): Lack[] {
  const profile = setting("/proc/self/attr/apparmor/current") ?? setting("/proc/self/attr/current") ?? "";
  const mounts = (setting("/proc/self/mountinfo") ?? "").split("\n").map((line) => line.split(" ")[4] ?? "");
  const masked = mounts.some((at) => at.startsWith("/proc/") && at !== "/proc/sys/fs/binfmt_misc");
  return [...(/\(enforce\)/.test(profile) ? (["apparmor"] as const) : []), ...(masked ? (["proc"] as const) : [])];
}

/** One line: what this is. */
export function surroundingsText({ engine, rootless, devContainer, githubActions, wsl }: Surroundings): string {
  const where =
    engine === null
      ? wsl
        ? "WSL2"
        : "no container"
      : `${rootless ? "a rootless" : engine === "lxc" ? "an" : "a"} ${engine === "container" ? "" : `${names[engine]} `}container`;
  const also = [...(devContainer ? ["a dev container"] : []), ...(githubActions ? ["a job of GitHub Actions"] : [])];
  return [where, ...also].join(", ");
}

const names: Readonly<Record<Exclude<Engine, "container">, string>> = {
  docker: "Docker",
  podman: "Podman",
  kubernetes: "Kubernetes",
  lxc: "LXC",
  nspawn: "systemd-nspawn",
};

const dockerFlags: Readonly<Record<Lack, string>> = {
  system_calls: "--security-opt seccomp=unconfined",
  apparmor: "--security-opt apparmor=unconfined",
  proc: "--security-opt systempaths=unconfined",
  root_files: "--cap-add SYS_ADMIN --cap-add SYS_PTRACE",
};

const podmanFlags: Readonly<Record<Lack, string>> = { ...dockerFlags, proc: "--security-opt unmask=ALL" };

const podFields: Readonly<Record<Lack, string>> = {
  system_calls: "seccompProfile: {type: Unconfined}",
  apparmor: "appArmorProfile: {type: Unconfined}",
  proc: "procMount: Unmasked",
  root_files: "capabilities: {add: [SYS_ADMIN, SYS_PTRACE]}",
};

/** One sentence: how this container is given what it lacks. */
export function containerRemedy(where: Surroundings, lacks: readonly Lack[]): string {
  const flags = (table: Readonly<Record<Lack, string>>) => lacks.map((lack) => table[lack]);
  const other = lacks.includes("root_files") ? " (or run as an ordinary user in it)" : "";
  const words = flags(where.engine === "podman" ? podmanFlags : dockerFlags).join(" ");
  switch (where.engine) {
    case "kubernetes":
      return `Give the container this securityContext${other}: ${flags(podFields).join(", ")}.`;
    case "lxc":
      return "Let the container nest others: lxc config set NAME security.nesting=true.";
    case "nspawn":
      return "Run sallyport beside this container, or in a virtual machine: it is not known to work in it.";
    default:
      if (where.devContainer) {
        const list = words
          .split(" ")
          .map((word) => JSON.stringify(word))
          .join(", ");
        return `Put this into devcontainer.json${other}: "runArgs": [${list}].`;
      }
      if (where.githubActions) return `Give the job's container these options${other}: ${words}.`;
      return `Start the container with${other}: ${words}.`;
  }
}
