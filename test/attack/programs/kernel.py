"""System calls, namespaces and processes: what would lead out of the cell below the network."""

import errno
import platform
import subprocess

from attack import *

arm = platform.machine() == "aarch64"
numbers = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "kexec_load": (246, 104), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "open_by_handle_at": (304, 265), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "setns": (308, 268), "fsopen": (430, 430), "open_tree": (428, 428), "move_mount": (429, 429), "mount_setattr": (442, 442), "swapon": (167, 224), "reboot": (169, 142), "acct": (163, 89),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "sethostname": (170, 161), "setdomainname": (171, 162), "quotactl": (179, 60), "syslog": (103, 116), "fanotify_init": (300, 262), "vhangup": (153, 58), "lookup_dcookie": (212, 18),
    "kexec_file_load": (320, 294), "name_to_handle_at": (303, 264), "move_pages": (279, 239), "nfsservctl": (180, 42), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None), "_sysctl": (156, None), "uselib": (134, None), "personality": (135, 92),
}
CLONE = {"user": 0x10000000, "net": 0x40000000, "mount": 0x00020000, "pid": 0x20000000, "ipc": 0x08000000, "uts": 0x04000000, "cgroup": 0x02000000, "time": 0x00000080}


def number(name):
    return numbers[name][1 if arm else 0]


arguments = {
    "io_uring_setup": (8, ctypes.create_string_buffer(256)), "bpf": (0, ctypes.create_string_buffer(128), 128), "perf_event_open": (ctypes.create_string_buffer(bytes([0] * 4 + [112, 0, 0, 0] + [0] * 120)), 0, -1, -1, 0), "userfaultfd": (1,),
    "keyctl": (0, -3, 1), "add_key": (b"user", b"x", b"y", 1, -3), "request_key": (b"user", b"x", 0, -3), "kexec_load": (0, 0, 0, 0), "init_module": (b"", 0, b""), "finit_module": (0, b"", 0), "delete_module": (b"x", 0),
    "mount": (b"tmpfs", b"/tmp", b"tmpfs", 0, 0), "umount2": (b"/proc", 2), "pivot_root": (b"/tmp", b"/tmp"), "chroot": (b"/tmp",), "fsopen": (b"tmpfs", 0), "open_tree": (-100, b"/", 1), "sethostname": (b"x", 1), "setdomainname": (b"x", 1),
    "syslog": (3, ctypes.create_string_buffer(64), 64), "fanotify_init": (0, 0), "swapon": (b"/tmp/x", 0), "acct": (b"/tmp/x",), "iopl": (3,), "ioperm": (0x80, 8, 1), "mount_setattr": (-100, b"/", 0, ctypes.create_string_buffer(32), 32),
    "open_by_handle_at": (3, ctypes.create_string_buffer(128), 0), "quotactl": (0x80000100, 0, 0, 0), "reboot": (0xFEE1DEAD, 672274793, 0, 0), "clock_settime": (0, ctypes.create_string_buffer(16)), "settimeofday": (ctypes.create_string_buffer(16), 0),
    "setns": (os.open("/proc/self/ns/net", os.O_RDONLY), 0), "move_mount": (-1, b"", -100, b"/tmp", 4), "kexec_file_load": (0, 0, 0, 0, 0), "vhangup": (), "personality": (0x0400000,),
}
unimportant = {"name_to_handle_at", "move_pages", "nfsservctl", "lookup_dcookie", "modify_ldt", "_sysctl", "uselib", "personality", "io_uring_enter", "io_uring_register"}


@each("the system call", [name for name in numbers if name not in unimportant and number(name) is not None])
def system_call(canary, name):
    result = call(number(name), *[argument if not isinstance(argument, int) else ctypes.c_long(argument) for argument in arguments.get(name, ())])
    raise Escaped(f"{name} answered {result}")


