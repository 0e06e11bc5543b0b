import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import {
  architectureFinding,
  kernelFinding,
  mountsRemedy,
  probeKernel,
  redirectRemedy,
  userNamespaceRemedy,
} from "./probe.ts";

test("a kernel is new enough from 5.15 on, whatever its suffix", () => {
  for (const [version, ok] of [
    ["5.15.0-generic", true],
    ["5.14.21", false],
    ["6.1.0-13-amd64", true],
    ["4.19.128-microsoft-standard", false],
    ["10.0.0", true],
    ["unreadable", false],
  ] as const) {
    const found = kernelFinding(version);
    assert.equal(found.ok, ok, version);
    assert.equal(found.remedy === null, ok, version);
  }
  assert.match(kernelFinding("4.4.0-19041-Microsoft").remedy ?? "", /WSL1/);
});

test("a cell runs on x64 and arm64", () => {
  assert.deepEqual(
    ["x64", "arm64", "ppc64"].map((arch) => architectureFinding(arch).ok),
    [true, true, false],
  );
});

const machine = { engine: null, rootless: false, devContainer: false, githubActions: false, wsl: false } as const;
const docker = { ...machine, engine: "docker" } as const;

test("what forbids user namespaces is named with its remedy", () => {
  for (const [path, text, where, remedy] of [
    ["/proc/sys/user/max_user_namespaces", "0", machine, /--fix sets user\.max_user_namespaces=/],
    ["/proc/sys/kernel/unprivileged_userns_clone", "0", machine, /unprivileged_userns_clone=1/],
    ["/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", machine, /gives sallyport's launcher one/],
    ["/nothing", "", docker, /^Start the container with: --security-opt seccomp=unconfined\.$/],
    ["/proc/sys/user/max_user_namespaces", "0", docker, /on the machine that the container runs on/],
    ["/proc/self/status", "Name:\tx\nSeccomp:\t2\n", machine, /filters its system calls/],
    ["/nothing", "", machine, /Look for what forbids/],
  ] as const) {
    assert.match(
      userNamespaceRemedy((asked) => (asked === path ? text : null), where),
      remedy,
      path,
    );
  }
});

test("what forbids the redirect is named with its remedy", () => {
  assert.match(
    redirectRemedy(() => null, machine),
    /--fix loads it/,
  );
  assert.match(
    redirectRemedy(() => null, docker),
    /on the machine that the container runs on/,
  );
  assert.match(
    redirectRemedy((path) => (path.includes("apparmor") ? "1" : null), machine),
    /launcher one/,
  );
});

test("what forbids a view of the files is named with its remedy", () => {
  const mounts = (at: string) => (asked: string) =>
    asked === "/proc/self/mountinfo" ? `1 2 0:3 / ${at} ro - proc proc ro` : null;
  assert.equal(
    mountsRemedy(mounts("/proc/kcore"), docker),
    "Start the container with: --security-opt systempaths=unconfined.",
  );
  assert.match(mountsRemedy(mounts("/"), docker), /seccomp=unconfined/);
  assert.match(mountsRemedy(mounts("/proc/kcore"), machine), /umount/);
  assert.match(mountsRemedy(mounts("/"), machine), /security module/);
});

test("on a machine that runs these tests every finding is good, and the proof is among them", async () => {
  const findings = await probeKernel({ self: [join(import.meta.dirname, "../../bin/sallyport")], env: {} });
  assert.deepEqual(
    findings.filter((finding) => !finding.ok),
    [],
  );
  assert.ok(findings.some((finding) => finding.id === "cell"));
});

test("a run that ends without having run anything is no proof", async () => {
  const findings = await probeKernel({ self: ["/nonexistent/sallyport"], env: {} });
  const cell = findings.find(({ id }) => id === "cell");
  assert.equal(cell?.ok, false);
  assert.notEqual(cell?.remedy, null);
});
