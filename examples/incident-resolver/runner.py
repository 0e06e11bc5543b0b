"""The service runner: keeps a service alive, and when it cannot, has the people told who can.

It holds neither chat nor mail access. It spawns a notifier that has exactly those two, and nothing else."""
import datetime
import json
import pathlib
import subprocess
import sys
import urllib.request

ATTEMPTS = 3
LOG = pathlib.Path("service.log")


def note(text):
    """A step for the session's record; `sallyport sessions show --tree` shows it."""
    body = json.dumps({"text": text}).encode()
    request = urllib.request.Request("http://sallyport.internal/v1/notes", body, {"content-type": "application/json"})
    urllib.request.urlopen(request).read()
    print(text, flush=True)


def run_service():
    with LOG.open("a") as log:
        return subprocess.run([sys.executable, "service.py"], stdout=log, stderr=log).returncode


def diagnose():
    lines = [line for line in LOG.read_text().splitlines() if "FATAL" in line]
    return lines[-1].split("FATAL: ", 1)[1] if lines else "no cause in the log"


def post_mortem(cause, code):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
    text = f"# Post-mortem, {now}\n\nThe service ended with {code} after {ATTEMPTS} restarts.\n\nCause: {cause}\n"
    pathlib.Path("post-mortem.md").write_text(text + f"\n```\n{LOG.read_text()[-2000:]}```\n")


def main():
    note("1 runs the service")
    code = run_service()
    if code == 0:
        return 0
    cause = diagnose()
    note(f"2 the service crashed with {code}; its log says: {cause}")
    for attempt in range(1, ATTEMPTS + 1):
        note(f"3 restarts it, attempt {attempt} of {ATTEMPTS}")
        code = run_service()
        if code == 0:
            return 0
    post_mortem(cause, code)
    note("4 wrote post-mortem.md")
    spawn = ["sallyport", "spawn", "--agent-id", "notifier", "--task", "notify"]
    reach = ["--allow", "hooks.slack.com:443", "--allow", "smtp.example.com:25"]
    files = ["--file", "notify.py", "--file", "post-mortem.md"]
    told = subprocess.run([*spawn, *reach, *files, "--", "python3", "notify.py", cause])
    return 1 if told.returncode != 0 else 0


sys.exit(main())