@each("libc falls back when it hears ENOSYS of", ["io_uring_setup", "bpf", "userfaultfd", "keyctl", "perf_event_open"])
def no_such_call(canary, name):
    try:
        call(number(name), *[argument if not isinstance(argument, int) else ctypes.c_long(argument) for argument in arguments[name]])
    except OSError as error:
        check(error.errno == errno.ENOSYS, f"{error}")
        return error
    raise Escaped(name)


@each("the terminal's ioctl", {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCSTI with high bits": 0x1_0000_5412, "TIOCLINUX with high bits": 0x7000_0000_541C})
def terminal(canary, name):
    request = {"TIOCSTI": 0x5412, "TIOCLINUX": 0x541C, "TIOCSTI with high bits": 0x1_0000_5412, "TIOCLINUX with high bits": 0x7000_0000_541C}[name]
    master, slave = os.openpty()
    call(29 if arm else 16, ctypes.c_int(slave), ctypes.c_ulong(request), b"\x02")
    raise Escaped(f"{name} was taken")


@each("a new namespace:", CLONE)
def new_namespace(canary, name):
    for flags in (CLONE[name], CLONE[name] | CLONE["user"]):
        try:
            call(97 if arm else 272, ctypes.c_long(flags))
        except OSError as error:
            said = error
            continue
        raise Escaped(f"unshare({flags:#x})")
    return said


@attack("a new user namespace by clone and clone3")
def clone_user(canary):
    said = []
    try:
        pid = call(220 if arm else 56, ctypes.c_long(CLONE["user"] | 17), 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        raise Escaped("clone(CLONE_NEWUSER)")
    except OSError as error:
        said.append(str(error))
    structure = struct.pack("QQQQQQQQ", CLONE["user"], 0, 0, 0, 17, 0, 0, 0)
    try:
        pid = call(435, structure, len(structure))
        if pid == 0:
            os._exit(0)
        raise Escaped("clone3(CLONE_NEWUSER)")
    except OSError as error:
        check(error.errno == errno.ENOSYS, f"clone3: {error}, and libc would not fall back")
        said.append(str(error))
    return said


@each("the tool", ["unshare -Urn true", "unshare -Urnm mount -t tmpfs x /tmp", "nsenter -t 1 -n true", "nsenter --net=/proc/1/ns/net true", "bwrap --ro-bind / / true", "mount -t proc proc /tmp", "umount -l /proc", "mount -o remount,rw /usr", "mount --bind / /tmp", "chroot / true", "sudo -n true", "su -c true",
                   "newuidmap 1 0 0 1", "pkexec true", "mknod /tmp/m b 8 0", "mknod /tmp/k c 1 2", "setcap cap_net_raw+ep /tmp/x", "fusermount3 /tmp", "dmesg", "modprobe dummy"])
def tool(canary, command):
    done = subprocess.run(f"PATH=$PATH:/usr/sbin:/sbin; {command}", shell=True, capture_output=True, timeout=6, check=False, stdin=subprocess.DEVNULL)
    escaped_if(done.returncode == 0, f"`{command}` was let through")
    return done.returncode, done.stderr[-80:]


@attack("no capability, in any set, and no way to gain one")
def capabilities(canary):
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        escaped_if(int(status[name], 16) != 0, f"{name} {status[name]}")
    check(status["NoNewPrivs"] == "1", "setuid programs would still gain")
    check(status["Seccomp"] == "2", "no seccomp filter")
    return status["CapBnd"]


@attack("no group of the caller is left")
def groups(canary):
    escaped_if(os.getuid() == 0 or os.geteuid() == 0, "root inside")
    check(set(os.getgroups()) <= {os.getgid(), 65534}, f"groups {os.getgroups()}")
    with open("/proc/self/uid_map") as file:
        mapping = file.read().split()
    check(len(mapping) == 3 and mapping[2] == "1", f"mapped {mapping}")
    return mapping


@attack("becoming root by a setuid program of one's own")
def setuid(canary):
    path = f"/tmp/setuid-{canary}"
    subprocess.run(["cp", "/usr/bin/id", path], check=True)
    os.chmod(path, 0o6755)
    done = subprocess.run([path, "-u"], capture_output=True, check=False)
    escaped_if(done.stdout.strip() == b"0", "root")
    for change in (lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0]), lambda: os.chown(path, 0, 0)):
        try:
            change()
        except OSError:
            continue
        raise Escaped("became somebody else")
    return done.stdout


@attack("processes of the host can be seen")
def processes(canary):
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]
    names = []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                names.append(file.read())
        except OSError:
            continue
    check(os.getpid() < 100_000 and len(pids) < 100, f"{len(pids)} processes")
    escaped_if(any(b"sallyport" in name and b"attack" not in name for name in names), f"{names}")
    return len(pids)


