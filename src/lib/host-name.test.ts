import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { hostAndPort, isLiteralAddress, meantHost, normalHost } from "./host-name.ts";

const accepted: readonly (readonly [raw: string, normal: string])[] = [
  ["github.com", "github.com"],
  ["GitHub.COM", "github.com"],
  ["github.com.", "github.com"],
  ["_dmarc.example.com", "_dmarc.example.com"],
  ["r3---sn-aigl6n7e.googlevideo.com", "r3---sn-aigl6n7e.googlevideo.com"],
  ["localhost", "localhost"],
  ["3com.com", "3com.com"],
  ["1.2.3.4.example.com", "1.2.3.4.example.com"],
  ["XN--MNCHEN-3YA.de", "xn--mnchen-3ya.de"],
  ["xn--ls8h.la", "xn--ls8h.la"],
  [`${"a".repeat(63)}.com`, `${"a".repeat(63)}.com`],
  [`${"a.".repeat(125)}com`, `${"a.".repeat(125)}com`],
  ["10.0.0.1", "10.0.0.1"],
  ["::1", "::1"],
  ["[::1]", "::1"],
  ["2001:DB8:0:0::1", "2001:db8::1"],
  ["[::ffff:169.254.169.254]", "169.254.169.254"],
  ["::ffff:a9fe:a9fe", "169.254.169.254"],
];

for (const [raw, normal] of accepted) {
  test(`the host ${JSON.stringify(raw.slice(0, 40))} has the normal form ${normal.slice(0, 40)}`, () =>
    assert.equal(normalHost(raw), normal));
}

const refused: readonly (readonly [why: string, raw: string])[] = [
  ["nothing", ""],
  ["a dot", "."],
  ["a NUL", "github.com\0.evil.com"],
  ["white space before", " github.com"],
  ["white space after", "github.com\n"],
  ["white space inside", "git hub.com"],
  ["an empty label", "github..com"],
  ["a leading dot", ".github.com"],
  ["two trailing dots", "github.com.."],
  ["a port", "github.com:443"],
  ["userinfo", "user@github.com"],
  ["a scheme", "https://github.com"],
  ["a path", "github.com/x"],
  ["an escape", "github%2ecom"],
  ["a homoglyph", "gіthub.com"],
  ["a full-width dot", "github。com"],
  ["a soft hyphen", "git\u00adhub.com"],
  ["a Kelvin sign, which lower case makes a k", "\u212aelvin.com"],
  ["a label that begins with a hyphen", "-a.com"],
  ["a label that ends with one", "a-.com"],
  ["a label of 64 characters", `${"a".repeat(64)}.com`],
  ["254 characters", `${"a.".repeat(126)}aa`],
  ["a thousand labels", "a.".repeat(1000)],
  ["punycode that decodes to nothing", "xn--.com"],
  ["punycode that does not decode", "xn--a.com"],
  ["punycode of what needs none", "xn--github-.com"],
  ["hexadecimal", "0x7f.1"],
  ["a hexadecimal last label", "example.0x7f"],
  ["a decimal address", "2130706433"],
  ["an octal address", "017700000001"],
  ["a short address", "127.1"],
  ["leading zeros", "127.0.0.01"],
  ["an octet of 256", "256.0.0.1"],
  ["five octets", "1.2.3.4.5"],
  ["an address with a trailing dot", "127.0.0.1."],
  ["an IPv6 zone", "fe80::1%eth0"],
  ["an IPv6 address with half its brackets", "[::1"],
  ["IPv4 in brackets", "[1.2.3.4]"],
  ["a name in brackets", "[github.com]"],
  ["three colons", ":::1"],
];

for (const [why, raw] of refused) test(`no host: ${why}`, () => assert.equal(normalHost(raw), null));

test("a name that only looks like another one is another one", () => {
  assert.equal(normalHost("notgithub.com"), "notgithub.com");
  assert.equal(normalHost("github.com.evil.com"), "github.com.evil.com");
});

test("the normal form of a normal form is itself, and nothing else than host characters is in it", () => {
  const hostlike = fc.string({ unit: fc.constantFrom(..."aB1.-_:[]%x n\u00e9"), maxLength: 30 });
  fc.assert(
    fc.property(fc.oneof(hostlike, fc.string(), fc.domain(), fc.ipV4(), fc.ipV6()), (raw) => {
      const host = normalHost(raw);
      if (host === null) return;
      assert.match(host, /^[a-z0-9_.:-]+$/);
      assert.equal(normalHost(host), host);
      assert.equal(normalHost(host.toUpperCase()), host);
    }),
  );
});

test("addresses are told from names", () => {
  for (const host of ["1.2.3.4", "::1", "2001:db8::1"]) assert.equal(isLiteralAddress(host), true, host);
  for (const host of ["example.com", "a1", "1.2.3.4.example.com", "xn--ls8h.la"])
    assert.equal(isLiteralAddress(host), false, host);
});

test("brackets stand around IPv6 with a port", () => {
  assert.equal(hostAndPort("::1", 443), "[::1]:443");
  assert.equal(hostAndPort("example.com", 443), "example.com:443");
});

const meant: readonly (readonly [raw: string, host: string | null])[] = [
  ["https://user@Example.com/x?y", "example.com"],
  [" example.com ", "example.com"],
  ["münchen.de", "xn--mnchen-3ya.de"],
  [".example.com", "example.com"],
  ["example.com", null],
  ["exa mple", null],
  ["0x7f.1", null],
];
for (const [raw, host] of meant)
  test(`${JSON.stringify(raw)} was probably meant as ${host}`, () => assert.equal(meantHost(raw), host));
