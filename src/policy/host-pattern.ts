// Which hosts a rule names. A pattern looks like a pattern: `*.example.com` is exactly one label before the suffix,
// `**.example.com` is one or more, neither is the bare name, and `**` alone is every name (never a literal address).
// Nothing else is a pattern. Wildcards match names only: an address is named by itself.

import { addressClass } from "#lib/address-class.ts";
import { isLiteralAddress, meantHost, normalHost } from "#lib/host-name.ts";

export interface HostPattern {
  /** `exact`: a name or a literal address. `one`, `deep`: `suffix` follows the wildcard. `every`: any name. */
  readonly kind: "exact" | "one" | "deep" | "every";
  /** The host, or what follows the wildcard's dot, in normal form; empty for `every`. */
  readonly suffix: string;
  /** The pattern as it should be written. */
  readonly text: string;
}

/** A host pattern, and a port where one was written. */
export interface Endpoint {
  readonly host: HostPattern;
  readonly port: number | null;
}

export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  /** `remedy`: the right spelling, as a sentence; null where none can be guessed. */
  | { readonly ok: false; readonly problem: string; readonly remedy: string | null };

export function parseHostPattern(text: string): Parsed<HostPattern> {
  if (text === "**") return { ok: true, value: { kind: "every", suffix: "", text } };
  if (text === "*") return bad('"*" says nothing about depth', 'Write "**" for every name.');
  const kind = text.startsWith("**.") ? "deep" : text.startsWith("*.") ? "one" : "exact";
  const wildcard = kind === "deep" ? "**." : kind === "one" ? "*." : "";
  const rest = text.slice(wildcard.length);
  if (rest.includes("*"))
    return bad(`"${text}" is no pattern`, "A wildcard is a whole label at the left: *.example.com or **.example.com.");
  if (rest.startsWith("."))
    return bad(
      `"${text}" is no host`,
      meant(
        rest,
        (host) =>
          `Write "*.${host}" for one label before it, "**.${host}" for any depth, "${host}" for the name itself.`,
      ),
    );
  const host = normalHost(rest);
  if (host === null)
    return bad(
      `"${text}" is no host`,
      meant(rest, (name) => `Write "${wildcard}${name}".`),
    );
  if (kind !== "exact" && isLiteralAddress(host))
    return bad(`"${text}" has a wildcard before an address`, "Wildcards match names only; name the address itself.");
  return { ok: true, value: { kind, suffix: host, text: wildcard + host } };
}

/** `host`, `host:port`, `1.2.3.4:port`, `[v6]`, `[v6]:port`. */
export function parseEndpoint(text: string): Parsed<Endpoint> {
  if (text.startsWith("@"))
    return bad(`the preset "${text}" cannot stand here`, "Presets go into [network] allow, without a port.");
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) {
    const bare = text.replace(/:\d+(?=[/?#]|$)/, "");
    const say = (host: string) => `Write "${host}", or "${host}:PORT"; paths go into a [[network.rule]].`;
    return bad(`"${text}" is a URL`, meant(bare, say));
  }
  const split = /^(\[[^\]]*\]|[^:]*)(?::([^:]*))?$/s.exec(text);
  if (split === null) {
    const address = normalHost(text);
    const say = (host: string) => `Write "${host}".`;
    return bad(`"${text}" is no host or host:port`, address === null ? meant(text, say) : say(`[${address}]`));
  }
  const [, hostText = "", portText] = split;
  const host = parseHostPattern(hostText);
  if (!host.ok) return host;
  if (portText === undefined) return { ok: true, value: { host: host.value, port: null } };
  const port = parsePort(portText);
  if (port === null) return bad(`"${portText}" is no port`, `A port is a number from 1 to 65535: "${hostText}:443".`);
  return { ok: true, value: { host: host.value, port } };
}

/** 1 to 65535 in decimal without leading zeros; null otherwise. */
export function parsePort(text: string): number | null {
  const port = /^[1-9][0-9]{0,4}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65535 ? port : null;
}

/** The endpoint as it should be written. */
export function endpointText({ host, port }: Endpoint): string {
  const text = host.text.includes(":") ? `[${host.text}]` : host.text;
  return port === null ? text : `${text}:${port}`;
}

/** True where a pattern spans names of owners who have nothing to do with each other: `**`, `*.com`, `**.corp`. */
export function isOverBroad({ kind, suffix }: HostPattern): boolean {
  return kind === "every" || (kind !== "exact" && !suffix.includes("."));
}

/** True for a pattern of names that every machine takes for itself: the cell's own loopback, which no rule opens. */
export function isLoopback({ kind, suffix }: HostPattern): boolean {
  if (kind === "exact" && isLiteralAddress(suffix)) return addressClass(suffix) === "loopback";
  return suffix === "localhost" || suffix.endsWith(".localhost");
}

/** The same for an entry of `allow`, in whatever form. */
export function isLoopbackEntry(text: string): boolean {
  const parsed = parseEndpoint(text);
  return parsed.ok && isLoopback(parsed.value.host);
}

export function matchesHost(pattern: HostPattern, host: string): boolean {
  if (pattern.kind === "exact") return host === pattern.suffix;
  if (isLiteralAddress(host)) return false;
  if (pattern.kind === "every") return true;
  const before = host.length - pattern.suffix.length - 1;
  if (before < 1 || host.charCodeAt(before) !== 46 || !host.endsWith(pattern.suffix)) return false;
  return pattern.kind === "deep" || host.indexOf(".") === before;
}

function bad(problem: string, remedy: string | null): { ok: false; problem: string; remedy: string | null } {
  return { ok: false, problem, remedy };
}

function meant(raw: string, say: (host: string) => string): string | null {
  const host = meantHost(raw);
  return host === null ? "Write a host name like api.example.com, without scheme, path or white space." : say(host);
}
