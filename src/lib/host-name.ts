// Host names in the one form that rules, actions and events use, so that two spellings of a name cannot get two answers.
// Rules: lower case; no trailing dot; letters, digits, `-` and `_` in labels of 1 to 63 characters that neither begin nor
// end with `-`; 253 characters at most; internationalised names as A-labels that decode and encode back to themselves.
// A literal address is RFC 5952 or dotted-quad text without brackets. What only some resolvers read as an address
// (`0x7f.1`, `2130706433`, `017700000001`, `127.1`) is refused rather than guessed. The raw text may be an attacker's.

import { domainToASCII, domainToUnicode } from "node:url";
import { normalAddress } from "./address.ts";

/** What the host's own loopback is called inside a cell. Only an exact entry with a port opens it. */
export const hostLoopback = "host.sallyport.internal";

/** Where a cell asks sallyport itself (plain HTTP, port 80): who am I, what is left, why was this denied. */
export const innerApi = "sallyport.internal";

const longestName = 253;
const label = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
/** A last label like this makes WHATWG URLs and inet_aton(3) read the whole as IPv4. */
const numeric = /^(?:[0-9]+|0x[0-9a-f]*)$/;

/** The normal form of a host, or null where the text is none. Brackets are accepted around IPv6 only. */
export function normalHost(raw: string): string | null {
  // Before lower case, which makes ASCII of a Kelvin sign.
  if (raw.length > longestName + 1 || !/^[A-Za-z0-9_.:[\]-]+$/.test(raw)) return null;
  if (raw.includes(":")) return normalAddress(raw.startsWith("[") && raw.endsWith("]") ? raw.slice(1, -1) : raw);
  const lower = raw.toLowerCase();
  const name = lower.endsWith(".") ? lower.slice(0, -1) : lower;
  if (name.length > longestName) return null;
  const labels = name.split(".");
  for (const part of labels) if (!label.test(part) || (part.startsWith("xn--") && !isALabel(part))) return null;
  // A trailing dot makes a name; no address has one.
  if (numeric.test(labels.at(-1) ?? "")) return lower === name ? normalAddress(name) : null;
  return name;
}

/** True where the text, already in normal form, is an address rather than a name. */
export function isLiteralAddress(host: string): boolean {
  const last = host.charCodeAt(host.length - 1);
  return host.includes(":") || (last >= 48 && last <= 57 && normalAddress(host) !== null);
}

/** `host:port`, with brackets around IPv6. */
export function hostAndPort(host: string, port: number | "PORT"): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What the writer of a text that is no host probably meant, in normal form; null where no guess is safe. */
export function meantHost(raw: string): string | null {
  let text = raw.trim();
  text = text.replace(/^[a-z][a-z0-9+.-]*:\/\//i, "").replace(/[/?#].*$/s, "");
  text = text.slice(text.lastIndexOf("@") + 1).replace(/^\.+|\.+$/g, "");
  if (text.length > longestName) return null;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: only a text beyond ASCII is mapped
  const host = normalHost(/^[\x00-\x7f]*$/.test(text) ? text : domainToASCII(text));
  return host === null || host === raw ? null : host;
}

function isALabel(text: string): boolean {
  const unicode = domainToUnicode(text);
  return unicode !== text && unicode !== "" && domainToASCII(unicode) === text;
}
