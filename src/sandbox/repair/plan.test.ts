import assert from "node:assert/strict";
import { test } from "node:test";
import { apparmorProfile, planRepairs, type RepairFacts } from "./plan.ts";

const usual = "/usr/lib/node_modules/sallyport/bin/sallyport";

function facts(more: {
  missing?: readonly string[];
  settings?: Readonly<Record<string, string>>;
  commands?: readonly string[];
  launcher?: string;
  inContainer?: boolean;
}): RepairFacts {
  const { missing = [], settings = {}, commands = [], launcher = usual } = more;
  return {
    missing: new Set(missing),
    setting: (path) => settings[path] ?? null,
    hasCommand: (name) => commands.includes(name),
    launcher,
    inContainer: more.inContainer ?? false,
  };
}

const ubuntu = {
  missing: ["user_namespaces", "redirect", "mounts", "cell"],
  settings: { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1", "/etc/apparmor.d/abi/4.0": "" },
  commands: ["apparmor_parser"],
};

test("nothing is planned where nothing is missing", () => {
  assert.deepEqual(planRepairs(facts({ ...ubuntu, missing: [] })), []);
});

test("missing tools are installed by the system's own package manager, by its own names", () => {
  for (const [command, argv] of [
    ["apt-get", "apt-get install -y --no-install-recommends bubblewrap iproute2"],
    ["dnf", "dnf install -y bubblewrap iproute"],
    ["apk", "apk add bubblewrap iproute2"],
    ["pacman", "pacman -S --needed --noconfirm bubblewrap iproute2"],
    ["zypper", "zypper --non-interactive install bubblewrap iproute2"],
  ] as const) {
    const missing = ["bubblewrap", "iproute2"];
    const [repair, ...others] = planRepairs(facts({ missing, commands: [command], inContainer: true }));
    assert.deepEqual(others, []);
    assert.deepEqual(repair?.steps, [{ kind: "command", argv: argv.split(" "), undo: null }]);
    assert.match(repair?.afterwards ?? "", new RegExp(`to remove it: ${command}`));
  }
  assert.deepEqual(planRepairs(facts({ missing: ["bubblewrap"] })), []);
});

test("a limit is lifted before AppArmor is looked at, and what stood in the file is kept for later", () => {
  const settings = {
    ...ubuntu.settings,
    "/proc/sys/user/max_user_namespaces": "0",
    "/proc/sys/kernel/unprivileged_userns_clone": "0",
    "/etc/sysctl.d/60-sallyport.conf": "older",
  };
  const [repair] = planRepairs(facts({ ...ubuntu, settings }));
  assert.equal(repair?.id, "user_namespaces");
  assert.deepEqual(
    repair.steps.map((step) => (step.kind === "command" ? step.argv : [step.path, step.before])),
    [
      ["/etc/sysctl.d/60-sallyport.conf", "older"],
      ["/proc/sys/user/max_user_namespaces", "0"],
      ["/proc/sys/kernel/unprivileged_userns_clone", "0"],
    ],
  );
});

test("AppArmor is given a profile only where it can read one, and only for a path that means nothing else in it", () => {
  assert.deepEqual(
    planRepairs(facts(ubuntu)).map(({ id }) => id),
    ["apparmor_profile"],
  );
  for (const other of [
    { settings: { ...ubuntu.settings, "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0" } },
    { settings: { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1" } },
    { commands: [] },
    { launcher: "/home/me/{a,b}/sallyport" },
    { launcher: "/home/me/**/sallyport" },
    { launcher: '/home/me/"/sallyport' },
    { launcher: "/home/me/\n/sallyport" },
    { inContainer: true },
  ])
    assert.deepEqual(planRepairs(facts({ ...ubuntu, ...other })), [], JSON.stringify(other));
  assert.match(apparmorProfile("/a b/sallyport"), /^profile sallyport "\/a b\/sallyport" flags=/m);
});

test("an AppArmor that takes capabilities instead is given the same profile, once", () => {
  const newer = { ...ubuntu, missing: ["redirect", "cell"], commands: ["apparmor_parser", "modprobe"] };
  assert.deepEqual(
    planRepairs(facts(newer)).map(({ id }) => id),
    ["apparmor_profile"],
  );
  const settings = { ...ubuntu.settings, "/etc/apparmor.d/sallyport": apparmorProfile(usual) };
  assert.deepEqual(
    planRepairs(facts({ ...newer, settings })).map(({ id }) => id),
    ["kernel_modules"],
  );
  assert.deepEqual(
    planRepairs(facts({ ...ubuntu, settings })).map(({ id }) => id),
    ["apparmor_profile"],
  );
});

test("the kernel's modules are loaded where only they are missing", () => {
  const commands = ["modprobe"];
  const [repair] = planRepairs(facts({ missing: ["redirect"], commands }));
  assert.equal(repair?.id, "kernel_modules");
  assert.deepEqual(planRepairs(facts({ missing: ["redirect", "user_namespaces"], commands })), []);
  assert.deepEqual(planRepairs(facts({ missing: ["redirect"], commands, inContainer: true })), []);
});