@each("a door into the first process:", ["environ", "mem", "root", "fd", "cwd", "maps", "task/1/mem", "map_files", "ns/net", "cmdline", "auxv", "stack", "syscall", "io"])
def first_process(canary, name):
    path = f"/proc/1/{name}"
    if name in ("root", "cwd", "ns/net"):
        target = os.readlink(path)
        if name == "root":
            names = os.listdir(path)
            escaped_if("root-home" in str(names) or os.path.exists(path + world["folder"] + "/root-home/.ssh"), f"{names}")
        if name == "ns/net":
            check(target == os.readlink("/proc/self/ns/net"), "another network namespace can be joined")
        return target
    if name in ("fd", "map_files"):
        found = [os.readlink(f"{path}/{entry}") for entry in os.listdir(path)]
        escaped_if(any(world["folder"] in target and world["workspace"] not in target for target in found), f"{found}")
        return found
    with open(path, "rb") as file:
        data = file.read(65536)
    escaped_if(b"planted-secret" in data or b"proxy" in data.lower(), f"{data[:300]!r}")
    return len(data)


@attack("the environment holds no secret of the caller, and nothing named proxy")
def environment(canary):
    text = "\n".join(f"{name}={value}" for name, value in os.environ.items())
    escaped_if("planted-secret" in text, text[:600])
    check(not [name for name in os.environ if name.lower().endswith("_proxy")], text[:600])
    for name in ("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "NODE_CHANNEL_FD", "SALLYPORT_TOKEN", "SALLYPORT_HOME"):
        escaped_if(name in os.environ, f"{name}={os.environ.get(name)}")
    return sorted(os.environ)


@attack("environments of every process that can be seen")
def environments(canary):
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as file:
                data = file.read()
        except OSError:
            continue
        escaped_if(b"planted-secret" in data, f"{entry}: {data[:300]!r}")
    return "none"


@each("touching the first process by", ["ptrace attach", "ptrace seize", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kill", "prlimit"])
def touch_first(canary, how):
    vector = struct.pack("QQ", ctypes.addressof(ctypes.create_string_buffer(16)), 16)
    if how == "ptrace attach":
        call(117 if arm else 101, ctypes.c_long(16), ctypes.c_long(1), 0, 0)
        os.waitpid(1, 0x40000000)
        call(117 if arm else 101, ctypes.c_long(17), ctypes.c_long(1), 0, 0)
    elif how == "ptrace seize":
        call(117 if arm else 101, ctypes.c_long(0x4206), ctypes.c_long(1), 0, 0)
    elif how in ("process_vm_readv", "process_vm_writev"):
        call((270 if arm else 310) + (how == "process_vm_writev"), ctypes.c_long(1), vector, ctypes.c_long(1), vector, ctypes.c_long(1), 0)
    elif how == "pidfd_getfd":
        descriptor = call(434, ctypes.c_long(1), 0)
        found = []
        for number in range(64):
            try:
                found.append(os.readlink(f"/proc/self/fd/{call(438, ctypes.c_long(descriptor), ctypes.c_long(number), 0)}"))
            except OSError:
                continue
        escaped_if(any(world["folder"] in target for target in found) or any(target.startswith("socket:") for target in found), f"{found}")
        return found
    elif how == "kill":
        os.kill(1, signal.SIGKILL)
        os.kill(1, signal.SIGSTOP)
        os.kill(1, signal.SIGCONT)
    elif how == "prlimit":
        import resource
        resource.prlimit(1, resource.RLIMIT_NOFILE, (1, 1))
    return "within the cell's own namespace: nothing of the host in it"


@attack("the host's process by its number")
def host_process(canary):
    pid = world["hostPid"]
    for path in (f"/proc/{pid}/environ", f"/proc/{pid}/root", f"/proc/{pid}/cmdline"):
        if os.path.exists(path):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                escaped_if(b"attack.test" in file.read(), path)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return "no such process"
    return "a process of the cell's own"


@each("calls by another door into the kernel:", ["int80-socket", "int80-mount", "int80-unshare", "x32-socket", "x32-mount", "x32-unshare", "x32-io_uring"])
def other_abi(canary, what):
    done = subprocess.run([f"{world['bin']}/other-abi", what], capture_output=True, timeout=5, check=False)
    escaped_if(b"ESCAPED" in done.stdout, done.stdout.decode())
    return done.returncode, done.stdout


@attack("sendmmsg, sendfile, splice and a second thread send no datagram")
def send_ways(canary):
    done = subprocess.run([f"{world['bin']}/send-ways", place["elsewhere"], canary], capture_output=True, timeout=6, check=False)
    return no_banner(done.stdout)


@attack("a session keyring of the caller")
def keyring(canary):
    said = []
    for serial in (-1, -2, -3, -4, -5):
        try:
            said.append(call(number("keyctl"), 11, ctypes.c_long(serial), ctypes.create_string_buffer(4096), 4096))
        except OSError as error:
            said.append(str(error))
    with open("/proc/keys") as file:
        text = file.read()
    escaped_if("planted-secret" in text, text)
    return said


@attack("System V and POSIX shared memory of the host")
def shared_memory(canary):
    result = subprocess.run(["ipcs", "-m", "-q", "-s"], capture_output=True, text=True, check=False).stdout
    rows = [line for line in result.splitlines() if line.startswith("0x")]
    escaped_if(rows != [], f"{rows}")
    escaped_if([name for name in os.listdir("/dev/shm") if not name.startswith("own")] != [], f"{os.listdir('/dev/shm')}")
    check(not os.path.exists("/dev/mqueue") or os.listdir("/dev/mqueue") == [], "message queues of the host")
    return "none"


@attack("devices beyond the harmless ones")
def devices(canary):
    fine = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "fd", "stdin", "stdout", "stderr", "shm", "core", "console"}
    found = set(os.listdir("/dev")) - fine
    escaped_if(found, f"{found}")
    return sorted(os.listdir("/dev"))


@each("writing to the kernel by", ["/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe", "/proc/sysrq-trigger", "/proc/sys/vm/drop_caches", "/proc/sys/kernel/hostname", "/sys/kernel/uevent_helper", "/proc/self/oom_score_adj", "/sys/fs/cgroup/cgroup.procs", "/proc/1/oom_score_adj", "/proc/sys/user/max_user_namespaces", "/proc/sys/net/ipv4/conf/all/route_localnet",
                                   "/proc/acpi/wakeup", "/proc/self/uid_map", "/proc/self/setgroups", "/proc/irq/default_smp_affinity", "/proc/sys/fs/binfmt_misc/register"])
def kernel_file(canary, path):
    value = {"/proc/self/oom_score_adj": "-1000", "/proc/1/oom_score_adj": "-1000", "/proc/self/uid_map": "0 0 1", "/proc/self/setgroups": "allow"}.get(path, "1")
    with open(path, "w") as file:
        file.write(value)
    raise Escaped(f"{path} was written")


@attack("reading the kernel: memory, logs, keys, addresses")
def kernel_reads(canary):
    said = {}
    for path in ("/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/proc/sched_debug", "/sys/kernel/debug", "/sys/firmware/efi/efivars", "/proc/vmallocinfo", "/proc/slabinfo"):
        try:
            with open(path, "rb") as file:
                said[path] = len(file.read(64))
        except OSError as error:
            said[path] = error.errno
            continue
        raise Escaped(f"{path} was read")
    return said


if __name__ == "__main__":
    main()
