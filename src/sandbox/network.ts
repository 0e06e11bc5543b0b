// The cell's network as text for ip(8) and nft(8): one interface, lo, on which every address is local, so that each
// dial ends in the cell's own kernel; DNS and TCP are redirected to the doors; all else is rejected at once.
// Rules: 127.0.0.0/8 and ::1 are the cell's own and are not redirected. A wildcard UDP listener could not answer
// (its source address would be unlike conntrack's: EPERM), hence one socket for each family's loopback.

/** Ports of the doors inside the cell. A dial to one of them has itself as original destination: reserved. */
export const tcpDoorPort = 15001;
export const dnsDoorPort = 15053;

/** The cell's name servers: outside 127/8, so that queries are redirected; their packets never leave the cell. */
export const nameServers = ["198.18.255.53", "fd00::53"] as const;

export function ipBatch(ipv6: boolean): string {
  return `link set lo up\nroute add local 0.0.0.0/0 dev lo\n${ipv6 ? "route add local ::/0 dev lo\n" : ""}`;
}

export function nftRules(layers: { redirect: boolean; filter: boolean } = { redirect: true, filter: true }): string {
  const redirect = `
  chain to_doors { type nat hook output priority -100; policy accept;
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    udp dport 53 redirect to :${dnsDoorPort}
    tcp dport 53 redirect to :${dnsDoorPort}
    meta l4proto tcp redirect to :${tcpDoorPort}
  }`;
  const filter = `
  chain all_else { type filter hook output priority 0; policy drop;
    oif lo ip daddr 127.0.0.0/8 accept
    oif lo ip6 daddr ::1 accept
    ct state established,related accept
    meta l4proto tcp reject with tcp reset
    reject
  }`;
  return `table inet cell {${layers.redirect ? redirect : ""}${layers.filter ? filter : ""}\n}\n`;
}
