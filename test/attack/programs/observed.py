"""Under --observe everything public passes. What is private does not, by whatever name or number it is asked for."""

from attack import *

closed = ["loop", "loop2", "zero", "gateway", "hostown", "hostown2", "private", "metadata", "linklocal", "cgnat", "mapped", "nat64", "sixtofour", "teredo", "multicast", "broadcast", "mixed"]
literals = [place["loopback"], place["gateway"], *place["host"], place["private"], *place["metadata"]]


def get(host, canary, port=80):
    connection = dial(host, port) if port == 80 else dial_tls(host, port, sni=f"{canary}.test" if host in literals else host)
    name = f"[{host}]" if ":" in host else host
    connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
    return read_all(connection)


@attack("what is public does pass, though no rule names it")
def works(canary):
    data = get(f"plain.{zone}", "welcome")
    check(banner in data, f"the world is broken, or nothing is observed: {data[:400]!r}")
    return "passed"


@each("a name of no rule that leads into private space", [f"sub.{label}.{zone}" for label in closed], reason="private_address")
def unknown_name(canary, name):
    return refused(get(name, canary), "private_address")


@each("HTTP to a private literal address", literals, reason="private_address")
def http_literal(canary, address):
    return refused(get(address, canary), "private_address")


@each("bytes to a private literal address", literals)
def tcp_literal(canary, address):
    connection = dial(address, 31337)
    connection.sendall(f"{canary} hello\n".encode())
    return no_banner(read_all(connection)) or "closed without a byte"


@each("a port of the host's own addresses", [22, 53, 2375, 5432, 6379, 8080])
def host_ports(canary, port):
    for address in place["host"]:
        connection = dial(address, port)
        connection.sendall(f"GET /{canary} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        no_banner(read_all(connection))
    return "silence"


@attack("what the policy denies in so many words", reason="domain_not_allowed")
def denied_by_rule(canary):
    return refused(get(f"bad.wild.{zone}", canary), "domain_not_allowed")


if __name__ == "__main__":
    main()
