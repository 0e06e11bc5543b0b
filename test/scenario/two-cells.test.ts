// Two agents at once never meet: not by the network, published ports included, nor by files, processes, shared memory or
// sockets. What one offers to all who could come, the other tries.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { collect, openPlace, type Place } from "./program.ts";

let one: Place;
let other: Place;
before(() => {
  one = openPlace("one");
  other = openPlace("other");
});
after(() => {
  one?.close();
  other?.close();
});

/** Offers itself on everything an agent has: TCP of every address, an abstract socket, files, memory, a message queue. */
const offer = `
import ctypes, mmap, os, socket, sys, threading
port = int(sys.argv[1])
def serve(s):
    def loop():
        while True:
            c, _ = s.accept()
            c.sendall(b"MET"); c.close()
    threading.Thread(target=loop, daemon=True).start()
a = socket.socket(); a.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); a.bind(("0.0.0.0", port)); a.listen(); serve(a)
b = socket.socket(socket.AF_INET6); b.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1); b.bind(("::", port)); b.listen(); serve(b)
c = socket.socket(socket.AF_UNIX); c.bind("\\0sallyport-meeting-" + str(port)); c.listen(); serve(c)
d = socket.socket(socket.AF_UNIX); d.bind("/tmp/meeting-%d" % port); d.listen(); serve(d)
open("/tmp/meeting-file-%d" % port, "w").write("MET")
open("/dev/shm/meeting-%d" % port, "w").write("MET")
libc = ctypes.CDLL(None)
libc.shmget(0x5A000000 + port, 4096, 0o1666)
libc.msgget(0x5A000000 + port, 0o1666)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(("0.0.0.0", port))
print("ready", flush=True)
threading.Event().wait()
`;

/** Tries each of them, and prints what it reached. */
const seek = `
import ctypes, glob, os, socket, sys
port, published = int(sys.argv[1]), int(sys.argv[2])
def dial(name, family, address):
    s = socket.socket(family); s.settimeout(3)
    try:
        s.connect(address)
        got = s.recv(3)
        if got == b"MET": print("reached", name)
    except OSError: pass
    finally: s.close()
for at in ("127.0.0.1", "127.0.0.2", "0.0.0.0", "198.18.0.2", "10.0.2.2", "192.168.1.1"):
    for p in (port, published): dial("%s:%d" % (at, p), socket.AF_INET, (at, p))
for at in ("::1", "::", "::ffff:127.0.0.1"):
    for p in (port, published): dial("[%s]:%d" % (at, p), socket.AF_INET6, (at, p))
for p in (port, published):
    try: dial("host.sallyport.internal:%d" % p, socket.AF_INET, (socket.gethostbyname("host.sallyport.internal"), p))
    except OSError: pass
dial("abstract", socket.AF_UNIX, "\\0sallyport-meeting-" + str(port))
dial("socket file", socket.AF_UNIX, "/tmp/meeting-%d" % port)
for path in ("/tmp/meeting-file-%d" % port, "/dev/shm/meeting-%d" % port):
    if os.path.exists(path): print("reached", path)
for pid in [p for p in os.listdir("/proc") if p.isdigit()]:
    try: line = open("/proc/%s/cmdline" % pid, "rb").read()
    except OSError: continue
    if b"sallyport-meeting" in line: print("saw process", pid)
if "meeting-%d" % port in open("/proc/net/unix").read(): print("saw its socket")
libc = ctypes.CDLL(None)
if libc.shmget(0x5A000000 + port, 4096, 0) >= 0: print("reached shm")
if libc.msgget(0x5A000000 + port, 0) >= 0: print("reached msg")
for pid in range(1, 40):
    try: os.kill(pid, 0)
    except ProcessLookupError: continue
    except PermissionError: print("saw", pid); continue
print("sought")
`;

/** Runs the seeking program against an offer; gives what it said. */
async function meet(where: Place, publish: boolean): Promise<string> {
  const [port, published] = [20_000 + Math.floor(Math.random() * 20_000), await freePort()];
  writeFileSync(join(one.workspace, "offer.py"), offer);
  const flags = publish ? ["--publish", `${published}:${port}`] : [];
  const host = one.start(["run", ...flags, "--", "/usr/bin/python3", "offer.py", String(port)]);
  await once(host.stdout as NodeJS.ReadableStream, "data");
  if (publish) {
    // It is there: the host meets it.
    const said = execFileSync("/usr/bin/python3", [
      "-c",
      `import socket; s=socket.create_connection(("127.0.0.1",${published})); print(s.recv(3).decode())`,
    ]);
    assert.equal(String(said), "MET\n");
  }
  writeFileSync(join(where.workspace, "seek.py"), seek);
  const ran = await where.run(["run", "--", "/usr/bin/python3", "seek.py", String(port), String(published)]);
  const alive = collect(host);
  host.kill("SIGTERM");
  await alive;
  return ran.stdout;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, "close");
  return port;
}

test("in one cell the two programs do meet, on every way that they try", async () => {
  writeFileSync(join(one.workspace, "offer.py"), offer);
  writeFileSync(join(one.workspace, "seek.py"), seek);
  const script = "/usr/bin/python3 offer.py 23456 | { read ready; /usr/bin/python3 seek.py 23456 23456; kill -9 -1; }";
  const { stdout } = await one.run(["run", "--", "bash", "-c", script]);
  for (const way of [
    "127.0.0.1:23456",
    "[::1]:23456",
    "abstract",
    "socket file",
    "/tmp/meeting-file-23456",
    "/dev/shm/",
    "shm",
    "msg",
  ])
    assert.match(stdout, new RegExp(`reached ${way.replace(/[[\].]/g, "\\$&")}`));
  assert.match(stdout, /saw its socket/);
});

test("an agent finds nothing of another's, of another home", async () => {
  assert.equal(await meet(other, false), "sought\n");
});

test("nor of its own home's, in the same folder", async () => {
  assert.equal(await meet(one, false), "sought\n");
});

test("a port that is shown to the host is not shown to other cells", async () => {
  assert.equal(await meet(other, true), "sought\n");
  assert.equal(await meet(one, true), "sought\n");
});

test("two servers on the same port do not disturb each other, and each is published as its own", async () => {
  const ports = [await freePort(), await freePort()];
  const serve = (name: string) =>
    `require("http").createServer((q, s) => s.end("${name}")).listen(3000, () => console.log("ready"))`;
  const children = [one, other].map((place, at) =>
    place.start(["run", "--publish", `${ports[at]}:3000`, "--", process.execPath, "-e", serve(`cell ${at}`)]),
  );
  await Promise.all(children.map((child) => once(child.stdout as NodeJS.ReadableStream, "data")));
  const said = ports.map((port) =>
    String(execFileSync("curl", ["-sS", "--noproxy", "*", "--max-time", "10", `http://127.0.0.1:${port}/`])),
  );
  assert.deepEqual(said, ["cell 0", "cell 1"]);
  for (const child of children) {
    child.kill("SIGTERM");
    await once(child, "close");
  }
});
