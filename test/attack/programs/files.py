"""Files: secrets that the view must not show, and traps that would go off on the host afterwards."""

import subprocess

from attack import *

home, workspace = world["home"], world["workspace"]
secret = b"planted-secret"


@attack("a sweep of everything that can be read", seconds=30)
def sweep(canary):
    done = subprocess.run(["grep", "-rlsI", "--devices=skip", "--exclude-dir=attack", secret.decode(), "/home", "/root", "/tmp", "/var", "/run", "/mnt", "/srv", "/media", "/etc", "/dev/shm", home, world["folder"]], capture_output=True, timeout=28, check=False)
    found = [path for path in done.stdout.decode().splitlines() if not path.startswith(workspace)]
    escaped_if(found, f"{found}")
    return "nothing"


@each("a secret of the home:", world["secrets"])
def secret_file(canary, name):
    with open(os.path.join(home, name), "rb") as file:
        escaped_if(secret in file.read(), name)
    return "another file"


@each("a file of the host:", ["/etc/shadow", "/etc/gshadow", "/etc/sudoers", "/root/.bashrc", "/root/.ssh", "/var/log/dpkg.log", "/var/lib/dpkg/status", "/var/spool/cron", "/boot", "/sys/class/dmi/id/product_uuid", "/etc/ssh/sshd_config", "/etc/ssl/private", "/var/run/secrets/kubernetes.io/serviceaccount/token", "/proc/1/root/etc/shadow",
                           "/etc/machine-id", "/run/secrets", "/lost+found", "/home/cloudsdk"])
def host_file(canary, path):
    if os.path.isdir(path):
        names = os.listdir(path)
        check(names == [], f"{path}: {names}")
        return "empty"
    with open(path, "rb") as file:
        data = file.read(4096)
    if path == "/etc/machine-id":
        escaped_if(data.decode().strip() == world["machineId"], "the host's own machine id")
        return "made up"
    raise Escaped(f"{path}: {data[:60]!r}")


@attack("sallyport's own keys, sessions and settings")
def own_home(canary):
    said = []
    for path in (f"{home}/.sallyport", f"{home}/.sallyport/keys", f"{home}/.sallyport/keys/ca.key", f"{home}/.sallyport/sessions", f"{home}/.sallyport/state.db"):
        try:
            said.append(os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(10))
        except OSError as error:
            said.append(error.errno)
            continue
        raise Escaped(f"{path}: {said[-1]}")
    done = subprocess.run("grep -rlsI --devices=skip 'PRIVATE KEY' /etc /tmp /run /var /dev/shm $HOME", shell=True, capture_output=True, timeout=20, check=False)
    found = [path for path in done.stdout.decode().splitlines() if not path.startswith(workspace) and "/usr/" not in path]
    escaped_if(found, f"{found}")
    return said


@each("reaching out of the workspace by", ["dot dot", "a symbolic link", "a hard link", "a link to a folder", "openat2 without limits", "rename", "/proc/self/cwd/..", "an absolute link over a file of the system", "O_PATH and *at", "a handle"])
def reach_out(canary, how):
    target = f"{home}/.ssh/id_ed25519"
    here = f"{workspace}/{canary}"
    os.mkdir(here)
    if how == "dot dot":
        path = f"{here}/../../.ssh/id_ed25519"
    elif how == "a symbolic link":
        path = f"{here}/link"
        os.symlink(target, path)
    elif how == "a hard link":
        path = f"{here}/hard"
        os.link(target, path)
    elif how == "a link to a folder":
        os.symlink("../..", f"{here}/up")
        path = f"{here}/up/.ssh/id_ed25519"
    elif how == "openat2 without limits":
        descriptor = call(437, ctypes.c_long(-100), f"{here}/../../.ssh/id_ed25519".encode(), struct.pack("QQQ", 0, 0, 0), ctypes.c_long(24))
        path = f"/proc/self/fd/{descriptor}"
    elif how == "rename":
        os.rename(target, f"{here}/renamed")
        path = f"{here}/renamed"
    elif how == "/proc/self/cwd/..":
        path = "/proc/self/cwd/../.ssh/id_ed25519"
    elif how == "an absolute link over a file of the system":
        os.symlink("/etc/shadow", f"{here}/shadow")
        path = f"{here}/shadow"
    elif how == "a handle":
        handle = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128))
        mount = ctypes.c_int()
        call(303, ctypes.c_long(-100), b"/", handle, ctypes.byref(mount), 0)
        descriptor = call(304, ctypes.c_long(os.open("/", os.O_RDONLY)), handle, 0)
        path = f"/proc/self/fd/{descriptor}"
        raise Escaped(os.readlink(path))
    else:
        descriptor = os.open("..", os.O_PATH | os.O_DIRECTORY)
        path = f"/proc/self/fd/{os.open('.ssh/id_ed25519', os.O_RDONLY, dir_fd=descriptor)}"
    with open(path, "rb") as file:
        data = file.read()
    escaped_if(secret in data or b"root:" in data, f"{data[:60]!r}")
    return "nothing there"


