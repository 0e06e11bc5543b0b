// What an agent asks to do, as the gate sees it. A door turns bytes into one of these; nothing else is judged.
// Hosts are in normal form (#lib/host-name.ts): lower case, no trailing dot, A-labels; or a literal address.

/** A connection that is not, or not yet, HTTP that the boundary can read: tunnelled bytes, or one that ended before a request. */
export interface ConnectAction {
  readonly kind: "connect";
  /** The name the cell asked DNS for, or the literal address it dialled. */
  readonly host: string;
  readonly port: number;
  /** What the first bytes were: `tls` is a ClientHello, `http` a request line, `tcp` anything else or nothing yet. */
  readonly protocol: "tls" | "http" | "tcp";
}

/** One HTTP request, over TLS that the boundary terminated (`https`) or in the clear (`http`). */
export interface HttpAction {
  readonly kind: "http";
  readonly scheme: "http" | "https";
  readonly host: string;
  readonly port: number;
  /** The effective method: as sent, or what an override header asks for. */
  readonly method: string;
  /** Path and query exactly as on the wire, starting with `/`, or `*` for OPTIONS. */
  readonly path: string;
  /** True when the request carries a body (Content-Length > 0 or chunked). */
  readonly body: boolean;
  /** The protocol an `Upgrade` asks for, lower case; null without one. */
  readonly upgrade: string | null;
}

export interface DnsAction {
  readonly kind: "dns";
  readonly host: string;
  /** The query type's mnemonic: `A`, `AAAA`, `TXT`, `HTTPS`, `TYPE65280`, … */
  readonly type: string;
}

export type Action = ConnectAction | HttpAction | DnsAction;
