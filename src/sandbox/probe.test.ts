import assert from "node:assert/strict";
import { test } from "node:test";
import { architectureFinding, kernelFinding, probeKernel, userNamespaceRemedy } from "./probe.ts";

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

test("what forbids user namespaces is named with its remedy", () => {
  for (const [path, text, remedy] of [
    ["/proc/sys/user/max_user_namespaces", "0", /max_user_namespaces=/],
    ["/proc/sys/kernel/unprivileged_userns_clone", "0", /unprivileged_userns_clone=1/],
    ["/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1", /apparmor_restrict_unprivileged_userns=0/],
    ["/.dockerenv", "", /container/],
    ["/run/.containerenv", "", /container/],
    ["/proc/self/status", "Name:\tx\nSeccomp:\t2\n", /seccomp/],
    ["/nothing", "", /Look for what forbids/],
  ] as const) {
    assert.match(
      userNamespaceRemedy((asked) => (asked === path ? text : null)),
      remedy,
      path,
    );
  }
});

test("on a machine that runs these tests every finding is good, and the proof is among them", async () => {
  const findings = await probeKernel();
  assert.deepEqual(
    findings.filter((finding) => !finding.ok),
    [],
  );
  assert.ok(findings.some((finding) => finding.id === "cell"));
});
