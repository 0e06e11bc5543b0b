import assert from "node:assert/strict";
import { isIP } from "node:net";
import { test } from "node:test";
import {
  addressBytes,
  addressFromBytes,
  contains,
  formatAddress,
  formatCidr,
  normalAddress,
  parseAddress,
  parseCidr,
} from "./address.ts";

test("an address has one text", () => {
  const cases: [string, string][] = [
    ["1.2.3.4", "1.2.3.4"],
    ["255.255.255.255", "255.255.255.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["1:0:0:0:2:0:0:0", "1::2:0:0:0"],
    ["fe80:0:0:0:0:0:0:0", "fe80::"],
    ["::ffff:169.254.169.254", "169.254.169.254"],
    ["::ffff:a9fe:a9fe", "169.254.169.254"],
    ["0:0:0:0:0:FFFF:10.0.0.1", "10.0.0.1"],
    ["64:ff9b::10.0.0.1", "64:ff9b::a00:1"],
  ];
  for (const [text, normal] of cases) {
    assert.equal(normalAddress(text), normal, text);
    assert.equal(normalAddress(normal), normal, "the normal form is its own");
    const parsed = parseAddress(text);
    assert.ok(parsed);
    assert.deepEqual(addressFromBytes(addressBytes(parsed)), parsed);
  }
});

test("what only resembles an address is none", () => {
  const cases =
    "|1|1.2.3|1.2.3.4.5|1.2.3.4.|.1.2.3.4|01.2.3.4|1.2.3.04|1.2.3.256|1.2.3.1000|0x7f.1|127.1|2130706433|017700000001|0x7f000001|1.2.3.4 | 1.2.3.4|1.2..4|+1.2.3.4|1.2.3.-4|" +
    ":|:::|::1::|1:2:3:4:5:6:7|1:2:3:4:5:6:7:8:9|1:2:3:4:5:6:7:8::|::1:2:3:4:5:6:7:8|1::2::3|:1:2:3:4:5:6:7:8|1:2:3:4:5:6:7:8:|12345::|::g|fe80::1%eth0|fe80::1%0|[::1]|::1.2.3|::1.2.3.4.5|::01.2.3.4|1:2:3:4:5:6:7:1.2.3.4|::1.2.3.4:5|1.2.3.4::|::ffff:1.2.3.4%1|" +
    "１.2.3.4|1.2.3.4\u0000|localhost|example.com";
  for (const text of cases.split("|")) assert.equal(parseAddress(text), null, JSON.stringify(text));
});

test("a range holds its own family, mapped or not, and only that", () => {
  const cases: [range: string, inside: string, outside: string][] = [
    ["10.0.0.0/8", "10.0.0.0 10.255.255.255 ::ffff:10.1.2.3", "11.0.0.0 9.255.255.255 ::10.0.0.1 fd00::1"],
    ["0.0.0.0/0", "1.2.3.4 255.255.255.255 ::ffff:1.2.3.4", ":: ::1 2a00::1"],
    ["::/0", ":: ::1 2a00::1 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "1.2.3.4 ::ffff:1.2.3.4"],
    ["::ffff:0:0/96", "1.2.3.4", "2a00::1"],
    ["::ffff:10.0.0.0/104", "10.1.2.3", "11.1.2.3"],
    ["192.168.1.128/25", "192.168.1.128 192.168.1.255", "192.168.1.127"],
    ["127.0.0.1", "127.0.0.1", "127.0.0.2 ::1"],
    ["fd00::/8", "fd12::1 fdff:ffff::", "fc00::1 fe00::1"],
    ["2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"],
    ["2001:db8::1/128", "2001:db8::1", "2001:db8::2"],
  ];
  for (const [range, inside, outside] of cases) {
    const cidr = parseCidr(range);
    assert.ok(cidr, range);
    for (const address of inside.split(" ")) assert.ok(contains(cidr, address), `${range} holds ${address}`);
    for (const address of outside.split(" ")) assert.ok(!contains(cidr, address), `${range} does not hold ${address}`);
    const again = parseCidr(formatCidr(cidr));
    assert.deepEqual(again, cidr);
  }
});

test("a range that does not mean what it says is none", () => {
  for (const text of "10.0.0.1/8|10.0.0.0/33|10.0.0.0/|10.0.0.0/08|10.0.0.0/ 8|10.0.0.0/-1|10.0.0.0/8/8|fd00::1/8|::/129|10/8|/8||*".split(
    "|",
  )) {
    assert.equal(parseCidr(text), null, text);
  }
});

test("the parser agrees with Node's on what an address is, zones aside", () => {
  let state = 7;
  const next = (below: number) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  const pieces = ["0", "1", "f", "FFFF", "255", "256", "00", "::", ":", ":", ":", ".", ".", ".", "12", "abcd", "10000"];
  for (let i = 0; i < 100_000; i++) {
    let text = "";
    for (let n = next(16); n >= 0; n--) text += pieces[next(pieces.length)];
    assert.equal(parseAddress(text) !== null, isIP(text) !== 0, text);
  }
});

test("formatting survives a round trip through Node's own canonical form", () => {
  for (const text of ["2001:db8::1", "1:2:3:4:5:6:7:0", "::2", "a:0:0:b::", "64:ff9b::a00:1"]) {
    const parsed = parseAddress(text);
    assert.ok(parsed);
    assert.equal(`[${formatAddress(parsed)}]`, new URL(`http://[${text}]/`).host);
  }
});
