// `doctor --fix` on machines that forbid what a cell needs, and `uninstall` that takes it back. Each machine is a user namespace
// of its own, with every id, so its limit on namespaces is a real one and not this machine's; /etc and /var/lib are
// copies in memory. What AppArmor itself does is the one thing that is played: its setting is a file, its tool a script.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, test } from "node:test";
import { openPlace, type Place, program } from "./program.ts";

let place: Place;
beforeEach(() => {
  place = openPlace("doctor-fix");
});
afterEach(() => {
  rmSync(join(place.root, "home"), { recursive: true, force: true });
  place?.close();
});

/** A user namespace in which every id is itself, made by who may. */
const machine = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ready, go = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    if libc.unshare(0x10000000 | 0x00020000) != 0: os._exit(99)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.setgid(0); os.setuid(0)
    os.execvp("sh", ["sh", "-ec", sys.argv[1], "sh", *sys.argv[2:]])
os.read(ready[0], 1)
for name in "uid_map", "gid_map":
    with open(f"/proc/{child}/{name}", "w") as file: file.write("0 0 4294967295")
os.write(go[1], b"x")
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
`;

const folders = `
mount --make-rprivate /
for folder in /etc/sysctl.d /etc/apparmor.d /var/lib; do
  mkdir -p $folder 2>/dev/null || true
  [ ! -d $folder ] || mount -t tmpfs tmpfs $folder
