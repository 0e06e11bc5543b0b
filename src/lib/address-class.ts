// What an address is for, which decides whether a name may lead there. An address that embeds another (mapped, NAT64,
// 6to4, Teredo, ISATAP) may deliver to either, so the worse of both counts. The text may be an attacker's.

import { type Address, formatAddress, parseAddress } from "./address.ts";

/**
 * What an address is for, after the IANA special-purpose registries. Only `public` may be reached without being opened.
 * `benchmarking` is 198.18.0.0/15, where the cell's own synthetic addresses are.
 */
export type AddressClass =
  | "public"
  | "documentation"
  | "reserved"
  | "benchmarking"
  | "multicast"
  | "broadcast"
  | "shared"
  | "private"
  | "link_local"
  | "unspecified"
  | "loopback"
  | "metadata";

/** How bad it is to reach one unasked; of an outer and an embedded address the worse one counts. */
const severity: { readonly [name in AddressClass]: number } = {
  public: 0,
  documentation: 1,
  reserved: 2,
  benchmarking: 3,
  multicast: 4,
  broadcast: 5,
  shared: 6,
  private: 7,
  link_local: 8,
  unspecified: 9,
  loopback: 10,
  metadata: 11,
};

// Where clouds hand out credentials to whoever asks, wherever the address itself lies.
const metadata4 = new Set<number>(
  [
    "169.254.169.254", // EC2, GCE, Azure, OCI, DigitalOcean, Hetzner, OpenStack, Vultr, Linode, Huawei, IBM, Yandex
    "169.254.169.253", // EC2's resolver
    "169.254.169.250", // Rancher
    "169.254.170.2", // ECS task credentials
    "169.254.170.23", // EKS pod identity
    "169.254.42.42", // Scaleway
    "169.254.0.23", // Tencent
    "100.100.100.200", // Alibaba
    "168.63.129.16", // Azure's wire server: public by its range
    "192.0.0.192", // OCI classic
  ].map((text) => parseAddress(text)?.d ?? 0),
);
const metadata6: ReadonlySet<string> = new Set([
  "fd00:ec2::254", // EC2
  "fd00:ec2::253", // EC2's resolver
  "fd00:ec2::23", // EKS pod identity
  "fd20:ce::254", // GCE
  "fd00:42::42", // Scaleway
  "fd00:a9fe:a9fe::1", // Linode
  "fe80::a9fe:a9fe", // OpenStack
]);

function classOfV4(value: number): AddressClass {
  if (metadata4.has(value)) return "metadata";
  const first = value >>> 24;
  const second = (value >>> 16) & 255;
  const top24 = value >>> 8;
  switch (first) {
    case 0:
      return "unspecified";
    case 10:
      return "private";
    case 100:
      return second >= 64 && second < 128 ? "shared" : "public";
    case 127:
      return "loopback";
    case 169:
      return second === 254 ? "link_local" : "public";
    case 172:
      return second >= 16 && second < 32 ? "private" : "public";
    case 192:
      if (second === 168) return "private";
      if (top24 === 0xc00002) return "documentation"; // 192.0.2.0/24
      return top24 === 0xc00000 || top24 === 0xc05863 ? "reserved" : "public"; // 192.0.0.0/24, 192.88.99.0/24
    case 198:
      if (second === 18 || second === 19) return "benchmarking";
      return top24 === 0xc63364 ? "documentation" : "public"; // 198.51.100.0/24
    case 203:
      return top24 === 0xcb0071 ? "documentation" : "public"; // 203.0.113.0/24
    default:
      if (value === 0xffffffff) return "broadcast";
      return first >= 240 ? "reserved" : first >= 224 ? "multicast" : "public";
  }
}

function worse(one: AddressClass, other: AddressClass): AddressClass {
  return severity[one] >= severity[other] ? one : other;
}

function classOfV6(address: Address): AddressClass {
  const { a, b, c, d } = address;
  if (a === 0 && b === 0) {
    if (c === 0) return d === 0 ? "unspecified" : d === 1 ? "loopback" : worse("reserved", classOfV4(d)); // ::a.b.c.d
    if (c === 0xffff) return classOfV4(d);
    return worse("reserved", classOfV4(d)); // ::ffff:0:a.b.c.d (RFC 2765) and what is like it
  }
  if (a === 0x0064ff9b) {
    if (b === 0 && c === 0) return classOfV4(d); // NAT64, RFC 6052: where IPv4 is reached on an IPv6-only network
    if (b >>> 16 === 1) return classOfLocalNat64(address);
    return "reserved";
  }
  const top = a >>> 16;
  let outer: AddressClass = "public";
  if (top >>> 8 === 0xff) outer = "multicast";
  else if (top >>> 6 === 0x3fa)
    outer = "link_local"; // fe80::/10
  else if (top >>> 6 === 0x3fb || top >>> 9 === 0x7e)
    outer = "private"; // fec0::/10, fc00::/7
  else if (top >>> 13 !== 1)
    outer = "reserved"; // global unicast is 2000::/3
  else if (top === 0x2002) {
    outer = worse("reserved", classOfV4(((a << 16) | (b >>> 16)) >>> 0)); // 6to4
  } else if (a === 0x20010000) {
    outer = worse(worse("reserved", classOfV4(b)), classOfV4(~d >>> 0)); // Teredo: its server, and its client inverted
  } else if (a === 0x20010db8 || (top === 0x3fff && (a & 0xf000) === 0)) outer = "documentation";
  else if (a === 0x20010002 && b >>> 16 === 0) outer = "benchmarking";
  else if (top === 0x2001 && (a & 0xfe00) === 0) outer = "reserved"; // 2001::/23, IETF protocol assignments
  // ISATAP: any prefix, interface id 0:5efe:a.b.c.d or 200:5efe:a.b.c.d
  if (c === 0x00005efe || c === 0x02005efe) outer = worse(outer, classOfV4(d));
  if (outer === "private" || outer === "link_local") return metadata6.has(formatAddress(address)) ? "metadata" : outer;
  return outer;
}

/** 64:ff9b:1::/48 (RFC 8215) is private itself; the IPv4 inside stands at a place that depends on the site's prefix length. */
function classOfLocalNat64({ b, c, d }: Address): AddressClass {
  const at48 = (((b & 0xffff) << 16) | ((c >>> 8) & 0xffff)) >>> 0;
  const at56 = (((b & 0xff) << 24) | (c & 0xffffff)) >>> 0;
  const at64 = (((c & 0xffffff) << 8) | (d >>> 24)) >>> 0;
  return [at48, at56, at64, d].some((value) => metadata4.has(value)) ? "metadata" : "private";
}

/**
 * The class of an address; of one that embeds another (mapped, compatible, NAT64, 6to4, Teredo, ISATAP) the worse of both.
 * A text that is no address is `reserved`: never reachable.
 */
export function addressClass(address: Address | string): AddressClass {
  const parsed = typeof address === "string" ? parseAddress(address) : address;
  if (parsed === null) return "reserved";
  return parsed.family === 4 ? classOfV4(parsed.d) : classOfV6(parsed);
}
