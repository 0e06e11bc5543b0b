// What each kind of text in a policy must look like, and its normal form. Rules: a refusal says what is wrong, and the
// right spelling where one can be guessed.

import { formatCidr, parseCidr } from "#lib/address.ts";
import { hostAndPort, hostLoopback, isLiteralAddress, normalHost } from "#lib/host-name.ts";
import { endpointText, isOverBroad, type Parsed, parseEndpoint, parseHostPattern, parsePort } from "./host-pattern.ts";
import { parsePathPattern, pathPatternText } from "./path-pattern.ts";
import { parsePlace } from "./place.ts";
import { isPreset, presetName, presetRuleId } from "./presets.ts";
import { type Format, schemaVersion } from "./schema.ts";

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** The normal form of `text`, or what is wrong with it. `path` is where it stands, without indices. */
export function checkFormat(format: Format, text: string, path: string): Parsed<string> {
  if (text.length > 4096) return bad("this is longer than 4,096 characters", null);
  if (!text.isWellFormed()) return bad("this is no well-formed text", null);
  return checks[format](text, path);
}

const checks: { readonly [format in Format]: (text: string, path: string) => Parsed<string> } = {
  version: (text) =>
    text === schemaVersion
      ? good(text)
      : bad(`the version "${text}" is unknown`, `Write version = "${schemaVersion}".`),

  endpoint(text, path) {
    if (path === "network.allow" && isPreset(text)) {
      const name = presetName(text);
      return name === null ? bad(`"${text}" is no preset`, 'Write for example "@npm" or "@npm/1".') : good(name);
    }
    const parsed = parseEndpoint(text);
    if (!parsed.ok) return parsed;
    const { host, port } = parsed.value;
    if (path === "network.allow" && host.suffix === hostLoopback && port === null) {
      return bad(
        `"${text}" is this machine's own loopback, and needs a port`,
        `Write "${hostLoopback}:11434", with the port of the service that is meant.`,
      );
    }
    if (path === "network.allow" && isOverBroad(host)) {
      return bad(
        `"${text}" is over-broad: it spans names of owners who have nothing to do with each other`,
        `Name the hosts, or write a [[network.rule]] with host = "${host.text}" and an id that begins with "unsafe_".`,
      );
    }
    return good(endpointText(parsed.value));
  },

  host(text) {
    const port = /^(?:\[[^\]]*\]|[^:]*):([0-9]+)$/.exec(text)?.[1];
    if (port !== undefined)
      return bad(`"${text}" has a port`, `Write host = "${text.slice(0, -port.length - 1)}" and port = ${port}.`);
    const parsed = parseEndpoint(
      text.includes(":") && !text.startsWith("[") && normalHost(text) !== null ? `[${text}]` : text,
    );
    return parsed.ok ? good(parsed.value.host.text) : parsed;
  },

  path(text) {
    const parsed = parsePathPattern(text);
    return parsed.ok ? good(pathPatternText(parsed.value)) : parsed;
  },

  method(text) {
    if (!token.test(text) || text.length > 32) return bad(`"${text}" is no HTTP method`, 'Write for example "GET".');
    if (text.toUpperCase() !== text)
      return bad(`"${text}" is not how the method is sent: methods differ by case`, `Write "${text.toUpperCase()}".`);
    return text === "CONNECT"
      ? bad("CONNECT is no request that a rule can name", "Leave it out: tunnels are judged by host and port.")
      : good(text);
  },

  cidr(text) {
    const cidr = parseCidr(text);
    if (cidr !== null) return good(formatCidr(cidr));
    return bad(
      `"${text}" is no range of addresses`,
      'Write for example "10.0.0.0/8" or "fd00::/8"; the bits after the prefix are zero.',
    );
  },

  environment(text) {
    const name = text.split("=", 1)[0] ?? "";
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      return bad(`"${name}" is no name of an environment variable`, 'Write "NAME" or "NAME=VALUE".');
    return text.includes("\0") ? bad("an environment variable holds no NUL", null) : good(text);
  },

  "rule-id": (text) =>
    presetRuleId.test(text) || /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/.test(text)
      ? good(text)
      : bad(
          `"${text}" is no id`,
          "An id has 1 to 64 letters, digits, _ . and -, and begins with none of the last two.",
        ),

  upstream(text) {
    const parts = /^(\[[^\]]*\]|[^:]*)(?::([0-9]+))?$/.exec(text);
    const bare = normalHost(text);
    const host = bare ?? (parts === null ? null : normalHost(parts[1] ?? ""));
    const port = bare !== null || parts?.[2] === undefined ? null : parsePort(parts[2]);
    if (host === null || !isLiteralAddress(host) || (bare === null && parts?.[2] !== undefined && port === null)) {
      return bad(
        `"${text}" is no address to connect to`,
        'Write for example "10.1.2.3", "10.1.2.3:8443" or "[fd00::1]:443".',
      );
    }
    return good(port === null ? host : hostAndPort(host, port));
  },

  file: (text) => (text === "" || text.includes("\0") ? bad("this is no file name", null) : good(text)),

  place: (text) => parsePlace(text),

  user: (text) =>
    /^[a-z_][a-z0-9_-]{0,31}\$?$/.test(text)
      ? good(text)
      : bad(`"${text}" is no user's name`, 'Write for example "nobody".'),

  url(text) {
    const url = URL.canParse(text) ? new URL(text) : null;
    return url?.protocol === "https:" && url.username === "" && url.password === ""
      ? good(url.href)
      : bad(`"${text}" is no https URL`, 'Write for example "https://alerts.example.com/sallyport".');
  },

  text: (text) => (text === "" ? bad("this is empty", null) : good(text)),
};

/** The normal form of a host that is a key: a name or an address, no pattern. */
export function checkHostKey(text: string): Parsed<string> {
  const parsed = parseHostPattern(text);
  if (!parsed.ok) return parsed;
  if (parsed.value.suffix === hostLoopback)
    return bad(`"${hostLoopback}" is this machine's loopback and nowhere else`, "Leave it out.");
  return parsed.value.kind === "exact" ? good(parsed.value.suffix) : bad(`"${text}" is a pattern`, "Name one host.");
}

function good(value: string): Parsed<string> {
  return { ok: true, value };
}

function bad(problem: string, remedy: string | null): Parsed<string> {
  return { ok: false, problem, remedy };
}
