"""Memory, processes, descriptors and disk: taken without end, they end at the cell's limit and the host stays well."""

import errno
import mmap
import threading

from attack import *

GIB = 1 << 30


@attack("eight gibibytes of memory", seconds=60)
def memory(canary):
    child = os.fork()
    if child == 0:
        held = []
        try:
            for _ in range(128):
                held.append(mmap.mmap(-1, 64 << 20))
                held[-1].write(b"\1" * (64 << 20))
        except (OSError, MemoryError, ValueError):
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    escaped_if(os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, "eight gibibytes were had")
    return f"status {status}"


@attack("eight gibibytes of memory in four processes", seconds=60)
def memory_spread(canary):
    children = []
    for _ in range(4):
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            held = []
            try:
                for _ in range(32):
                    held.append(mmap.mmap(-1, 64 << 20))
                    held[-1].write(b"\1" * (64 << 20))
            except (OSError, MemoryError, ValueError):
                os._exit(7)
            os.write(into, b"full")
            signal.pause()
        os.close(into)
        children.append((child, out))
    full = sum(os.read(out, 4) == b"full" for _, out in children)
    for child, _ in children:
        try:
            os.kill(child, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.waitpid(child, 0)
    escaped_if(full == 4, "four processes held two gibibytes each at once")
    return f"{full} of 4 were full"


@attack("a fork bomb", seconds=60)
def fork_bomb(canary):
    children = []
    try:
        for _ in range(20_000):
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
        said = "no end"
    except OSError as error:
        said = os.strerror(error.errno)
    count = len(children)
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
    escaped_if(count > 1100, f"{count} processes")
    return f"{count} processes, then {said}"


@attack("threads without end", seconds=60)
def threads(canary):
    threading.stack_size(65536)
    stop = threading.Event()
    started = []
    try:
        for _ in range(20_000):
            thread = threading.Thread(target=stop.wait, daemon=True)
            thread.start()
            started.append(thread)
    except (RuntimeError, MemoryError):
        pass
    count = len(started)
    stop.set()
    escaped_if(count > 1100, f"{count} threads")
    return f"{count} threads"


@each("filling", ["/tmp", "/dev/shm", "/var/tmp"], seconds=60)
def fill(canary, folder):
    written = 0
    path = f"{folder}/fill-{canary}"
    try:
        with open(path, "wb", buffering=0) as file:
            while written < 3 * GIB:
                written += file.write(b"\0" * (1 << 20))
    except OSError as error:
        os.unlink(path) if os.path.exists(path) else None
        check(error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.ENOENT, errno.EROFS, errno.EACCES, errno.ENOMEM), str(error))
        check(written <= 1.1 * GIB, f"{written} bytes were taken")
        return f"{written} bytes, then {error}"
    raise Escaped(f"{written} bytes in {folder}")


@attack("a memory file without end", seconds=60)
def memory_file(canary):
    child = os.fork()
    if child == 0:
        descriptor = os.memfd_create("x")
        try:
            for _ in range(8 * 1024):
                os.write(descriptor, b"\0" * (1 << 20))
        except OSError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    escaped_if(os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0, "eight gibibytes in a memory file")
    return f"status {status}"


@attack("descriptors without end")
def descriptors(canary):
    opened = []
    try:
        for _ in range(2_000_000):
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        check(error.errno in (errno.EMFILE, errno.ENFILE), str(error))
        count = len(opened)
        os.closerange(3 + 8, max(opened) + 1)
        return f"{count} descriptors"
    raise Escaped(f"{len(opened)} descriptors")


@attack("a core dump that tells what was in memory")
def core(canary):
    import resource
    check(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, f"{resource.getrlimit(resource.RLIMIT_CORE)}")
    return "none"


@attack("limits of one's own raised again")
def raise_limits(canary):
    import resource
    for name in ("RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_CORE", "RLIMIT_FSIZE", "RLIMIT_MEMLOCK"):
        limit = getattr(resource, name)
        _, hard = resource.getrlimit(limit)
        if hard == resource.RLIM_INFINITY:
            continue
        try:
            resource.setrlimit(limit, (hard + 1, hard + 1))
        except (OSError, ValueError):
            continue
        raise Escaped(f"{name} above {hard}")
    return "none"


@attack("locking memory and real-time priority")
def priority(canary):
    said = []
    for attempt in (lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)), lambda: os.setpriority(os.PRIO_PROCESS, 0, -20)):
        try:
            attempt()
        except OSError as error:
            said.append(str(error))
            continue
        raise Escaped("priority over the host")
    return said


if __name__ == "__main__":
    main(abreast=1)
