// From what a run asked for to the policy that would have been enough: hosts with their ports, sorted, and methods and
// paths only for hosts that are to be narrow. Nothing is widened to a pattern over names; of many paths below one folder
// the folder is named. What is suggested is what was asked for, not what is wise: a person reads it.

import { hostAndPort, normalHost } from "#lib/host-name.ts";
import { normalPath } from "#lib/http-path.ts";
import { parsePathPattern } from "./path-pattern.ts";
import { schemaVersion } from "./schema.ts";

/** One action that the policy is to allow. */
export interface Asked {
  /** In normal form, or a literal address; what is not is left out. */
  readonly host: string;
  readonly port: number;
  /** Null for what is no HTTP request. */
  readonly request: { readonly method: string; readonly path: string } | null;
}

export interface Suggestion {
  /** Entries of `[network] allow`, and what `--allow` takes: a bare name where both its usual ports were asked for. */
  readonly allow: readonly string[];
  readonly rules: readonly SuggestedRule[];
  /** Hosts beyond `mostHosts`, which are not in here. */
  readonly more: number;
}

export interface SuggestedRule {
  readonly host: string;
  readonly port: number;
  readonly method: readonly string[];
  /** Patterns; null is every path. */
  readonly path: readonly string[] | null;
}

export interface Suggesting {
  /** `narrow`: a rule with method and path, where it is an HTTP request. */
  take(asked: Asked, narrow: boolean): void;
  result(): Suggestion;
}

/** An agent can name any number of hosts, and ask for any number of paths. */
const mostHosts = 1000;
const mostPaths = 1000;
/** More paths than these are summed up by the folder that holds them. */
const manyPaths = 8;

interface Wanted {
  readonly ports: Set<number>;
  readonly narrow: Map<number, { readonly methods: Set<string>; paths: Set<string> | null }>;
}

export function createSuggesting(): Suggesting {
  const hosts = new Map<string, Wanted>();
  const untold = new Set<string>();

  function wantedOf(host: string): Wanted | null {
    const known = hosts.get(host);
    if (known !== undefined) return known;
    if (normalHost(host) !== host) return null;
    if (hosts.size >= mostHosts) {
      if (untold.size < mostHosts) untold.add(host);
      return null;
    }
    const wanted: Wanted = { ports: new Set(), narrow: new Map() };
    hosts.set(host, wanted);
    return wanted;
  }

  return {
    take({ host, port, request }, narrow) {
      const wanted = wantedOf(host);
      if (wanted === null) return;
      if (!narrow || request === null) {
        wanted.ports.add(port);
        return;
      }
      let one = wanted.narrow.get(port);
      if (one === undefined) {
        one = { methods: new Set(), paths: new Set() };
        wanted.narrow.set(port, one);
      }
      one.methods.add(request.method);
      const path = normalPath(request.path);
      if (path === null || !parsePathPattern(path).ok || (one.paths?.size ?? 0) >= mostPaths) one.paths = null;
      else one.paths?.add(path);
    },
    result() {
      const sorted = [...hosts].sort(([one], [other]) => (one < other ? -1 : 1));
      return {
        allow: sorted.flatMap(([host, { ports }]) => entries(host, [...ports])),
        rules: sorted.flatMap(([host, { ports, narrow }]) =>
          [...narrow]
            .filter(([port]) => !ports.has(port))
            .sort(([one], [other]) => one - other)
            .map(([port, { methods, paths }]) => ({
              host,
              port,
              method: [...methods].sort(),
              path: paths === null ? null : patterns([...paths]),
            })),
        ),
        more: untold.size,
      };
    },
  };
}

function entries(host: string, ports: readonly number[]): string[] {
  const bare = ports.includes(80) && ports.includes(443);
  const rest = bare ? ports.filter((port) => port !== 80 && port !== 443) : ports;
  const text = host.includes(":") ? `[${host}]` : host;
  return [
    ...(bare ? [text] : []),
    ...[...rest].sort((one, other) => one - other).map((port) => hostAndPort(host, port)),
  ];
}

/** The paths themselves while they are few; of many, the deepest folder that holds them all. */
function patterns(paths: readonly string[]): string[] {
  if (paths.length <= manyPaths) return [...paths].sort();
  const [first = "", ...others] = paths;
  let folder = first.slice(0, first.lastIndexOf("/") + 1);
  while (!others.every((path) => path.startsWith(folder)))
    folder = folder.slice(0, folder.lastIndexOf("/", folder.length - 2) + 1);
  return [`${folder}**`];
}

/** As TOML: a policy by itself, or (`addition`) what is to be added to one. `heading` is one comment. */
export function suggestionText({ allow, rules, more }: Suggestion, heading: string, addition: boolean): string {
  const list = (texts: readonly string[]) => `[${texts.map((text) => JSON.stringify(text)).join(", ")}]`;
  const lines = addition ? [`# ${heading}`] : [`# ${schemaVersion}`, `# ${heading}`];
  if (more > 0) lines.push(`# ${more} more hosts were asked for, which are not in here.`);
  lines.push("", "[network]");
  if (!addition) lines.push('default = "deny"');
  if (allow.length === 0) lines.push("allow = []");
  else lines.push("allow = [", ...allow.map((entry) => `  ${JSON.stringify(entry)},`), "]");
  for (const { host, port, method, path } of rules) {
    lines.push("", "[[network.rule]]", `host = ${JSON.stringify(host)}`, `port = ${port}`, `method = ${list(method)}`);
    if (path !== null) lines.push(`path = ${list(path)}`);
  }
  return `${lines.join("\n")}\n`;
}
