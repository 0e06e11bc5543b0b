"""What every attack program shares. An attack is a function that tries to get out, in a process of its own.

It returns what it was told (or raises OSError): it failed, as it should. It raises Escaped: it got out. It raises
anything else: what it met is not what should stand there. One JSON object a line on stdout tells the harness.
"""

import ctypes
import json
import os
import select
import signal
import socket
import ssl
import struct
import sys
import time
import traceback

with open(sys.argv[1]) as file:
    world = json.load(file)

six = world["family"] == 6
INET = socket.AF_INET6 if six else socket.AF_INET
place = world["place"]
zone = world["zone"]
banner = world["banner"].encode()
libc = ctypes.CDLL(None, use_errno=True)
attacks = []


class Escaped(Exception):
    """The attack got what it must not have."""


def attack(title, seconds=20, **expects):
    """Registers an attack. `reason` (and `host`): the event that must tell of it. `control`: gets out where no cell is."""

    def add(function):
        attacks.append((title, function, seconds, expects))
        return function

    return add


def each(title, values, seconds=20, **expects):
    """One attack for every value; its title ends in the value."""

    def add(function):
        for value in values:
            attacks.append((f"{title}: {value}", lambda canary, value=value: function(canary, value), seconds, expects))
        return function

    return add


def canary_of(index):
    return f"{world['canary']}x{index}x"


def escaped_if(condition, text):
    if condition:
        raise Escaped(text)


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def call(number, *arguments):
    """A system call by number; raises OSError."""
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def read_all(connection, seconds=3.0, limit=1 << 20, pause=0.4):
    """What the other side says until it closes, breaks off, or pauses. `seconds`: how long it may take to begin."""
    connection.settimeout(seconds)
    data = b""
    try:
        while len(data) < limit:
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
            connection.settimeout(pause)
    except (TimeoutError, socket.timeout):
        pass
    except (OSError, ssl.SSLError):
        pass
    return data


def dial(host, port, seconds=3.0):
    """A TCP connection, of the quarter's family where the host is a name."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, INET, socket.SOCK_STREAM)[0]
    connection = socket.socket(family, kind, protocol)
    connection.settimeout(seconds)
    connection.connect(address)
    return connection


def dial_tls(host, port=443, sni=None, alpn=None, seconds=3.0):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if alpn:
        context.set_alpn_protocols(alpn)
    return context.wrap_socket(dial(host, port, seconds), server_hostname=host if sni is None else (sni or None))


def no_banner(data):
    escaped_if(banner in data, f"heard {data[-200:]!r}")
    return data


def status(data):
    """The status of each HTTP answer in the data, by its status lines."""
    return [int(line[9:12]) for line in data.split(b"\r\n") if line.startswith(b"HTTP/1.")]


def reason(data):
    """The deny_reason of an HTTP refusal."""
    body = data.split(b"\r\n\r\n", 1)[-1]
    start, end = body.find(b"{"), body.find(b"}")
    return json.loads(body[start:end + 1]).get("deny_reason") if start >= 0 else None


def refused(data, *reasons):
    """The data is one refusal of the boundary, with one of these reasons."""
    no_banner(data)
    check(data.startswith(b"HTTP/1.1 "), f"not an HTTP answer: {data[:200]!r}")
    said = reason(data)
    check(said in reasons, f"refused with {said}, not {' or '.join(reasons)}: {data[:300]!r}")
    return said


def text_of(function, *arguments):
    try:
        return str(function(*arguments))
    except OSError as error:
        return f"{type(error).__name__}: {error}"


def run_one(index):
    title, function, seconds, expects = attacks[index]
    seconds = min(seconds, world.get("patience", seconds))
    canary = canary_of(index)
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        os.setpgid(0, 0)
        devnull = os.open("/dev/null", os.O_RDWR)
        os.dup2(devnull, 0)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        answer = {}
        try:
            answer["said"] = str(function(canary))[:300]
        except Escaped as escape:
            answer["escaped"] = str(escape)[:600]
        except OSError as error:
            answer["said"] = f"{type(error).__name__}: {error}"[:300]
        except BaseException as error:  # noqa: BLE001 - whatever it is, the harness must hear of it
            line = traceback.extract_tb(error.__traceback__)[-1 if not isinstance(error, AssertionError) else 0].lineno
            answer["failed"] = f"{type(error).__name__}: {error} (line {line})"[:600]
        os.write(into, json.dumps(answer).encode())
        os._exit(0)
    os.close(into)
    return {"child": child, "pipe": out, "index": index, "began": time.monotonic(), "until": time.monotonic() + seconds}


def finish(running):
    title, _, seconds, expects = attacks[running["index"]]
    # One write shorter than PIPE_BUF: the end of the pipe may be held open by what the attack left running.
    ready, _, _ = select.select([running["pipe"]], [], [], 0)
    data = os.read(running["pipe"], 4096) if ready else b""
    os.close(running["pipe"])
    os.waitpid(running["child"], 0)
    answer = json.loads(data) if data else {"failed": running.get("late", "ended without a word")}
    print(json.dumps({"attack": title, "canary": canary_of(running["index"]), **expects, **answer, "seconds": round(time.monotonic() - running["began"], 2)}), flush=True)


def main(abreast=24):
    print(json.dumps({"netns": os.readlink("/proc/self/ns/net")}), flush=True)
    waiting, running = list(range(len(attacks))), []
    if world.get("only") is not None:
        waiting = [index for index in waiting if attacks[index][3].get(world["only"])]
    while waiting or running:
        while waiting and len(running) < abreast:
            running.append(run_one(waiting.pop(0)))
        left = max(0.0, min(one["until"] for one in running) - time.monotonic())
        ready, _, _ = select.select([one["pipe"] for one in running], [], [], left)
        for one in list(running):
            if one["pipe"] not in ready and time.monotonic() >= one["until"]:
                one["late"] = "nothing came back in time: a refusal must be immediate"
                os.killpg(one["child"], signal.SIGKILL)
            elif one["pipe"] not in ready:
                continue
            finish(one)
            running.remove(one)
