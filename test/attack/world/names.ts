// Where everything of the make-believe internet is. Public addresses are real public ones, so that the boundary judges
// them as it would judge them anywhere; the namespace they stand in has no way to the true internet.

export type Family = 4 | 6;

/** Answered by every listener that stands for the outside: who reads it inside a cell has got out. */
export const banner = "reached-the-outside";

export interface Place {
  readonly resolver: string;
  /** An upstream with a good certificate; the policy allows names that lead here. */
  readonly upstream: string;
  /** A public address that no rule names; it answers to everything. */
  readonly elsewhere: string;
  readonly expired: string;
  readonly selfSigned: string;
  readonly wrongName: string;
  readonly notTls: string;
  readonly gateway: string;
  /** The host's own addresses that are not loopback. */
  readonly host: readonly string[];
  readonly loopback: string;
  readonly publicResolvers: readonly string[];
  /** Metadata services of the clouds. */
  readonly metadata: readonly string[];
  readonly private: string;
}

export const places: Record<Family, Place> = {
  4: {
    resolver: "10.77.0.1",
    upstream: "93.184.216.10",
    elsewhere: "93.184.216.66",
    expired: "93.184.216.20",
    selfSigned: "93.184.216.21",
    wrongName: "93.184.216.22",
    notTls: "93.184.216.23",
    gateway: "10.77.0.1",
    host: ["10.77.0.2", "192.168.77.1"],
    loopback: "127.0.0.1",
    publicResolvers: ["8.8.8.8", "1.1.1.1"],
    metadata: ["169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192"],
    private: "10.1.2.3",
  },
  6: {
    resolver: "fd77::1",
    upstream: "2606:2800:220:1::10",
    elsewhere: "2606:2800:220:1::66",
    expired: "2606:2800:220:1::20",
    selfSigned: "2606:2800:220:1::21",
    wrongName: "2606:2800:220:1::22",
    notTls: "2606:2800:220:1::23",
    gateway: "fd77::1",
    host: ["fd77::2", "fd78::1"],
    loopback: "::1",
    publicResolvers: ["2001:4860:4860::8888", "2606:4700:4700::1111"],
    metadata: ["fd00:ec2::254", "fd20:ce::254"],
    private: "fd12:3456::1",
  },
};

/** The zone of a family: `four.test` has only A records, `six.test` only AAAA. */
export function zone(family: Family): string {
  return family === 4 ? "four.test" : "six.test";
}

/** What the make-believe internet's resolver says of a name's first label; several answers come in this order. */
export function addressesOf(name: string, asked: number): readonly string[] {
  const family: Family | null = name.endsWith(".four.test") ? 4 : name.endsWith(".six.test") ? 6 : null;
  if (family === null) return [];
  const place = places[family];
  const label = name.split(".").at(-3) ?? "";
  const six = family === 6;
  switch (label) {
    case "allowed":
    case "plain":
    case "api":
    case "wild":
    case "raw":
      return [place.upstream];
    case "expired":
      return [place.expired];
    case "selfsigned":
      return [place.selfSigned];
    case "wrongname":
      return [place.wrongName];
    case "nottls":
      return [place.notTls];
    case "loop":
      return [place.loopback];
    case "loop2":
      return [six ? "::ffff:127.0.0.1" : "127.8.9.10"];
    case "zero":
      return [six ? "::" : "0.0.0.0"];
    case "gateway":
      return [place.gateway];
    case "hostown":
      return [place.host[0] as string];
    case "hostown2":
      return [place.host[1] as string];
    case "private":
      return [place.private];
    case "metadata":
      return [six ? "fd00:ec2::254" : "169.254.169.254"];
    case "linklocal":
      return [six ? "fe80::1" : "169.254.1.1"];
    case "cgnat":
      return [six ? "fec0::1" : "100.64.0.1"];
    case "mapped":
      return [six ? "::ffff:10.77.0.2" : "10.77.0.2"];
    case "nat64":
      return [six ? "64:ff9b::7f00:1" : "127.0.0.2"];
    case "sixtofour":
      return [six ? "2002:7f00:1::" : "192.88.99.1"];
    case "teredo":
      return [six ? "2001:0:7f00:1::80ff:fffe" : "240.0.0.1"];
    case "multicast":
      return [six ? "ff02::1" : "224.0.0.1"];
    case "broadcast":
      return [six ? "ff01::1" : "255.255.255.255"];
    case "mixed":
      return [place.loopback, place.host[0] as string];
    case "rebind":
      return asked === 0 ? [place.upstream] : [place.loopback];
    default:
      return [place.elsewhere];
  }
}
