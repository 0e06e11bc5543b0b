"""Sees every frame of the namespace it runs in, below any filter, and answers what it saw.

One JSON object a line on stdin: {"needles": [...]} answers {"hits": [...], "flows": [...]} with what left since the
question before. A flow is [interface, protocol, destination, port]; frames that came in over a wire are not kept.
"""

import json
import select
import socket
import struct
import sys

ETH_P_ALL = 3
PACKET_OUTGOING = 4
SO_RCVBUFFORCE = 33

tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
tap.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 128 << 20)
tap.setblocking(False)
marker = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
frames = []


def flow(frame):
    kind = struct.unpack("!H", frame[12:14])[0]
    if kind == 0x0800:
        length = (frame[14] & 15) * 4
        protocol, target, rest = frame[23], socket.inet_ntop(socket.AF_INET, frame[30:34]), frame[14 + length:]
    elif kind == 0x86DD:
        protocol, target, rest = frame[20], socket.inet_ntop(socket.AF_INET6, frame[38:54]), frame[54:]
    else:
        return (kind, "link", 0)
    if protocol in (6, 17, 132, 136, 33) and len(rest) >= 4:
        return (protocol, target, struct.unpack("!H", rest[2:4])[0])
    return (protocol, target, rest[0] if rest else 0)


def drain():
    while True:
        try:
            frame, (interface, _, packet_type, _, _) = tap.recvfrom(70000)
        except BlockingIOError:
            return
        if packet_type == PACKET_OUTGOING:
            frames.append((interface, frame))


def settle(number):
    """Everything sent before now is in `frames` once our own marker is."""
    text = b"sniffer-marker-%d" % number
    marker.sendto(text, ("127.0.0.1", 9))
    while not any(text in frame for _, frame in frames[-64:]):
        select.select([tap], [], [], 0.2)
        drain()


asked = 0
print(json.dumps({"ready": True}), flush=True)
while True:
    ready, _, _ = select.select([tap, sys.stdin], [], [])
    drain()
    if sys.stdin not in ready:
        continue
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    asked += 1
    settle(asked)
    needles = [needle.encode().lower() for needle in json.loads(line)["needles"]]
    hits, flows = [], set()
    for interface, frame in frames:
        where = flow(frame)
        flows.add((interface, *where))
        low = frame.lower()
        hits += [[needle.decode(), interface, *where] for needle in needles if needle in low]
    frames.clear()
    print(json.dumps({"hits": hits, "flows": sorted(flows, key=str)}), flush=True)
