// An address of its own for every name the cell asks for, so that a later connection is known by its name.
// A name has one slot: 198.18.0.0 + slot, and fd73:616c:6c79:706f::slot. It keeps its slot for the boundary's life, because
// programs keep addresses far beyond any TTL, and bytes meant for one host must never reach another. Names that no rule
// allows have slots of their own (198.19.0.0/16), are recycled there, oldest first, and so can neither push out an allowed
// name nor leave it an address that was once theirs.

import { formatAddress, parseAddress } from "#lib/address.ts";

export interface SyntheticNames {
  /** The host's address, given now if it has none; null when no slot is left, which only allowed names can bring about. */
  addressOf(host: string, family: 4 | 6, allowed: boolean): string | null;
  /** The host an address stands for, or null: never given, recycled, or not synthetic at all. */
  hostOf(address: string): string | null;
}

const base4 = 0xc6120000; // 198.18.0.0
const prefix6 = [0xfd73616c, 0x6c79706f, 0] as const;

/** The boundary's own names, whose addresses are the same in every cell. */
export const ownNames: { readonly [host: string]: number } = {
  "sallyport.internal": 1, // 198.18.0.1
  "host.sallyport.internal": 2, // 198.18.0.2
};
/** 198.18.255.53: the resolver that the cell's resolv.conf names. */
const resolverSlot = 0xff35;
const firstSlot = 0x0100;
const endOfAllowed = 0x10000;
const firstDenied = 0x10000;
const endOfDenied = 0x18000;

export function createSyntheticNames(): SyntheticNames {
  const allowedSlots = new Map<string, number>(Object.entries(ownNames));
  const deniedSlots = new Map<string, number>(); // in the order of use
  const hosts = new Map<number, string>(Object.entries(ownNames).map(([host, slot]) => [slot, host]));
  let nextAllowed = firstSlot;
  let nextDenied = firstDenied;

  function slotOfAllowed(host: string): number | null {
    const known = allowedSlots.get(host);
    if (known !== undefined) return known;
    if (nextAllowed === resolverSlot) nextAllowed++;
    if (nextAllowed >= endOfAllowed) return null;
    const slot = nextAllowed++;
    allowedSlots.set(host, slot);
    hosts.set(slot, host);
    return slot;
  }

  function slotOfDenied(host: string): number {
    let slot = deniedSlots.get(host);
    if (slot !== undefined) {
      deniedSlots.delete(host); // to the end: the map's order is its age
    } else if (nextDenied < endOfDenied) {
      slot = nextDenied++;
    } else {
      const [oldest] = deniedSlots;
      if (oldest === undefined) throw new Error("no denied name although all their slots are taken");
      deniedSlots.delete(oldest[0]);
      slot = oldest[1];
    }
    deniedSlots.set(host, slot);
    hosts.set(slot, host);
    return slot;
  }

  function slotOf(address: string): number | null {
    const parsed = parseAddress(address);
    if (parsed === null) return null;
    if (parsed.family === 4) return parsed.d >= base4 && parsed.d < base4 + endOfDenied ? parsed.d - base4 : null;
    const { a, b, c, d } = parsed;
    return a === prefix6[0] && b === prefix6[1] && c === prefix6[2] ? d : null;
  }

  return {
    addressOf(host, family, allowed) {
      // A name that was allowed keeps that address when a policy change denies it: its connections are judged anyway.
      const slot = allowed ? slotOfAllowed(host) : (allowedSlots.get(host) ?? slotOfDenied(host));
      if (slot === null) return null;
      const [a, b, c] = family === 4 ? [0, 0, 0xffff] : prefix6;
      return formatAddress({ family, a, b, c, d: family === 4 ? base4 + slot : slot });
    },
    hostOf(address) {
      const slot = slotOf(address);
      return slot === null ? null : (hosts.get(slot) ?? null);
    },
  };
}
