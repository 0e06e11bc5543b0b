// The first process of a cell: inside the new user and network namespace it opens the doors' listeners, hands them
// to the supervisor over Node's IPC channel, and turns into bubblewrap with execve. It runs as text (`--eval`), so that
// a cell's user need not be able to reach sallyport's folder.
// Rules: no import but node's own; nothing is read but the supervisor's messages; whatever fails ends the process; when
// the supervisor goes away, at any moment, so does this process (PDEATHSIG, and the channel's end).
// Descriptors it is given: 0–2 the agent's, 3 IPC, 4 status (a socket to the supervisor), 5 koffi's addon.

const net = process.getBuiltinModule("node:net");
const dgram = process.getBuiltinModule("node:dgram");

const STATUS = 4;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const F_SETFD = 2;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const number = {
  x64: { keyctl: 250, close_range: 436, open_tree: 428, move_mount: 429, mount_setattr: 442 },
  arm64: { keyctl: 219, close_range: 436, open_tree: 428, move_mount: 429, mount_setattr: 442 },
}[process.arch];

/** @param {unknown} error */
const fail = (error) => {
  try {
    process.send?.({ kind: "failed", message: String(error) }, () => process.exit(125));
  } catch {
    process.exit(125);
  }
};
process.on("uncaughtException", fail);
process.on("disconnect", () => process.exit(125));

const [ports, ipv6] = [{ tcp: Number(process.argv[1]), dns: Number(process.argv[2]) }, process.argv[3] === "6"];

/** @param {string} kind @param {number} port */
const listen = (kind, port) => {
  const server = net.createServer({ pauseOnConnect: true });
  server.on("error", fail);
  // Without a host, Node takes :: or, where there is no IPv6, 0.0.0.0; given one, it would load its resolver first.
  server.listen({ port, backlog: 4096 }, () => process.send?.({ kind }, server));
};

// The address exists once `ip` has brought lo up, which happens meanwhile.
/** @param {"udp4" | "udp6"} kind @param {string} address @param {number} left */
const bind = (kind, address, left = 2000) => {
  // The address is literal: Node need not load its resolver to find that out.
  const socket = dgram.createSocket({ type: kind, lookup: (host, _, found) => found(null, host, 0) });
  socket.on("error", (error) => {
    socket.close();
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EADDRNOTAVAIL" && left > 0)
      setTimeout(bind, 1, kind, address, left - 1);
    else fail(error);
  });
  socket.bind(ports.dns, address, () => process.send?.({ kind }, socket));
};

listen("tcp", ports.tcp);
listen("dns", ports.dns);
bind("udp4", "127.0.0.1");
if (ipv6) bind("udp6", "::1");

/** @type {{ exports: any }} */
const addon = { exports: {} };
process.dlopen(addon, "/proc/self/fd/5");
const koffi = addon.exports;
const c = koffi.load(null);
const prctl = c.func("int prctl(int option, long a, long b, long c, long d)");
const fcntl = c.func("int fcntl(int fd, int command, long value)");
const signal = c.func("void *signal(int number, void *handler)");
const setrlimit = c.func("int setrlimit(int resource, uint64_t *limits)");
const write = c.func("long write(int fd, const uint8_t *data, size_t length)");
const lseek = c.func("long lseek(int fd, long offset, int whence)");
const call = c.func("long syscall(long number, long a, long b, long c, long d, long e)");
const path = c.func(
  "long syscall(long number, long folder, const char *from, long to, const char *target, long flags)",
);
const setattr = c.func(
  "long syscall(long number, long fd, const char *path, long flags, uint8_t *attributes, size_t size)",
);
const mountCall = c.func(
  "int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)",
);
const recvmsg = c.func("long recvmsg(int fd, uint8_t *message, int flags)");
const memfdCreate = c.func("int memfd_create(const char *name, unsigned int flags)");

/** @param {number} result @param {string} what */
const must = (result, what) => {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
};