@each("writing where nothing may be written:", ["/usr/bin/python3", "/usr/local/bin/x", "/etc/passwd", "/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/opt/x", "/bin/x", "/lib/x", "/x", "/etc/ld.so.preload", "/dev/x", "/proc/sys/kernel/x"])
def write_system(canary, path):
    with open(path, "a") as file:
        file.write("x")
    raise Escaped(f"{path} was written")


trap = f"#!/bin/sh\necho {world['canary']} > {world['trapFile']}\n"


@each("a hook of the repository:", ["pre-commit", "post-checkout", "post-merge", "fsmonitor-watchman", "reference-transaction"])
def hook(canary, name):
    with open(f"{workspace}/.git/hooks/{name}", "w") as file:
        file.write(trap)
    os.chmod(f"{workspace}/.git/hooks/{name}", 0o755)
    raise Escaped(f"{name} was written")


@each("a file that an editor, shell or agent of the host would run:", [".envrc", ".vscode/tasks.json", ".mcp.json", ".github/workflows/x.yml"])
def editor_file(canary, name):
    path = f"{workspace}/{name}"
    with open(path, "w") as file:
        file.write(trap)
    raise Escaped(f"{name} was written")


@attack("replacing what may not be written by renaming its parent, or mounting over it")
def replace(canary):
    said = []
    for source, target in ((".vscode", ".vscode-old"), (".github", ".github-old"), (".git/hooks", ".git/hooks-old"), (".envrc", ".envrc-old")):
        try:
            os.rename(f"{workspace}/{source}", f"{workspace}/{target}")
        except OSError as error:
            said.append(error.errno)
            continue
        said.append(f"{source} renamed")
    for path in (".envrc", ".mcp.json"):
        try:
            os.unlink(f"{workspace}/{path}")
            said.append(f"{path} unlinked")
        except OSError as error:
            said.append(error.errno)
    os.makedirs(f"{workspace}/.vscode", exist_ok=True)
    try:
        with open(f"{workspace}/.vscode/tasks.json", "w") as file:
            file.write(trap)
        said.append("tasks.json written")
    except OSError as error:
        said.append(error.errno)
    return said


@attack("settings of git that run on the host: fsmonitor, hooksPath, sshCommand, filters, aliases, pager, includes")
def git_config(canary):
    trap_file = f"{workspace}/trap.sh"
    with open(trap_file, "w") as file:
        file.write(trap)
    os.chmod(trap_file, 0o755)
    os.makedirs(f"{workspace}/evil-hooks", exist_ok=True)
    with open(f"{workspace}/evil-hooks/post-index-change", "w") as file:
        file.write(trap)
    os.chmod(f"{workspace}/evil-hooks/post-index-change", 0o755)
    for key, value in (("core.fsmonitor", trap_file), ("core.hooksPath", f"{workspace}/evil-hooks"), ("core.sshCommand", trap_file), ("core.pager", trap_file), ("core.editor", trap_file), ("filter.x.clean", trap_file), ("filter.x.smudge", trap_file), ("diff.external", trap_file),
                       ("alias.status", f"!{trap_file}"), ("alias.st", f"!{trap_file}"), ("include.path", "../evil.config"), ("credential.helper", trap_file), ("gpg.program", trap_file), ("remote.origin.url", f"ext::{trap_file}"), ("remote.origin.uploadpack", trap_file), ("merge.x.driver", trap_file), ("uploadpack.packObjectsHook", trap_file),
                       ("branch.main.remote", "origin"), ("user.name", "An Agent")):
        subprocess.run(["git", "-C", workspace, "config", key, value], check=True, capture_output=True)
    with open(f"{workspace}/evil.config", "w") as file:
        file.write(f"[core]\n\tfsmonitor = {trap_file}\n")
    with open(f"{workspace}/.gitattributes", "w") as file:
        file.write("* filter=x diff=x merge=x\n")
    return subprocess.run(["git", "-C", workspace, "config", "user.name"], capture_output=True, text=True, check=False).stdout


