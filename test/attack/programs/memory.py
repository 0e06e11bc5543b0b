"""Takes memory past the cell's limit in one of many ways, and says `had` with a second to spare if it can hold it all.

Words: the world's file, the way, and how many mebibytes.
"""

import ctypes
import json
import mmap
import os
import signal
import sys
import time

way, mebibytes = sys.argv[2], int(sys.argv[3])
MIB = 1 << 20
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
held = []


def private(count):
    for _ in range(count // 16):
        held.append(mmap.mmap(-1, 16 * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        held[-1].write(b"\1" * (16 * MIB))


def shared(count):
    for _ in range(count // 16):
        held.append(mmap.mmap(-1, 16 * MIB, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS))
        held[-1].write(b"\1" * (16 * MIB))


def memory_files(count):
    """Written, never mapped: no process has a page of them."""
    for _ in range(count // 64):
        held.append(os.memfd_create("x"))
        for _ in range(64):
            os.write(held[-1], b"\1" * MIB)


def system_v(count):
    """Segments that nobody is attached to."""
    for _ in range(count // 16):
        segment = libc.shmget(0, ctypes.c_size_t(16 * MIB), 0o1600)
        if segment < 0:
            raise OSError(ctypes.get_errno(), "shmget")
        address = libc.shmat(segment, None, 0)
        ctypes.memset(address, 1, 16 * MIB)
        libc.shmdt(ctypes.c_void_p(address))


def files(count):
    """Half in /tmp, half in /dev/shm, until they are full; then the rest as pages of its own."""
    left = count
    for folder in ("/tmp", "/dev/shm"):
        with open(f"{folder}/fill", "wb", buffering=0) as file:
            try:
                while left > 0:
                    left -= file.write(b"\1" * MIB) // MIB
            except OSError:
                continue
    private(left)


def spread(count):
    """Over eight processes, each a decent one."""
    pipes = []
    for _ in range(8):
        out, into = os.pipe()
        if os.fork() == 0:
            private(count // 8)
            os.write(into, b"x")
            while True:
                signal.pause()
        os.close(into)
        pipes.append(out)
    for out in pipes:
        if not os.read(out, 1):
            raise OSError("one of them died")


print(json.dumps({"netns": os.readlink("/proc/self/ns/net")}), flush=True)
try:
    {"private": private, "shared": shared, "memory files": memory_files, "System V": system_v, "files": files, "spread": spread}[way](mebibytes)
    time.sleep(1)
    print("had", flush=True)
except (OSError, MemoryError, ValueError) as error:
    print("refused", error, flush=True)
