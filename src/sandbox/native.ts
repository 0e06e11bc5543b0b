// The C library, called directly: what Node has no function for (pipe2, ioctl, getsockopt, mount_setattr, …).
// koffi's native addon is loaded without its JavaScript: 1 ms instead of 7, on the path of every start.
// Rules: one table of functions; every caller checks the result; nothing here keeps state but the loaded library.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Failure } from "#core/failure.ts";

interface Library {
  func(prototype: string): (...values: unknown[]) => number;
}

interface Koffi {
  load(path: string | null): Library;
  errno(): number;
  address(buffer: Buffer): bigint;
}

/** Where koffi's addon for this machine is: glibc's, or musl's where that is the C library. */
export function nativeAddon(): string {
  const name = `@koromix/koffi-linux-${process.arch}`;
  try {
    const musl = existsSync(`/lib/ld-musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`);
    const glibc = existsSync("/lib64/ld-linux-x86-64.so.2") || existsSync("/lib/ld-linux-aarch64.so.1");
    const file = join(`${musl && !glibc ? "musl" : "linux"}_${process.arch}`, "koffi.node");
    const near = addonNear(join(name, file));
    if (near !== null) return near;
    const koffi = createRequire(import.meta.url).resolve("koffi");
    return join(dirname(createRequire(koffi).resolve(name)), file);
  } catch (cause) {
    throw new Failure("platform_unsupported", `the native part of koffi (${name}) is not installed`, {
      remedy: "Install sallyport with its optional dependencies: npm install without --omit=optional",
      cause,
    });
  }
}

/** Where npm puts it, found in some hundred microseconds; Node's own search takes two milliseconds before each cell. */
function addonNear(file: string): string | null {
  for (let at = import.meta.dirname; ; at = dirname(at)) {
    const koffi = join(at, "node_modules", "koffi");
    if (existsSync(koffi)) {
      const found = [join(koffi, "node_modules", file), join(at, "node_modules", file)].find((path) =>
        existsSync(path),
      );
      return found ?? null;
    }
    if (at === dirname(at)) return null;
  }
}

export interface Native {
  readonly pipe2: (ends: number[], flags: number) => number;
  readonly getsockopt: (fd: number, level: number, option: number, value: Buffer, length: number[]) => number;
  readonly ioctl: (fd: number, request: number, value: Buffer | null) => number;
  readonly ioctlValue: (fd: number, request: number, value: number) => number;
  readonly open: (path: string, flags: number, mode: number) => number;
  readonly syscallPath: (number: number, folder: number, path: string, flags: number) => number;
  readonly mountSetattr: (
    number: number,
    fd: number,
    path: string,
    flags: number,
    attributes: Buffer,
    size: number,
  ) => number;
  readonly sendmsg: (fd: number, message: Buffer, flags: number) => number;
  readonly recvmsg: (fd: number, message: Buffer, flags: number) => number;
  readonly socketpair: (domain: number, type: number, protocol: number, ends: number[]) => number;
  readonly setsockopt: (fd: number, level: number, option: number, value: Buffer, length: number) => number;
  readonly bind: (fd: number, address: Buffer, length: number) => number;
  readonly listen: (fd: number, backlog: number) => number;
  readonly fcntl: (fd: number, command: number, value: number) => number;
  readonly memfdCreate: (name: string, flags: number) => number;
  readonly waitpid: (pid: number, status: number[], options: number) => number;
  readonly posixSpawn: (
    pid: number[],
    path: string,
    actions: Buffer,
    attributes: Buffer,
    argv: Buffer,
    env: Buffer,
  ) => number;
  readonly spawnAttributesInit: (attributes: Buffer) => number;
  readonly spawnSetFlags: (attributes: Buffer, flags: number) => number;
  readonly spawnSetDefaults: (attributes: Buffer, signals: Buffer) => number;
  readonly spawnSetMask: (attributes: Buffer, signals: Buffer) => number;
  readonly spawnActionsInit: (actions: Buffer) => number;
  readonly spawnActionsDestroy: (actions: Buffer) => number;
  readonly spawnDup2: (actions: Buffer, from: number, to: number) => number;
  readonly spawnOpen: (actions: Buffer, fd: number, path: string, flags: number, mode: number) => number;
  readonly exit: (code: number) => number;
  /** Null where the C library has none (musl). */
  readonly mallocTrim: ((pad: number) => number) | null;
  readonly address: (buffer: Buffer) => bigint;
  readonly errno: () => number;
}

