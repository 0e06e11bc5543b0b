// The cell as it is: real namespaces, real programs, as root and as an ordinary user (when root runs the tests).

import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { layOut, type Outcome, type Trial } from "./fixture.ts";

const fixture = fileURLToPath(new URL("./fixture.ts", import.meta.url));
const isRoot = process.geteuid?.() === 0;
/** An id without an account, so that nothing else on the machine is its. */
const ordinary = 61_000 + (process.pid % 100);
const bases: string[] = [];

after(() => {
  for (const base of bases) rmSync(base, { recursive: true, force: true });
});

interface Who {
  readonly name: string;
  readonly uid: number | null;
}

const everyone: Who[] = isRoot
  ? [
      { name: "started as root", uid: null },
      { name: "started as an ordinary user", uid: ordinary },
    ]
  : [{ name: "started as an ordinary user", uid: null }];

function place(who: Who): string {
  const base = mkdtempSync(join(tmpdir(), "cell-test-"));
  bases.push(base);
  const folders = layOut(base);
  if (who.uid !== null) for (const path of [base, ...Object.values(folders)]) chownSync(path, who.uid, who.uid);
  return base;
}

function launch(who: Who, trial: Trial): ChildProcess {
  return spawn(process.execPath, ["--no-warnings", fixture, JSON.stringify(trial)], {
    ...(who.uid === null ? {} : { uid: who.uid, gid: who.uid }),
    env: { PATH: "/usr/bin:/bin", HOME: trial.base },
    cwd: trial.base,
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function run(who: Who, trial: Omit<Trial, "base"> & { base?: string }): Promise<Outcome & { base: string }> {
  const base = trial.base ?? place(who);
  const child = launch(who, { ...trial, base });
  let [out, err] = ["", ""];
  child.stdout?.on("data", (chunk) => (out += chunk));
  child.stderr?.on("data", (chunk) => (err += chunk));
  await new Promise((resolve) => child.once("close", resolve));
  assert.notEqual(out, "", `the fixture said nothing but: ${err}`);
  return { ...(JSON.parse(out) as Outcome), base };
}

const sh = (script: string, more: Omit<Trial, "command" | "base"> = {}) => ({ command: ["sh", "-c", script], ...more });

/** Ids of processes whose network namespace is none of ours, with their command lines: what a cell would leave behind. */
function strangers(): Map<string, string> {
  const own = readlinkSync("/proc/self/ns/net");
  const found = new Map<string, string>();
  for (const pid of readdirSync("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    try {
      const state = readFileSync(`/proc/${pid}/stat`, "utf8");
      if (/^[ZX]/.test(state.slice(state.lastIndexOf(")") + 2)) || readlinkSync(`/proc/${pid}/ns/net`) === own)
        continue;
      found.set(pid, readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " "));
    } catch {
      // it ended while it was looked at, or is another user's
    }
  }
  return found;
}

/** Waits until nothing that carries the marker is left; fails after ten seconds. */
async function nothingLeft(marker: string): Promise<void> {
  const until = Date.now() + 10_000;
  for (;;) {
    const left = readdirSync("/proc").filter((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        return (
          readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(marker) ||
          readFileSync(`/proc/${pid}/environ`, "utf8").includes(marker)
        );
      } catch {
        return false; // it ended while it was looked at
      }
    });
    if (left.length === 0) return;
    assert.ok(Date.now() < until, `left: ${left.join(", ")}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

for (const who of everyone) {
  describe(who.name, () => {
    test("input, outputs and exit code are exact", async () => {
      const outcome = await run(
        who,
        sh("cat; echo problem >&2; echo again > /dev/stderr; exit 7", { input: "a\0b\n", times: 50_000 }),
      );
      assert.equal(outcome.stdout, "a\0b\n".repeat(50_000));
      assert.equal(outcome.stderr, "problem\nagain\n");
      assert.equal(outcome.code, 7);
    });

    test("a signal's end is told as 128 and its number", async () => {
      assert.equal((await run(who, sh("kill -TERM $$"))).code, 143);
    });

    test("the agent is nobody on the host and has no capability", async () => {
      const outcome = await run(
        who,
        sh("id -u; grep -E '^(Cap|SigIgn|NoNewPrivs|Seccomp:|Groups)' /proc/self/status | tr -s '\\t ' ' '"),
      );
      assert.notEqual(outcome.uid, 0);
      const lines = outcome.stdout.split("\n");
      assert.equal(lines[0], String(outcome.uid));
      assert.match(outcome.stdout, /SigIgn: 0000000000000000/);
      for (const name of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
        assert.match(outcome.stdout, new RegExp(`${name}: 0000000000000000`));
      assert.match(outcome.stdout, /NoNewPrivs: 1/);
      assert.match(outcome.stdout, /Seccomp: 2/);
      assert.match(outcome.stdout, /Groups: *\n/);
    });

    test("every namespace is its own", async () => {
      const names = ["user", "net", "pid", "ipc", "uts", "mnt"];
      const outcome = await run(
        who,
        sh(
          `for n in ${names.join(" ")}; do readlink /proc/self/ns/$n; done; hostname; ls /sys/class/net 2>&1; cat /proc/net/dev | wc -l`,
        ),
      );
      const lines = outcome.stdout.split("\n");
      for (const [at, name] of names.entries()) assert.notEqual(lines[at], readlinkSync(`/proc/self/ns/${name}`), name);
      assert.equal(lines[6], "cell");
      assert.equal(lines.at(-2), "3"); // two lines of heading, and lo
    });

    test("TCP of both families and DNS come to the doors with what was dialled; the rest is refused at once", async () => {
      const outcome = await run(who, {
        command: [
          "python3",
          "-c",
          `
import socket, time
for family, address in ((socket.AF_INET, "192.0.2.7"), (socket.AF_INET6, "2001:db8::7"), (socket.AF_INET, "169.254.169.254")):
    s = socket.socket(family); s.settimeout(5); s.connect((address, 4433)); s.close()
for family, address in ((socket.AF_INET, "8.8.8.8"), (socket.AF_INET6, "2001:4860:4860::8888")):
    s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(5); s.sendto(b"\\0\\1\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\1a\\0\\0\\1\\0\\1", (address, 53)); print(len(s.recv(512)))
    t = time.time(); q = socket.socket(family, socket.SOCK_DGRAM); q.settimeout(5); q.connect((address, 443))
    try:
        q.send(b"x"); q.recv(1); print("answered")
    except OSError as e:
        print(type(e).__name__, time.time() - t < 1)
try:
    socket.create_connection(("name.example", 80), 5)
except socket.gaierror:
    print("no such name")
l = socket.create_server(("127.0.0.1", 0)); c = socket.create_connection(l.getsockname(), 5); print("own server")
try:
    d = socket.create_connection(("127.0.0.1", 15001), 5); print("door", d.getpeername()[1]); d.settimeout(20); d.recv(1)
except OSError as e:
    print(e)
`,
        ],
      });
      assert.deepEqual(
        outcome.dialled.slice(0, 3),
        ["192.0.2.7:4433", "2001:db8::7:4433", "169.254.169.254:4433"],
        outcome.stderr,
      );
      assert.equal(outcome.dialled[3], "127.0.0.1:15001"); // the door itself: reserved
      assert.ok(outcome.queries >= 3);
      assert.deepEqual(outcome.stdout.split("\n"), [
        "19",
        "PermissionError True",
        "19",
        "PermissionError True",
        "no such name",
        "own server",
        "door 15001",
        "",
      ]);
    });

    test("the view is an allow list, and only workspace, home and memory are writable", async () => {
      const outcome = await run(
        who,
        sh(
          "ls /; for p in / /etc /dev /usr /run /proc /opt; do touch $p/x 2>/dev/null && echo WRITABLE $p; done; touch $HOME/x /tmp/x /dev/shm/x x && echo ok; cat /etc/shadow /etc/ssl/private/* 2>&1 | head -1; ls /root /sys /home 2>&1; cat /etc/resolv.conf",
        ),
      );
      assert.doesNotMatch(outcome.stdout, /WRITABLE/);
      assert.match(outcome.stdout, /\nok\n/);
      assert.match(outcome.stdout, /nameserver 198\.18\.255\.53\nnameserver fd00::53/);
      assert.doesNotMatch(outcome.stdout.split("ok")[0] ?? "", /\b(root|sys|boot|srv|mnt|media)\b/);
      assert.ok(existsSync(join(outcome.base, "workspace", "x")));
    });

    test("the environment is made anew, also for the cell's first process, and no proxy is ever in it", async () => {
      const outcome = await run(
        who,
        sh("env; tr '\\0' '\\n' < /proc/1/environ", { env: { GIVEN: "yes", https_proxy: "http://x", NO_PROXY: "*" } }),
      );
      assert.match(outcome.stdout, /^GIVEN=yes$/m);
      assert.doesNotMatch(outcome.stdout, /proxy=/i);
      assert.doesNotMatch(outcome.stdout, /NODE_CHANNEL|CELL/);
    });

    test("no descriptor but three is the agent's, and its session keyring is new", async () => {
      const outcome = await run(who, sh("ls /proc/self/fd | tr '\\n' ' '; cat /proc/keys | wc -l"));
      assert.equal(outcome.stdout.split(" ").slice(0, 3).join(" "), "0 1 2");
      assert.ok(outcome.stdout.trim().split(" ").length <= 5, outcome.stdout);
    });

    test("no namespace, mount or foreign socket can be made; with nested sandboxes allowed, one can", async () => {
      const script =
        "unshare -Ur true 2>/dev/null && echo NESTED; unshare -n true 2>/dev/null && echo NET; mount -t tmpfs x /tmp 2>/dev/null && echo MOUNTED; python3 -c 'import socket; socket.socket(40, 1)' 2>&1 | tail -1; nft list ruleset 2>&1 | head -1; true";
      const denied = await run(who, sh(script));
      assert.doesNotMatch(denied.stdout, /NESTED|NET|MOUNTED|table/);
      assert.match(denied.stdout, /Address family not supported/);
      const allowed = await run(who, sh(script, { nestedSandbox: true }));
      assert.match(allowed.stdout, /NESTED/);
      assert.doesNotMatch(allowed.stdout, /table/);
    });

    test("what the host would run later stays as it was, and of git's configuration only data comes back", async () => {
      const base = place(who);
      const workspace = join(base, "workspace");
      const git = (...args: string[]) =>
        execFileSync("git", ["-C", workspace, ...args], {
          encoding: "utf8",
          env: { PATH: "/usr/bin:/bin", HOME: base },
          ...(who.uid === null ? {} : { uid: who.uid, gid: who.uid }),
        });
      git("init", "-q");
      mkdirSync(join(workspace, ".vscode"));
      const outcome = await run(who, {
        base,
        ...sh(`
        echo x > .git/hooks/pre-commit; mv .git .g2; mv .vscode .v2; touch .vscode/tasks.json; rm -rf .vscode
        echo evil > .envrc; mkdir -p .github/workflows; echo evil > .github/workflows/x.yml; ln -s /etc .mcp.json;
        git config core.fsmonitor evil; git config user.name Agent; git remote add origin https://example.com/x.git; git remote add bad 'ext::sh -c evil'
        git config alias.st '!evil'; touch kept; echo y > .git/commondir`),
      });
      for (const name of [
        ".envrc",
        ".github/workflows",
        ".mcp.json",
        ".git/hooks/pre-commit",
        ".git/commondir",
        ".vscode/tasks.json",
      ])
        assert.equal(lstatSync(join(workspace, name), { throwIfNoEntry: false }), undefined, name);
      assert.ok(existsSync(join(workspace, ".vscode")) && existsSync(join(workspace, "kept")));
      const config = git("config", "--local", "--list");
      assert.match(config, /user\.name=Agent\n/);
      assert.match(config, /remote\.origin\.url=https:\/\/example\.com\/x\.git\n/);
      assert.doesNotMatch(config, /fsmonitor|alias|ext::/);
      const told = outcome.restored.map((entry) => `${entry.action} ${entry.path} ${entry.keys.join(",")}`).join("\n");
      assert.match(told, /config_filtered \.git\/config .*core\.fsmonitor/);
      assert.match(told, /removed \.envrc/);
      assert.ok(readdirSync(base).includes("scratch"));
    });

    test("a repository that the agent makes comes without hooks and programs", async () => {
      const outcome = await run(
        who,
        sh(
          "git init -q; git config core.sshCommand evil; git config user.email a@b; echo x > .git/hooks/post-checkout; true",
        ),
      );
      const config = readFileSync(join(outcome.base, "workspace/.git/config"), "utf8");
      assert.doesNotMatch(config, /sshcommand/i);
      assert.match(config, /email/);
      assert.ok(!existsSync(join(outcome.base, "workspace/.git/hooks/post-checkout")));
    });

    test("processes, memory file systems, open files, file size and core dumps are limited", async () => {
      const limits = { processes: 40, temporary: 8 * 2 ** 20, openFiles: 64, fileSize: 4 * 2 ** 20 };
      const outcome = await run(who, {
        limits,
        command: [
          "python3",
          "-c",
          `
import os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def most(f):
    n = 0
    try:
        while n < 5000: f(n); n += 1
    except OSError as e: print(e.errno, end=" ")
    return n
for path, chunk in (("/tmp/", 2**20), ("/dev/shm/", 2**20)):
    print(path, most(lambda n: open(path + str(n), "wb").write(b"x" * chunk)))
print("size", most(lambda n: open("big", "ab").write(b"x" * 2**20)))
files = []
print("files", most(lambda n: files.append(os.open("/dev/null", 0))))
for f in files: os.close(f)
def fork(n):
    if os.fork() == 0: signal.pause()
print("forks", most(fork))
`,
        ],
      });
      const lines = outcome.stdout.trim().split("\n");
      assert.match(lines[0] ?? "", /^28 \/tmp\/ 8$/, outcome.stderr);
      assert.match(lines[1] ?? "", /^28 \/dev\/shm\/ 8$/);
      assert.match(lines[2] ?? "", /^27 size 4$/);
      assert.match(lines[3] ?? "", /^24 files 6\d$/);
      const forks = Number(/^11 forks (\d+)$/.exec(lines[4] ?? "")?.[1]);
      assert.ok(forks > 20 && forks < 40, outcome.stdout);
    });

    test("more memory than allowed is not had by the whole tree", async () => {
      const outcome = await run(who, {
        limits: { memory: 256 * 2 ** 20 },
        command: [
          "python3",
          "-c",
          "import os, time\nfor i in range(3): os.fork()\nb = bytearray(100 * 2**20)\nfor at in range(0, len(b), 4096): b[at] = 1\ntime.sleep(3)\nprint('held')",
        ],
      });
      assert.ok((outcome.stdout.match(/held/g) ?? []).length < 4, outcome.stdout);
    });

    test("a terminal is the agent's own: it leads its session, has its size, and Ctrl-C reaches it", async () => {
      const size = { columns: 91, rows: 33 };
      const outcome = await run(who, {
        ...sh("stty size; tty; [ -t 0 ] && [ -t 2 ] && echo terminal; ps -o pid=,sid=,tpgid= -p $$"),
        terminal: size,
      });
      assert.match(outcome.stdout, /33 91\r\n/);
      assert.match(outcome.stdout, /terminal\r\n/);
      assert.match(outcome.stdout, /(\d+) +\1 +\1/);
      const interrupted = await run(who, {
        ...sh("trap 'echo caught; exit 5' INT; echo; sleep 5 & wait"),
        terminal: size,
        input: "\x03",
      });
      assert.ok(interrupted.code === 5 || interrupted.code === 130, JSON.stringify(interrupted));
    });

    test("nothing survives the agent's end: not what daemonised twice, not what ignores every signal", async () => {
      const marker = `left-${process.pid}-${who.uid ?? "own"}`;
      await run(
        who,
        sh(
          `trap '' TERM HUP INT; (setsid sh -c 'trap "" TERM HUP INT; (setsid sleep 1000 ${marker} >/dev/null 2>&1 &) ; sleep 1000' >/dev/null 2>&1 &); exit 0`,
          { env: { MARKER: marker } },
        ),
      );
      await nothingLeft(marker);
    });

    test("kill -9 at any moment of starting or running leaves no process and no namespace", async () => {
      const before = strangers();
      const marker = `killed-${process.pid}-${who.uid ?? "own"}`;
      const base = place(who);
      for (let at = 0; at < 36; at++) {
        const child = launch(who, {
          base,
          ...sh("(setsid sleep 1000 &) ; setsid sleep 1000", { env: { MARKER: marker } }),
        });
        await new Promise((resolve) => setTimeout(resolve, 15 + at * 9));
        child.kill("SIGKILL");
        await new Promise((resolve) => child.once("exit", resolve));
      }
      await nothingLeft(marker);
      await nothingLeft(base);
      const until = Date.now() + 10_000;
      const left = () =>
        [...strangers()].filter(
          ([pid, line]) => !before.has(pid) && /bwrap|cell|unshare|network-ready/.test(line) && line.includes(marker),
        );
      while (left().length > 0) {
        assert.ok(Date.now() < until, JSON.stringify(left()));
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.doesNotMatch(readFileSync("/proc/self/mountinfo", "utf8"), new RegExp(base));
      // Nobody was left to put the workspace right: the note that the next run reads stays.
      const folders = readdirSync(base).filter((name) => name !== "running");
      assert.deepEqual(folders.sort(), ["home", "scratch", "workspace"]);
    });
  });
}
