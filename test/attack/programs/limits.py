"""Processes, descriptors and disk: taken without end, they end at the cell's limit and the host stays well."""

import errno
import threading

from attack import *

GIB = 1 << 30


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
