// Makes sockets inside a cell's network namespace and hands them to sallyport, which connects them: a socket belongs to the
// namespace it was made in, whoever holds it. It runs as text (`--eval`) below nsenter, outside the cell's own pid and mount
// namespaces, for some milliseconds.
// Rules: nothing is read but the arguments (family, count); no socket is connected here; whatever fails ends it.
// Descriptors it is given: 3 a socket to sallyport, 4 koffi's addon.

const [family, count] = [Number(process.argv[1]), Number(process.argv[2])];
const SOCK_STREAM_CLOEXEC = 0o2000001;
const [SOL_SOCKET, SCM_RIGHTS] = [1, 1];

/** @type {{ exports: any }} */
const addon = { exports: {} };
process.dlopen(addon, "/proc/self/fd/4");
const koffi = addon.exports;
const c = koffi.load(null);
const makeSocket = c.func("int socket(int family, int type, int protocol)");
const sendmsg = c.func("long sendmsg(int fd, const uint8_t *message, int flags)");
const end = c.func("void _exit(int code)");

const control = Buffer.alloc(16 + count * 4);
control.writeBigUInt64LE(BigInt(16 + count * 4), 0);
control.writeInt32LE(SOL_SOCKET, 8);
control.writeInt32LE(SCM_RIGHTS, 12);
for (let at = 0; at < count; at++) {
  const fd = makeSocket(family, SOCK_STREAM_CLOEXEC, 0);
  if (fd < 0) throw new Error(`socket: errno ${koffi.errno()}`);
  control.writeInt32LE(fd, 16 + at * 4);
}
const [byte, vector, message] = [Buffer.from("s"), Buffer.alloc(16), Buffer.alloc(56)];
vector.writeBigUInt64LE(koffi.address(byte), 0);
vector.writeBigUInt64LE(1n, 8);
message.writeBigUInt64LE(koffi.address(vector), 16);
message.writeBigUInt64LE(1n, 24);
message.writeBigUInt64LE(koffi.address(control), 32);
message.writeBigUInt64LE(BigInt(control.length), 40);
end(sendmsg(3, message, 0) === 1 ? 0 : 1);
