// The first process of a cell: inside the new user and network namespace it opens the doors' listeners, hands them
// to the supervisor over Node's IPC channel, and turns into bubblewrap with execve. It runs as text (`--eval`), so that
// a cell's user need not be able to reach sallyport's folder.
// Rules: no import but node's own; nothing is read but the supervisor's messages; whatever fails ends the process; when
// the supervisor goes away, at any moment, so does this process (PDEATHSIG, and the channel's end).
// Descriptors it is given: 0–2 the agent's, 3 IPC, 4 status (bubblewrap reports there), 5 koffi's addon.

const net = process.getBuiltinModule("node:net");
const dgram = process.getBuiltinModule("node:dgram");

const STATUS = 4;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const F_SETFD = 2;
const F_SETOWN = 8;
const F_SETSIG = 10;
const F_SETFL = 4;
const O_ASYNC = 0o20000;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const number = {
  x64: { keyctl: 250, close_range: 436, memfd_create: 319, move_mount: 429 },
  arm64: { keyctl: 219, close_range: 436, memfd_create: 279, move_mount: 429 },
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
  server.listen({ port, host: ipv6 ? "::" : "0.0.0.0", backlog: 4096 }, () => process.send?.({ kind }, server));
};

// The address exists once `ip` has brought lo up, which happens meanwhile.
/** @param {"udp4" | "udp6"} kind @param {string} address @param {number} left */
const bind = (kind, address, left = 2000) => {
  const socket = dgram.createSocket(kind);
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
const setrlimit = c.func("int setrlimit(int resource, uint64_t *limits)");
const write = c.func("long write(int fd, const uint8_t *data, size_t length)");
const lseek = c.func("long lseek(int fd, long offset, int whence)");
const call = c.func("long syscall(long number, long a, long b, long c, long d, long e)");
const memfdCreate = c.func("int memfd_create(const char *name, unsigned int flags)");

/** @param {number} result @param {string} what */
const must = (result, what) => {
  if (result < 0) throw new Error(`${what}: errno ${koffi.errno()}`);
  return result;
};

must(prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0), "prctl");
// The keys of the caller's session are unreachable from here on. A kernel without keyrings has none to hide.
call(number.keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0);
// Between its clone and its own PDEATHSIG, bubblewrap's child would survive both: the end of the status socket kills
// the whole process group.
must(fcntl(STATUS, F_SETSIG, SIGKILL), "F_SETSIG");
must(fcntl(STATUS, F_SETOWN, -process.pid), "F_SETOWN");
must(fcntl(STATUS, F_SETFL, O_ASYNC), "O_ASYNC");

/** @param {Uint8Array} bytes */
const memory = (bytes) => {
  const fd = must(memfdCreate("cell", 0), "memfd_create");
  for (let at = 0; at < bytes.length; ) at += must(write(fd, bytes.subarray(at), bytes.length - at), "write");
  must(lseek(fd, 0, 0), "lseek");
  return fd;
};

process.once("message", (message) => {
  const go = /** @type {any} */ (message);
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
  if (!process.connected) process.exit(125);
  process.execve(go.bwrap, ["bwrap", "--args", String(list), "--", ...go.command], go.env);
});
process.send?.({ kind: "ready" });
