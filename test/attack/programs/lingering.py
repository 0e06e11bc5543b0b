"""Stays behind: daemons twice removed, deaf to signals, with sockets open, dialling out without end.

Words: the world's file, then `stay`, `end` or `stop-first`. Says where it runs on stdout, and `ready` when everything is up.
"""

import ctypes
import json
import os
import signal
import socket
import sys
import time

with open(sys.argv[1]) as file:
    world = json.load(file)
place = world["place"]
INET = socket.AF_INET6 if world["family"] == 6 else socket.AF_INET


def deaf():
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            continue


def dial_for_ever():
    """Over every way it knows; whatever opens hears the canary."""
    while True:
        for address, port in ((place["elsewhere"], 80), (place["upstream"], 80), (place["host"][0], 8080)):
            connection = socket.socket(INET, socket.SOCK_STREAM)
            connection.settimeout(0.3)
            try:
                connection.connect((address, port))
                connection.sendall(f"GET /{world['canary']} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                connection.recv(4096)
            except OSError:
                pass
            connection.close()
        sender = socket.socket(INET, socket.SOCK_DGRAM)
        try:
            sender.sendto(world["canary"].encode(), (place["elsewhere"], 5000))
        except OSError:
            pass
        sender.close()
        time.sleep(0.01)


def daemon(work):
    """Forks twice with a session between: nobody's child, in nobody's group."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            deaf()
            os.chdir(world["workspace"])
            work()
        os._exit(0)
    os.wait()


def closed_streams():
    for descriptor in (0, 1, 2):
        os.close(descriptor)
    while True:
        signal.pause()


def holding_a_socket():
    server = socket.create_server(("", 0), family=INET)
    held = socket.create_connection(server.getsockname()[:2])
    closed_streams() if held else None


def forking():
    """Always one generation further, so that a list of processes is old when it is read."""
    while True:
        if os.fork() > 0:
            os._exit(0)
        os.setsid()
        deaf()
        time.sleep(0.005)


print(json.dumps({"netns": os.readlink("/proc/self/ns/net")}), flush=True)
for work in (closed_streams, holding_a_socket, dial_for_ever, forking):
    daemon(work)
print("ready", flush=True)
if sys.argv[2] == "stop-first":
    # The cell's first process reaps and reports; stopped, it does neither. A signal from inside cannot stop it, a tracer can.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(ctypes.c_long(16), ctypes.c_long(1), None, None) != 0:
        sys.exit("the first process could not be traced")
    # Not waited for: the stop is left to the first process when its tracer ends.
elif sys.argv[2] == "stay":
    deaf()
    while True:
        signal.pause()
