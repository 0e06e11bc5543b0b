# What the agent of one cell does in the revocation bench: it holds a connection of every kind open at once, and prints of each when its end
# was seen: `<kind> <seconds since 1970>`. `tree` only holds its fifo open, in a process and in that one's child.

import os
import socket
import ssl
import sys
import threading
import time

HOST, RAW = "api.example.test", "raw.example.test"
out = threading.Lock()


def say(line):
    with out:
        print(line, flush=True)


def over_tls():
    raw = socket.create_connection((HOST, 443))
    return ssl.create_default_context().wrap_socket(raw, server_hostname=HOST)


def head(method, path, more=""):
    return f"{method} {path}?{sys.argv[2]} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n".encode()


def until_end(connection):
    """The last byte, or the end: whichever was seen last."""
    seen = time.time()
    try:
        while connection.recv(65536):
            seen = time.time()
    except OSError:
        pass
    return max(seen, time.time())


def idle():
    connection = over_tls()
    connection.sendall(head("GET", "/idle"))
    connection.recv(65536)
    return connection


def stream():
    connection = over_tls()
    connection.sendall(head("GET", "/stream"))
    connection.recv(65536)
    return connection


def upload():
    connection = over_tls()
    connection.sendall(head("POST", "/upload", "Content-Length: 1000000\r\n") + b"x" * 1000)
    return connection


def waiting():
    connection = over_tls()
    connection.sendall(head("GET", "/wait"))
    return connection


def tunnel():
    connection = socket.create_connection((RAW, 5000))
    connection.sendall(sys.argv[2].encode() + b"\n")
    connection.recv(100)
    return connection


def hold(kind, opened):
    say(f"{kind} {until_end(opened):.6f}")


if sys.argv[1] == "connections":
    kinds = {"idle": idle, "stream": stream, "upload": upload, "waiting": waiting, "tunnel": tunnel}
    opened = {kind: begin() for kind, begin in kinds.items()}
    holders = [threading.Thread(target=hold, args=item) for item in opened.items()]
    for each in holders:
        each.start()
    say("ready")
    for each in holders:
        each.join()
else:
    fifo = os.open(sys.argv[3], os.O_WRONLY)
    if os.fork() == 0:
        os.setsid()
    else:
        say("ready")
    while True:
        time.sleep(1000)