let loaded: Native | null = null;
let library: Library | null = null;

/** The functions; the library is loaded by the first call. Throws Failure platform_unsupported. */
export function native(): Native {
  if (loaded !== null) return loaded;
  const path = nativeAddon();
  const module = { exports: {} as Koffi };
  try {
    process.dlopen(module, path);
  } catch (cause) {
    throw new Failure("platform_unsupported", "koffi's native addon does not load on this machine", {
      place: path,
      remedy: "Install sallyport again on this machine: the addon must match its processor and C library.",
      cause,
    });
  }
  const koffi = module.exports;
  const c = koffi.load(null);
  library = c;
  loaded = {
    pipe2: c.func("int pipe2(_Out_ int *ends, int flags)"),
    getsockopt: c.func("int getsockopt(int fd, int level, int option, _Out_ uint8_t *value, _Inout_ uint32_t *length)"),
    ioctl: c.func("int ioctl(int fd, unsigned long request, _Inout_ uint8_t *value)"),
    ioctlValue: c.func("int ioctl(int fd, unsigned long request, long value)"),
    open: c.func("int open(const char *path, int flags, int mode)"),
    syscallPath: c.func("int syscall(long number, long folder, const char *path, long flags)"),
    mountSetattr: c.func(
      "int syscall(long number, long fd, const char *path, long flags, uint8_t *attributes, size_t size)",
    ),
    sendmsg: c.func("long sendmsg(int fd, const uint8_t *message, int flags)"),
    recvmsg: c.func("long recvmsg(int fd, uint8_t *message, int flags)"),
    socketpair: c.func("int socketpair(int domain, int type, int protocol, _Out_ int *ends)"),
    setsockopt: c.func("int setsockopt(int fd, int level, int option, const uint8_t *value, uint32_t length)"),
    bind: c.func("int bind(int fd, const uint8_t *address, uint32_t length)"),
    listen: c.func("int listen(int fd, int backlog)"),
    fcntl: c.func("int fcntl(int fd, int command, long value)"),
    memfdCreate: c.func("int memfd_create(const char *name, unsigned int flags)"),
    waitpid: c.func("int waitpid(int pid, _Out_ int *status, int options)"),
    posixSpawn: c.func(
      "int posix_spawn(_Out_ int *pid, const char *path, uint8_t *actions, uint8_t *attributes, uint8_t *argv, uint8_t *env)",
    ),
    spawnAttributesInit: c.func("int posix_spawnattr_init(uint8_t *attributes)"),
    spawnSetFlags: c.func("int posix_spawnattr_setflags(uint8_t *attributes, short flags)"),
    spawnSetDefaults: c.func("int posix_spawnattr_setsigdefault(uint8_t *attributes, const uint8_t *signals)"),
    spawnSetMask: c.func("int posix_spawnattr_setsigmask(uint8_t *attributes, const uint8_t *signals)"),
    spawnActionsInit: c.func("int posix_spawn_file_actions_init(uint8_t *actions)"),
    spawnActionsDestroy: c.func("int posix_spawn_file_actions_destroy(uint8_t *actions)"),
    spawnDup2: c.func("int posix_spawn_file_actions_adddup2(uint8_t *actions, int from, int to)"),
    spawnOpen: c.func(
      "int posix_spawn_file_actions_addopen(uint8_t *actions, int fd, const char *path, int flags, unsigned int mode)",
    ),
    exit: c.func("int _exit(int code)"),
    mallocTrim: path.includes("musl_") ? null : c.func("int malloc_trim(size_t pad)"),
    address: (buffer) => koffi.address(buffer),
    errno: () => koffi.errno(),
  };
  return loaded;
}

/** A function that few runs need, looked up when it is. Throws Failure platform_unsupported. */
export function nativeFunction<F extends (...values: never[]) => number>(prototype: string): F {
  native();
  return (library as Library).func(prototype) as unknown as F;
}

/**
 * Ends this process at once. Node's own end takes its threads and its heap apart first, which the kernel does anyway: some
 * milliseconds at the end of every run. MUST be called only when everything is written and no child is left.
 */
export function endProcess(code: number): void {
  native().exit(code);
}
