import assert from "node:assert/strict";
import { test } from "node:test";
import { containerRemedy, findSurroundings, type Lack, readLacks, surroundingsText } from "./surroundings.ts";

interface Case {
  readonly text: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly lacks?: readonly Lack[];
  readonly remedy?: string;
}

const podman = 'engine="podman-4.3.1"\nname="x"\nrootless=1\n';

const cases: readonly Case[] = [
  { text: "no container" },
  { text: "no container, a job of GitHub Actions", env: { GITHUB_ACTIONS: "true" } },
  { text: "WSL2", files: { "/proc/sys/kernel/osrelease": "5.15.167.4-microsoft-standard-WSL2" } },
  {
    text: "a Docker container",
    files: { "/.dockerenv": "" },
    lacks: ["system_calls", "proc"],
    remedy: "Start the container with: --security-opt seccomp=unconfined --security-opt systempaths=unconfined.",
  },
  {
    text: "a Docker container",
    files: { "/.dockerenv": "" },
    lacks: ["root_files"],
    remedy: "Start the container with (or run as an ordinary user in it): --cap-add SYS_ADMIN --cap-add SYS_PTRACE.",
  },
  {
    text: "a Docker container, a dev container",
    files: { "/.dockerenv": "" },
    env: { REMOTE_CONTAINERS: "true" },
    lacks: ["system_calls", "apparmor"],
    remedy:
      'Put this into devcontainer.json: "runArgs": ["--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined"].',
  },
  {
    text: "a Docker container, a job of GitHub Actions",
    files: { "/.dockerenv": "" },
    env: { GITHUB_ACTIONS: "true" },
    lacks: ["proc"],
    remedy: "Give the job's container these options: --security-opt systempaths=unconfined.",
  },
  {
    text: "a rootless Podman container",
    files: { "/run/.containerenv": podman },
    lacks: ["proc"],
    remedy: "Start the container with: --security-opt unmask=ALL.",
  },
  { text: "a Podman container", files: { "/run/.containerenv": "" } },
  {
    text: "a Kubernetes container",
    env: { KUBERNETES_SERVICE_HOST: "10.0.0.1" },
    lacks: ["system_calls", "proc"],
    remedy: "Give the container this securityContext: seccompProfile: {type: Unconfined}, procMount: Unmasked.",
  },
  {
    text: "an LXC container",
    env: { container: "lxc" },
    lacks: ["proc"],
    remedy: "Let the container nest others: lxc config set NAME security.nesting=true.",
  },
  { text: "a systemd-nspawn container", files: { "/run/systemd/container": "systemd-nspawn" } },
  { text: "a container", env: { container: "oci" } },
];

for (const { text, files = {}, env = {}, lacks, remedy } of cases) {
  test(`it knows that it is in ${text}${lacks === undefined ? "" : ` without ${lacks.join(", ")}, and what to do`}`, () => {
    const found = findSurroundings({ setting: (path) => files[path] ?? null, env, link: () => "pid:[4026532201]" });
    assert.equal(surroundingsText(found), text);
    if (lacks !== undefined) assert.equal(containerRemedy(found, lacks), remedy);
  });
}

test("masked parts of /proc and the engine's AppArmor profile are read off", () => {
  const line = (at: string) => `36 35 0:32 / ${at} ro,nosuid - tmpfs tmpfs ro`;
  const lacks = (profile: string | null, ...mounts: string[]) =>
    readLacks((path) =>
      path === "/proc/self/mountinfo" ? mounts.map(line).join("\n") : path.endsWith("/attr/current") ? profile : null,
    );
  assert.deepEqual(lacks(null, "/", "/proc", "/proc/sys/fs/binfmt_misc"), []);
  assert.deepEqual(lacks("unconfined", "/proc", "/proc/kcore", "/proc/sys"), ["proc"]);
  assert.deepEqual(lacks("docker-default (enforce)", "/proc"), ["apparmor"]);
});

test("a virtual machine that was made from a container's image is none", () => {
  const names: Readonly<Record<string, string>> = {
    "/proc/self/ns/pid": "pid:[4026531836]",
    "/proc/self/ns/uts": "uts:[4026531838]",
    "/proc/self/ns/ipc": "ipc:[4026531839]",
  };
  const facts = { setting: (path: string) => (path === "/.dockerenv" ? "" : null), env: {} };
  assert.equal(findSurroundings({ ...facts, link: (path) => names[path] ?? null }).engine, null);
  assert.equal(
    findSurroundings({ ...facts, link: (path) => (path.endsWith("ipc") ? "ipc:[1]" : (names[path] ?? null)) }).engine,
    "docker",
  );
});