@attack("a worktree's and a submodule's own settings")
def other_configs(canary):
    for path in (".git/config.worktree", ".git/worktrees/w/config.worktree", ".git/modules/m/config", ".git/info/attributes", ".git/info/exclude"):
        full = f"{workspace}/{path}"
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w") as file:
            file.write("* filter=x\n" if "attributes" in path else f"[core]\n\tfsmonitor = {workspace}/trap.sh\n\thooksPath = {workspace}/evil-hooks\n")
    return "written; the host must not run them"


@attack("settings of agents and editors of the host, where there were none")
def new_settings(canary):
    said = []
    for path in world["settings"]:
        full = f"{workspace}/{path}"
        try:
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w") as file:
                file.write(trap)
            said.append(path)
        except OSError as error:
            said.append(str(error))
    return said


def git(folder, *words):
    subprocess.run(["git", "-C", folder, "-c", "user.name=a", "-c", "user.email=a@example.com", *words], check=True, capture_output=True)


@each("a repository below this one, which its index names:", ["as it is made", "with its folder of git's elsewhere", "with its folder of git's among the submodules'", "with a worktree of its own"])
def repository_below(canary, how):
    trap_file = f"{workspace}/trap.sh"
    with open(trap_file, "w") as file:
        file.write(trap)
    os.chmod(trap_file, 0o755)
    name = f"below-{canary}"
    apart = {"with its folder of git's elsewhere": f"{workspace}/apart-{canary}", "with its folder of git's among the submodules'": f"{workspace}/.git/modules/{name}"}.get(how)
    if apart is not None:
        os.makedirs(os.path.dirname(apart), exist_ok=True)
    git(workspace, "init", "-q", *([] if apart is None else [f"--separate-git-dir={apart}"]), f"{workspace}/{name}")
    git(f"{workspace}/{name}", "commit", "-q", "--allow-empty", "-m", "below")
    git(f"{workspace}/{name}", "config", "core.fsmonitor", trap_file)
    if how == "with a worktree of its own":
        git(f"{workspace}/{name}", "config", "extensions.worktreeConfig", "true")
        git(f"{workspace}/{name}", "config", "--worktree", "core.fsmonitor", trap_file)
    git(workspace, "add", name)
    return "named by the index; the host must not run it"


@attack("files with hostile names and kinds", seconds=15)
def hostile_files(canary):
    here = os.fsencode(f"{workspace}/{canary}")
    os.mkdir(here)
    for name in (b"\xff\xfe", b"a\nb", b"-rf", b"\x1b[2J", b"a" * 255, b" ", b"$(touch x)", b"..."):
        with open(here + b"/" + name, "wb") as file:
            file.write(b"x")
    os.mkfifo(here + b"/fifo")
    os.symlink(b"/etc/shadow", here + b"/shadow")
    os.symlink(b"loop", here + b"/loop")
    made = []
    for kind, device in ((0o060000, (8, 0)), (0o020000, (1, 1)), (0o020000, (1, 5))):
        try:
            os.mknod(here + b"/device", kind | 0o666, os.makedev(*device))
            made.append(device)
        except OSError:
            continue
    escaped_if(made, f"device nodes {made}")
    return "no device"


@attack("a setuid copy of a shell, left for later")
def left_setuid(canary):
    path = f"{workspace}/setuid-shell"
    subprocess.run(["cp", "/bin/sh", path], check=True)
    os.chmod(path, 0o6755)
    return oct(os.stat(path).st_mode)


@attack("FUSE and other file systems of one's own")
def fuse(canary):
    os.open("/dev/fuse", os.O_RDWR)
    raise Escaped("/dev/fuse")


@attack("the policy file and the programs beside it", control=False)
def policy_file(canary):
    with open(f"{workspace}/sallyport.policy.toml", "a") as file:
        file.write('\n[network]\nallow = ["elsewhere.test"]\n')
    raise Escaped("the policy file was written")


if __name__ == "__main__":
    main(abreast=1)