must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl");
// A supervisor that died before that line sends no signal, and its channel's end is not told either while a door that was
// sent waits for its receipt: but then the parent is another one already.
if (process.ppid !== Number(process.argv[4])) process.exit(125);
// The keys of the caller's session are unreachable from here on. A kernel without keyrings has none to hide.
call(number.keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
/** @param {Uint8Array} bytes */
const memory = (bytes) => {
  const fd = must(memfdCreate("cell", 0), "memfd_create");
  for (let at = 0; at < bytes.length; ) at += must(write(fd, bytes.subarray(at), bytes.length - at), "write");
  must(lseek(fd, 0, 0), "lseek");
  return fd;
};

/** One descriptor from the status socket (SCM_RIGHTS in a struct msghdr of one byte and one control message). */
const receive = () => {
  const [byte, vector, control, header] = [Buffer.alloc(1), Buffer.alloc(16), Buffer.alloc(24), Buffer.alloc(56)];
  vector.writeBigUInt64LE(koffi.address(byte), 0);
  vector.writeBigUInt64LE(1n, 8);
  header.writeBigUInt64LE(koffi.address(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(koffi.address(control), 32);
  header.writeBigUInt64LE(24n, 40);
  if (must(recvmsg(STATUS, header, 0), "recvmsg") !== 1 || control.readInt32LE(12) !== 1)
    throw new Error("no mount came");
  return control.readInt32LE(16);
};

/** @param {any[]} mounts */
const stage = (mounts) => {
  const fs = process.getBuiltinModule("node:fs");
  const [AT_FDCWD, F_EMPTY_PATH] = [-100, 4];
  if (mounts.length > 0) must(mountCall("tmpfs", "/sys", "tmpfs", 0, "size=1m,mode=0755"), "mount");
  mounts.forEach((mount, at) => {
    let fd = -1;
    if (mount.kind === "received") {
      fd = receive();
      if (mount.directory) fs.mkdirSync(mount.path);
      else fs.writeFileSync(mount.path, "");
    } else {
      const link = `/sys/link-${at}`;
      fs.symlinkSync(mount.to, link);
      fd = must(
        path(number.open_tree, AT_FDCWD, link, 0x101 /* OPEN_TREE_CLONE | AT_SYMLINK_NOFOLLOW */, "", 0),
        "open_tree",
      );
      // With both flags already set, bubblewrap does not set them through the link.
      const attributes = Buffer.alloc(32);
      attributes.writeBigUInt64LE(6n /* MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV */, 0);
      must(setattr(number.mount_setattr, fd, "", 0x1000 /* AT_EMPTY_PATH */, attributes, 32), "mount_setattr");
    }
    must(path(number.move_mount, fd, "", AT_FDCWD, mount.path, F_EMPTY_PATH), `move_mount ${mount.path}`);
  });
};

process.once("message", (message) => {
  const go = /** @type {any} */ (message);
  stage(go.mounts);
  // Everything above the status descriptor closes at the execve; what bubblewrap needs is made after this.
  must(call(number.close_range, 5, 0xffffffff, 4 /* CLOSE_RANGE_CLOEXEC */, 0, 0), "close_range");
  must(fcntl(STATUS, F_SETFD, 0), "F_SETFD");
  const fds = go.data.map((/** @type {string} */ data) => memory(Buffer.from(data, "base64")));
  const options = go.args.map((/** @type {string | number} */ arg) =>
    typeof arg === "number" ? String(fds[arg]) : arg,
  );
  const list = memory(Buffer.from(options.map((/** @type {string} */ arg) => `${arg}\0`).join("")));
  for (const { path, text } of go.sysctls) process.getBuiltinModule("node:fs").writeFileSync(path, text);
  for (const [resource, soft, hard] of go.limits)
    must(setrlimit(resource, BigUint64Array.of(BigInt(soft), BigInt(hard))), `setrlimit ${resource}`);
  // What Node ignores the agent must not: SIGPIPE and SIGXFSZ end a program that expects nothing else.
  for (let number = 1; number < 32; number++) signal(number, null);
  // From here bubblewrap lives without PDEATHSIG until it sets its own: a child of its that is still being set up would
  // survive it, for ever. If the supervisor goes away now, the cell's first program finds nobody to answer it, and ends.
  must(prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0), "prctl");
  if (!process.connected) process.exit(125);
  process.execve(go.bwrap, ["bwrap", "--args", String(list), "--", ...go.command], go.env);
});
process.send?.({ kind: "ready" });
