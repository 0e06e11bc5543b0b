"""Names that look like an allowed one, and allowed names that lead where no name may lead."""

from attack import *

allowed = f"allowed.{zone}"


def raw_query(labels, seconds=2.0):
    servers = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
    resolver = next((server for server in servers if (":" in server) == six), servers[0])
    data = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + b"".join(bytes([len(label)]) + label for label in labels) + b"\0" + struct.pack("!HH", 28 if six else 1, 1)
    sender = socket.socket(socket.AF_INET6 if ":" in resolver else socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(seconds)
    sender.sendto(data, (resolver, 53))
    return sender.recv(4096)


def address_in(answer):
    size = 16 if six else 4
    if struct.unpack("!H", answer[6:8])[0] == 0:
        return None
    return socket.inet_ntop(INET, answer[-size:])


def get(host, canary, port=80, header=None, dialled=None):
    connection = dial(dialled or host, port) if port == 80 else dial_tls(dialled or host, port, sni=host)
    connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: {host if header is None else header}\r\n\r\n".encode("latin1"))
    return read_all(connection)


@each("the allowed name itself does pass, on port", [80, 443])
def works(canary, port):
    data = get(allowed, "welcome", port)
    check(banner in data, f"the world is broken: {data[:400]!r}")
    return "passed"


look_alikes = [f"not{allowed}", f"{allowed}.evil.test", f"allowed.{zone}x", f"x.{allowed}", f"allowed{zone}", f"allowed-{zone}", f"{zone}", f"allowed.{zone}.", f"xn--llowed-4ve.{zone}", f"xn--allwed-0ta.{zone}",
               f"allow\u0435d.{zone}".encode("idna").decode(), f"a\u200dllowed.{zone}".encode("utf-8").decode("latin1")]


@each("a name that resembles an allowed one", [name for name in look_alikes if name != f"allowed.{zone}."], reason="domain_not_allowed")
def look_alike(canary, name):
    try:
        data = get(name, canary)
    except (UnicodeError, socket.gaierror):
        return refused(get(f"deny-{canary}.{zone}", canary), "domain_not_allowed")
    return refused(data, "domain_not_allowed")


@attack("a trailing dot and another case are the same name, no other")
def same_name(canary):
    for name in (f"ALLOWED.{zone.upper()}", f"{allowed}."):
        data = get(name, "welcome")
        check(banner in data or status(data)[:1] in ([400], [403]), f"{data[:200]!r}")
    return refused(get(f"{allowed.upper()}.EVIL.TEST.", canary), "domain_not_allowed")


hostile_labels = {
    "NUL in a label": [b"allowed\0.evil", b"test"], "NUL after the name": [b"allowed." + zone.encode() + b"\0", b"evil", b"test"], "a dot inside a label": [b"allowed." + zone.encode()], "a dot and more": [b"x.allowed", *zone.encode().split(b".")],
    "a space": [b"allowed ", *zone.encode().split(b".")], "a line feed": [b"allowed\n", *zone.encode().split(b".")], "a slash": [b"evil/allowed", *zone.encode().split(b".")], "an at sign": [b"allowed@evil", b"test"],
    "a colon": [b"allowed:80", *zone.encode().split(b".")], "a percent": [b"allowed%00", *zone.encode().split(b".")], "bytes over 127": [b"allowed\xff", *zone.encode().split(b".")], "a backslash": [b"allowed\\", *zone.encode().split(b".")],
    "a star": [b"*", *zone.encode().split(b".")], "an empty name": [], "digits only": [b"2130706433"], "hexadecimal": [b"0x7f", b"1"], "octal": [b"017700000001"], "a dotted quad": [b"127", b"0", b"0", b"1"], "short dotted": [b"127", b"1"],
    "quotes": [b"\"allowed\"", *zone.encode().split(b".")], "127 labels": [b"a"] * 126, "a hyphen first": [b"-allowed", *zone.encode().split(b".")], "an underscore": [b"_allowed", *zone.encode().split(b".")],
}


@each("a hostile name in a query:", hostile_labels)
def hostile_name(canary, what):
    try:
        answer = raw_query(hostile_labels[what], 0.7)
    except (TimeoutError, socket.timeout):
        return "no answer"
    address = address_in(answer)
    if address is None:
        return f"code {answer[3] & 15}"
    connection = dial(address, 80)
    connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: {allowed}\r\n\r\n".encode())
    data = no_banner(read_all(connection))
    return status(data), reason(data)


hostile_hosts = [f"elsewhere.{zone}", place["elsewhere"] if not six else f"[{place['elsewhere']}]", f"{allowed}:8443", f"{allowed}:443", f"{allowed}:", f"{allowed}@elsewhere.{zone}", f"elsewhere.{zone}@{allowed}", f"{allowed}\0.evil.test", f"{allowed} evil.test",
                 f"{allowed}\tevil.test", f"{allowed},elsewhere.{zone}", f"{allowed}/../elsewhere", f"{allowed}#@elsewhere.{zone}", f"{allowed}?x", f"{allowed}\\@elsewhere.{zone}", "", " ", ".", "..", f".{allowed}", f"{allowed}..", f"x..{zone}",
                 "0x7f.1", "2130706433", "017700000001", "127.1", "0", "localhost", "127.0.0.1", "[::1]", "[::ffff:169.254.169.254]", "[::1%25lo]", "[fe80::1%eth0]", "169.254.169.254", "\u0430llowed".encode("utf-8").decode("latin1") + f".{zone}",
                 "a" * 64 + f".{zone}", ("a" * 60 + ".") * 5 + zone, "%61llowed." + zone, f"allowed。{zone}".encode("utf-8").decode("latin1")]


@each("a Host header that is not what was dialled", [repr(value)[:80] for value in hostile_hosts], reason=("name_mismatch", "malformed_request", "domain_not_allowed"))
def hostile_host(canary, shown):
    value = next(entry for entry in hostile_hosts if repr(entry)[:80] == shown)
    said = []
    for port in (80, 443):
        if value == f"{allowed}:{port}":
            continue
        data = get(allowed, canary, port, header=value)
        no_banner(data)
        check(status(data)[:1] in ([400], [403], [421]), f"port {port}: {data[:200]!r}")
        said.append((status(data), reason(data)))
    return said


@attack("an empty Host, none, and two of them", reason=("name_mismatch", "malformed_request"))
def hosts(canary):
    said = []
    for lines in ("", "Host:\r\n", f"Host: {allowed}\r\nHost: {allowed}\r\n", f"Host: {allowed}\r\nHost: elsewhere.{zone}\r\n", f"Host: elsewhere.{zone}\r\nHost: {allowed}\r\n", f"Host : {allowed}\r\n", f" Host: {allowed}\r\n", f"X: y\r\n Host: elsewhere.{zone}\r\n"):
        connection = dial(allowed, 80)
        connection.sendall(f"GET /{canary} HTTP/1.1\r\n{lines}\r\n".encode())
        data = no_banner(read_all(connection))
        check(status(data)[:1] in ([400], [403], [421]), f"{lines!r}: {data[:200]!r}")
        said.append(status(data)[0])
    return said


@attack("HTTP/1.0 and no Host")
def old_http(canary):
    said = []
    for text in (f"GET /{canary} HTTP/1.0\r\n\r\n", f"GET /{canary}\r\n\r\n", f"GET http://elsewhere.{zone}/{canary} HTTP/1.0\r\n\r\n"):
        connection = dial(allowed, 80)
        connection.sendall(text.encode())
        said.append(status(no_banner(read_all(connection))))
    return said


leads = ["loop", "loop2", "zero", "gateway", "hostown", "hostown2", "private", "metadata", "linklocal", "cgnat", "mapped", "nat64", "sixtofour", "teredo", "multicast", "broadcast", "mixed"]


@each("an allowed name that leads to a forbidden address:", leads, reason=("private_address", "upstream_unreachable"))
def leads_inside(canary, label):
    said = []
    for port in (80, 443):
        data = get(f"{label}.{zone}", canary, port)
        said.append(refused(data, "private_address", "upstream_unreachable"))
    return said


@attack("an allowed name that leads outside at first and to loopback later", seconds=20)
def rebinding(canary):
    first = get(f"rebind.{zone}", "welcome")
    said = [status(first)]
    for _ in range(4):
        data = get(f"rebind.{zone}", "later")
        escaped_if(b"connection: close" in data and banner in data, f"the host's loopback answered: {data!r}")
        said.append((status(data), reason(data)))
    return said


@each("an allowed name on a port that no rule opens", [1, 22, 25, 79, 81, 444, 3128, 6379, 8080, 8443, 31337, 65535], reason="port_not_allowed")
def other_port(canary, port):
    connection = dial(allowed, port)
    connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: {allowed}:{port}\r\n\r\n".encode())
    return refused(read_all(connection), "port_not_allowed")


@each("wildcards are one label deep:", ["wild", "a.b.wild", "bad.wild", "b-ad.wild.evil"])
def wildcard(canary, label):
    return refused(get(f"{label}.{zone}", canary), "domain_not_allowed")


@attack("a wildcard's own label does pass")
def wildcard_works(canary):
    data = get(f"good.wild.{zone}", "welcome")
    check(banner in data, f"{data[:300]!r}")
    return "passed"


@attack("deny wins over allow, whatever its spelling", reason="domain_not_allowed")
def deny_wins(canary):
    return [refused(get(name, canary), "domain_not_allowed") for name in (f"bad.wild.{zone}", f"BAD.wild.{zone}", f"bad.wild.{zone}.")]


@attack("the synthetic address of one name under the Host of another", reason="name_mismatch")
def borrowed_address(canary):
    said = []
    for dialled, named in ((f"elsewhere.{zone}", allowed), (allowed, f"elsewhere.{zone}"), (f"loop.{zone}", allowed), (allowed, f"loop.{zone}")):
        for port in (80, 443):
            data = get(named, canary, port, dialled=dialled)
            said.append(refused(data, "name_mismatch", "domain_not_allowed", "private_address"))
    return said


@each("an address of the synthetic range that nobody asked for", ["198.18.0.0", "198.18.255.53", "198.19.255.255", "198.18.77.77", "fd00::53", "fd00::ffff:1"])
def never_asked(canary, address):
    connection = socket.create_connection((address, 80), 3)
    connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: {allowed}\r\n\r\n".encode())
    data = no_banner(read_all(connection))
    return status(data), reason(data)


@each("the boundary's own doors, dialled", [15001, 15053])
def own_door(canary, port):
    said = []
    for address in (place["loopback"], "198.18.0.1", place["elsewhere"]):
        try:
            connection = socket.create_connection((address, port), 3)
            connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: {allowed}\r\n\r\n".encode())
            said.append(status(no_banner(read_all(connection))))
        except OSError as error:
            said.append(str(error))
    return said


if __name__ == "__main__":
    main()