done
# The person whose sudo this is.
export SUDO_UID=1234 SUDO_GID=1234
mkdir -p "$HOME/me/project"; chmod 755 "$HOME"; chown -R 1234:1234 "$HOME/me"
as_me() { (cd "$HOME/me/project"; export SALLYPORT_HOME="$HOME/me/home" HOME="$HOME/me"; exec setpriv --reuid=1234 --regid=1234 --clear-groups "$@"); }
`;

function onMachine(script: string): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync("python3", ["-c", machine, folders + script, program], {
    cwd: place.workspace,
    encoding: "utf8",
    env: { PATH: process.env.PATH, HOME: place.root, SALLYPORT_HOME: place.home, NO_COLOR: "1" },
    timeout: 120_000,
  });
  return { code: status, stdout, stderr };
}

const root = process.geteuid?.() === 0;

test("a limit of no user namespaces is shown, lifted for now and for later, proved by a run, and put back", (t) => {
  if (!root) return t.diagnostic("only root can make such a machine: looked at nothing");
  const { code, stdout, stderr } = onMachine(`
    echo 0 > /proc/sys/user/max_user_namespaces
    as_me "$1" run -q -- true || echo "run: $?"
    "$1" doctor || echo "doctor: $?"
    echo == fix
    "$1" doctor --fix --yes
    echo == after
    cat /proc/sys/user/max_user_namespaces /etc/sysctl.d/60-sallyport.conf
    as_me "$1" run -q -- echo it runs
    "$1" uninstall --dry-run
    echo == undone
    "$1" uninstall --yes
    cat /proc/sys/user/max_user_namespaces
    ls -A /etc/sysctl.d /var/lib`);
  assert.equal(code, 0, stdout + stderr);
  const [before = "", fix = "", after = "", undone = ""] = stdout.split(/== \w+\n/);
  assert.match(before, /run: 125\n/);
  assert.match(
    before,
    /MISSING {2}user_namespaces .*\n +→ User namespaces are limited to 0: sallyport doctor --fix sets/,
  );
  assert.match(before, /doctor: 1\n/);
  assert.match(fix, /user\.max_user_namespaces is 0, so nobody can make a user namespace; this allows it\./);
  assert.match(
    fix,
    / {2}write {2}\/etc\/sysctl\.d\/60-sallyport\.conf\n(?:.*\n)? +\+ # Made by[^\n]*\n +\+ user\.max_user_namespaces = 15000\n/,
  );
  assert.match(fix, / {2}set {4}\/proc\/sys\/user\/max_user_namespaces\n +- 0\n +\+ 15000\n/);
  assert.match(fix, /Done\. .*\n(?:.*\n)*A cell can start on this machine\.\n$/);
  assert.match(after, /^15000\n# Made by .*\nuser\.max_user_namespaces = 15000\nit runs\n/);
  assert.match(after, /\/etc\/sysctl\.d\/60-sallyport\.conf .* made by doctor --fix \(user_namespaces\)/);
  assert.match(after, /\/var\/lib\/sallyport\/repairs\.json .* what doctor --fix did/);
  assert.match(undone, /\n0\n\/etc\/sysctl\.d:\n\n\/var\/lib:\n$/);
});

test("without root nothing is changed, and the command that would is printed", (t) => {
  if (!root) return t.diagnostic("only root can make such a machine: looked at nothing");
  const { code, stdout, stderr } = onMachine(`
    echo 0 > /proc/sys/user/max_user_namespaces
    as_me "$1" doctor --fix --yes || echo "doctor: $?"
    cat /proc/sys/user/max_user_namespaces; ls -A /etc/sysctl.d /var/lib`);
  assert.equal(code, 0, stdout + stderr);
  assert.ok(stdout.includes(`This needs root. Nothing was changed; to do it: sudo ${program} doctor --fix\n`), stdout);
  assert.match(stdout, /doctor: 1\n0\n\/etc\/sysctl\.d:\n\n\/var\/lib:\n$/);
});

test("Ubuntu's AppArmor: a profile for the launcher alone is written and loaded, and both are taken back", (t) => {
  if (!root) return t.diagnostic("only root can make such a machine: looked at nothing");
  const { code, stdout, stderr } = onMachine(`
    mkdir -p /etc/apparmor.d/abi; echo > /etc/apparmor.d/abi/4.0
    mount -t tmpfs tmpfs /proc/sys/kernel
    echo 1 > /proc/sys/kernel/apparmor_restrict_unprivileged_userns
    echo 6.8.0 > /proc/sys/kernel/osrelease
    mkdir -p /proc/sys/kernel/seccomp; echo errno > /proc/sys/kernel/seccomp/actions_avail
    # The tool that would load it, in the first folder that is looked in; what it is told is kept.
    mount -t tmpfs tmpfs /usr/local/sbin
    printf '#!/bin/sh\\necho "$@" >> /var/lib/told\\n' > /usr/local/sbin/apparmor_parser
    # Refuses as that kernel does, until the profile is loaded.
    printf '#!/bin/sh\\n[ "$1" != --user ] || grep -qs replace /var/lib/told || { echo "unshare failed: Permission denied" >&2; exit 1; }\\nexec /usr/bin/unshare "$@"\\n' > /usr/local/sbin/unshare
    chmod +x /usr/local/sbin/*
    "$1" doctor --fix --yes || true
    echo == profile
    cat /etc/apparmor.d/sallyport /var/lib/told
    "$1" uninstall --yes
    echo == undone
    ls -A /etc/apparmor.d; cat /var/lib/told`);
  assert.equal(code, 0, stdout + stderr);
  const [fix = "", profile = "", undone = ""] = stdout.split(/== \w+\n/);
  assert.match(fix, /AppArmor keeps them from programs without a profile: sallyport doctor --fix gives/);
  assert.ok(fix.includes(`this gives one to ${program}, and to nothing else.`), fix);
  assert.match(fix, / {2}run {4}apparmor_parser --replace \/etc\/apparmor\.d\/sallyport\n/);
  assert.ok(
    profile.includes(`profile sallyport ${program} flags=(attach_disconnected,mediate_deleted) {\n  allow userns,\n`),
    profile,
  );
  assert.match(profile, /\n--replace \/etc\/apparmor\.d\/sallyport\n/);
  assert.match(undone, /^abi\n--replace .*\n--remove \/etc\/apparmor\.d\/sallyport\n$/);
});
