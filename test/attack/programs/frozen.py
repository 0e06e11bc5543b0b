"""Dials while the boundary stands still: nothing may get past it, and nothing may get through it."""

import json
import os
import socket
import sys

with open(sys.argv[1]) as file:
    world = json.load(file)
place, zone = world["place"], world["zone"]
INET = socket.AF_INET6 if world["family"] == 6 else socket.AF_INET

print(json.dumps({"netns": os.readlink("/proc/self/ns/net")}), flush=True)
print("ready", flush=True)
sys.stdin.readline()
said = []
for kind, address, port in ((socket.SOCK_STREAM, place["elsewhere"], 80), (socket.SOCK_STREAM, place["upstream"], 80), (socket.SOCK_DGRAM, place["elsewhere"], 5000), (socket.SOCK_DGRAM, place["publicResolvers"][0], 53)):
    connection = socket.socket(INET, kind)
    connection.settimeout(0.5)
    try:
        connection.connect((address, port))
        connection.send(f"GET /{world['canary']} HTTP/1.1\r\nHost: allowed.{zone}\r\n\r\n".encode())
        said.append(connection.recv(4096).decode("latin1"))
    except OSError as error:
        said.append(str(error))
print(json.dumps({"attack": "dialling past a boundary that stands still", "canary": world["canary"], "said": str(said), **({"escaped": str(said)} if world["banner"] in str(said) else {})}), flush=True)
print("dialled", flush=True)
sys.stdin.readline()
