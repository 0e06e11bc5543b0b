// Where a name is, for the boundary that dials it. The cell's queries never come here: only a name that an allowed action
// is about to be connected to. Literal addresses are themselves; names that the policy places (`[upstream] resolve`) are
// there and nowhere else; all others are asked of the system's resolver. Whether an address may be reached is not decided
// here: the gate is asked right before connecting, about the very addresses that this returned.

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { normalAddress } from "#lib/address.ts";

/** A place to dial. `address` is a literal in normal form. */
export interface Endpoint {
  readonly address: string;
  readonly port: number;
}

/** Where a policy says that a name is. */
export interface Place {
  readonly address: string;
  /** Null keeps the port that was asked for. */
  readonly port: number | null;
}

/** Resolves a host in normal form. Rejects with a NameUnresolved; the list is never empty. */
export type ResolveUpstream = (host: string, port: number) => Promise<readonly Endpoint[]>;

export class NameUnresolved extends Error {
  readonly host: string;
  /** `not_found`: no such name or no address. `timeout`, `busy` (too many lookups wait), `failed`: the resolver's fault. */
  readonly kind: "not_found" | "timeout" | "busy" | "failed";

  constructor(host: string, kind: NameUnresolved["kind"], cause?: unknown) {
    super(`${host}: ${kind}`, { cause });
    this.name = "NameUnresolved";
    this.host = host;
    this.kind = kind;
  }
}

export interface ResolveOptions {
  /** `[upstream] resolve`: a host in normal form to where it is, and nowhere else. */
  readonly placed?: ReadonlyMap<string, readonly Place[]>;
  /** Asks the system; replaceable so that tests need no network. Literal addresses, any number. */
  readonly ask?: (host: string) => Promise<readonly string[]>;
  readonly now?: () => number;
  /** How long an answer is used again, ms. getaddrinfo tells no TTL, so it is short. */
  readonly keepMs?: number;
  readonly timeoutMs?: number;
  /** Lookups under way at once: getaddrinfo takes a thread of libuv's four each, so more would only starve file I/O. */
  readonly concurrency?: number;
  /** Lookups that may wait for their turn; one more is refused. */
  readonly waiting?: number;
}

const mostKept = 4096;
const mostAddresses = 32;

async function askSystem(host: string): Promise<readonly string[]> {
  // As every program of this host would be told: /etc/hosts, search list and all. What it leads to is checked by the gate.
  const found = await lookup(host, { all: true, order: "verbatim" });
  return found.map((entry) => entry.address);
}

export function createResolver(options: ResolveOptions = {}): ResolveUpstream {
  const { ask = askSystem, now = Date.now, keepMs = 2_000, timeoutMs = 5_000 } = options;
  const { concurrency = 3, waiting = 1_024 } = options;
  const { placed = new Map<string, readonly Place[]>() } = options;
  const kept = new Map<string, { readonly until: number; readonly addresses: readonly string[] }>();
  const underWay = new Map<string, Promise<readonly string[]>>();
  const queue: (() => void)[] = [];
  let running = 0;

  function release(): void {
    running--;
    queue.shift()?.();
  }

  /** Takes a turn; the turn is given back when the lookup itself ends, however long after its time limit that is. */
  function take(): Promise<void> {
    if (running < concurrency) {
      running++;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      queue.push(() => {
        running++;
        resolve();
      });
    });
  }

  async function lookUp(host: string): Promise<readonly string[]> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new NameUnresolved(host, "timeout")), timeoutMs);
    });
    const asked = take().then(() => ask(host).finally(release));
    try {
      const found = await Promise.race([asked, late]);
      const addresses: string[] = [];
      for (const text of found) {
        const address = normalAddress(text);
        if (address !== null && !addresses.includes(address) && addresses.length < mostAddresses)
          addresses.push(address);
      }
      if (addresses.length === 0) throw new NameUnresolved(host, "not_found");
      if (kept.size >= mostKept) kept.delete(kept.keys().next().value ?? host);
      kept.set(host, { until: now() + keepMs, addresses });
      return addresses;
    } catch (error) {
      if (error instanceof NameUnresolved) throw error;
      const code = error instanceof Error && "code" in error ? error.code : null;
      throw new NameUnresolved(host, code === "ENOTFOUND" || code === "ENODATA" ? "not_found" : "failed", error);
    } finally {
      clearTimeout(timer);
      asked.catch(() => undefined); // a lookup that outlives its time limit has nobody left to tell
    }
  }

  function addressesOf(host: string): Promise<readonly string[]> {
    const known = kept.get(host);
    if (known !== undefined) {
      if (known.until > now()) return Promise.resolve(known.addresses);
      kept.delete(host);
    }
    const current = underWay.get(host);
    if (current !== undefined) return current;
    if (queue.length >= waiting) return Promise.reject(new NameUnresolved(host, "busy"));
    const started = lookUp(host).finally(() => underWay.delete(host));
    underWay.set(host, started);
    return started;
  }

  return async (host, port) => {
    const places = placed.get(host);
    if (places !== undefined) return places.map((place) => ({ address: place.address, port: place.port ?? port }));
    if (isIP(host) !== 0) {
      const address = normalAddress(host);
      if (address === null) throw new NameUnresolved(host, "failed");
      return [{ address, port }];
    }
    return (await addressesOf(host)).map((address) => ({ address, port }));
  };
}
