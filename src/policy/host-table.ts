// Which tables hold for a host. Names are found by hash: exact names in one map, wildcards in maps by the suffix behind
// them, so that a look-up costs the number of labels, not of rules. What was found for a host is kept, within a bound,
// because hosts are the agent's to choose.

import type { Deny } from "#core/decision.ts";
import { addressClass } from "#lib/address-class.ts";
import { hostLoopback, isLiteralAddress } from "#lib/host-name.ts";
import type { HostPattern } from "./host-pattern.ts";
import { buildPortTable, type Habit, habitOf, type PortTable } from "./port-table.ts";
import type { Rule } from "./rule.ts";

/** The rules of one host pattern. */
export interface HostTable {
  readonly pattern: HostPattern | null;
  readonly ports: ReadonlyMap<number, PortTable>;
  /** For rules that name no port. */
  readonly everyPort: { readonly [habit in Habit]: PortTable } | null;
}

/** What an entry of `deny` closes. */
export interface Closed {
  readonly host: HostPattern;
  readonly port: number | null;
  readonly deny: Deny;
}

/** All that holds for one host. */
export interface HostView {
  /** Most specific first. */
  readonly tables: readonly HostTable[];
  /** The tables of one port, as `portTables` found them last; what is asked twice is mostly asked again. */
  lastPort: number;
  lastTables: readonly PortTable[];
  readonly denied: Deny | null;
  readonly deniedPorts: ReadonlyMap<number, Deny> | null;
  /** True for a literal address that is not public: the rule itself must open it. */
  readonly closed: boolean;
}

/** Things kept by host pattern. */
class ByPattern<T> {
  readonly exact = new Map<string, T>();
  readonly one = new Map<string, T>();
  readonly deep = new Map<string, T>();
  every: T | null = null;

  at({ kind, suffix }: HostPattern, make: () => T): T {
    if (kind === "every") {
      this.every ??= make();
      return this.every;
    }
    const found = this[kind].get(suffix) ?? make();
    this[kind].set(suffix, found);
    return found;
  }

  /** What matches a host, most specific first. */
  matches(host: string): T[] {
    const found: T[] = [];
    const exact = this.exact.get(host);
    if (exact !== undefined) found.push(exact);
    if (isLiteralAddress(host)) return found;
    if (this.one.size > 0 || this.deep.size > 0) {
      const parent = host.indexOf(".");
      for (let dot = parent; dot >= 0; dot = host.indexOf(".", dot + 1)) {
        const suffix = host.slice(dot + 1);
        const one = dot === parent ? this.one.get(suffix) : undefined;
        const deep = this.deep.get(suffix);
        if (one !== undefined) found.push(one);
        if (deep !== undefined) found.push(deep);
      }
    }
    if (this.every !== null) found.push(this.every);
    return found;
  }
}

const mostKept = 4096;
/** No normal form is longer (RFC 1035); what is longer is not kept. */
const longestName = 253;

export class HostTables {
  readonly #tables: ByPattern<HostTable>;
  readonly #closed: ByPattern<Closed[]>;
  /** `default = "allow"`: any host, literal addresses included. */
  readonly #default: HostTable | null;
  readonly #kept = new Map<string, HostView>();

  constructor(rules: readonly Rule[], closed: readonly Closed[]) {
    const byPattern = new ByPattern<{ pattern: HostPattern; rules: Rule[] }>();
    const patterns = new Set<{ pattern: HostPattern; rules: Rule[] }>();
    for (const rule of rules) {
      for (const pattern of rule.hosts) {
        const entry = byPattern.at(pattern, () => ({ pattern, rules: [] }));
        entry.rules.push(rule);
        patterns.add(entry);
      }
    }
    this.#tables = new ByPattern();
    for (const { pattern, rules } of patterns) this.#tables.at(pattern, () => hostTable(pattern, rules));
    const everywhere = rules.filter((rule) => rule.hosts.length === 0);
    this.#default = everywhere.length === 0 ? null : hostTable(null, everywhere);
    this.#closed = new ByPattern();
    for (const entry of closed) this.#closed.at(entry.host, () => []).push(entry);
  }

  view(host: string): HostView {
    const kept = this.#kept.get(host);
    if (kept !== undefined) return kept;
    const made = this.#look(host);
    if (host.length > longestName) return made;
    if (this.#kept.size >= mostKept) this.#kept.clear();
    this.#kept.set(host, made);
    return made;
  }

  #look(host: string): HostView {
    const own = host === hostLoopback; // no pattern and no default stands for it
    const tables = this.#tables.matches(host).filter(({ pattern }) => !own || pattern?.kind === "exact");
    if (this.#default !== null && !own) tables.push(this.#default);
    let denied: Deny | null = null;
    let deniedPorts: Map<number, Deny> | null = null;
    for (const { port, deny } of this.#closed.matches(host).flat()) {
      deniedPorts ??= new Map();
      if (port === null) denied ??= deny;
      else if (!deniedPorts.has(port)) deniedPorts.set(port, deny);
    }
    return {
      tables,
      lastPort: -1,
      lastTables: [],
      denied,
      deniedPorts,
      closed: isLiteralAddress(host) && addressClass(host) !== "public",
    };
  }
}

/** The tables of a port, most specific first. */
export function portTables(view: HostView, port: number): readonly PortTable[] {
  if (view.lastPort !== port) {
    view.lastTables = view.tables.map((table) => portTable(table, port)).filter((table) => table !== undefined);
    view.lastPort = port;
  }
  return view.lastTables;
}

/** The table of a port; undefined where no rule names it. */
export function portTable(table: HostTable, port: number): PortTable | undefined {
  return table.ports.get(port) ?? (table.everyPort === null ? undefined : table.everyPort[habitOf(port)]);
}

function hostTable(pattern: HostPattern | null, rules: readonly Rule[]): HostTable {
  const byPort = new Map<number, [Rule, ...Rule[]]>();
  const everywhere = rules.filter((rule) => rule.ports === null);
  for (const rule of rules) {
    for (const port of rule.ports ?? []) {
      const there = byPort.get(port);
      if (there === undefined) byPort.set(port, [rule]);
      else if (there.at(-1) !== rule) there.push(rule);
    }
  }
  const [first, ...more] = everywhere;
  return {
    pattern,
    // By port, so that the order of the text does not show where any port will do.
    ports: new Map(
      [...byPort]
        .sort(([one], [other]) => one - other)
        .map(([port, there]) => [port, buildPortTable(there, habitOf(port))]),
    ),
    everyPort:
      first === undefined
        ? null
        : {
            tls: buildPortTable([first, ...more], "tls"),
            http: buildPortTable([first, ...more], "http"),
            none: buildPortTable([first, ...more], "none"),
          },
  };
}
