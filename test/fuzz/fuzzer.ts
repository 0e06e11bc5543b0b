// A small mutation fuzzer without instrumentation: inputs grow from a target's seeds by bit flips, splices, words of its
// dictionary, repetition and truncation, all from one printed seed, so that a run can be repeated exactly.
// A finding is an input on which the target throws, or takes longer than `slowMs` three times in a row.

export interface FuzzTarget {
  readonly name: string;
  /** Inputs that reach deep; mutation starts here. */
  readonly seeds: readonly Uint8Array[];
  /** What the format's writers use: inserted whole. */
  readonly dictionary?: readonly Uint8Array[];
  /** Inputs never grow beyond this many bytes; 4096 unless told. */
  readonly most?: number;
  /** Throws where the code under test is wrong: it threw, or broke one of its promises. Synchronous. */
  run(input: Uint8Array): void;
}

export interface Finding {
  readonly target: string;
  readonly input: Uint8Array;
  readonly error: unknown;
}

export interface Outcome {
  readonly runs: number;
  readonly finding: Finding | null;
}

export const slowMs = 50;
const mostKept = 512;

/** mulberry32: small, fast, good enough to wander. */
export function createRandom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) % below;
  };
}

const interesting = [0, 1, 9, 10, 13, 32, 45, 46, 47, 58, 63, 64, 92, 127, 128, 192, 255];

function mutate(
  input: Uint8Array,
  target: FuzzTarget,
  pool: readonly Uint8Array[],
  random: (below: number) => number,
): Uint8Array {
  let bytes = Buffer.from(input);
  const most = target.most ?? 4096;
  const dictionary = target.dictionary ?? [];
  const place = () => random(bytes.length + 1);
  for (let round = random(4); round >= 0; round--) {
    switch (random(9)) {
      case 0:
        if (bytes.length > 0) {
          const at = random(bytes.length);
          bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        }
        break;
      case 1:
        if (bytes.length > 0) bytes[random(bytes.length)] = interesting[random(interesting.length)] ?? 0;
        break;
      case 2:
        if (bytes.length > 0) bytes[random(bytes.length)] = random(256);
        break;
      case 3: {
        const [from, to] = [place(), place()].sort((a, b) => a - b);
        bytes = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
        break;
      }
      case 4: {
        const from = place();
        const piece = bytes.subarray(from, from + 1 + random(32));
        const copies = Array.from({ length: random(8) === 0 ? 100 : 1 + random(3) }, () => piece);
        const at = place();
        bytes = Buffer.concat([bytes.subarray(0, at), ...copies, bytes.subarray(at)]);
        break;
      }
      case 5: {
        const other = pool[random(pool.length)] ?? bytes;
        bytes = Buffer.concat([bytes.subarray(0, place()), other.subarray(random(other.length + 1))]);
        break;
      }
      case 6: {
        const word = dictionary[random(Math.max(1, dictionary.length))] ?? Buffer.from([random(256)]);
        const at = place();
        bytes = Buffer.concat([bytes.subarray(0, at), word, bytes.subarray(at + (random(2) === 0 ? word.length : 0))]);
        break;
      }
      case 7:
        bytes = bytes.subarray(0, place());
        break;
      default:
        if (bytes.length > 1) {
          // A length field: most formats' are one or two bytes, big-endian.
          const at = random(bytes.length - 1);
          bytes.writeUInt16BE((bytes.readUInt16BE(at) + random(9) - 4) & 0xffff, at);
        }
    }
    if (bytes.length > most) bytes = bytes.subarray(0, most);
  }
  return bytes;
}

function timed(target: FuzzTarget, input: Uint8Array): number {
  const start = performance.now();
  target.run(input);
  return performance.now() - start;
}

function check(target: FuzzTarget, input: Uint8Array): unknown {
  try {
    // Twice more before it counts: a pause of the machine or of the collector is not the target's.
    if (timed(target, input) > slowMs && timed(target, input) > slowMs && timed(target, input) > slowMs) {
      return new Error(`took more than ${slowMs} ms`);
    }
    return null;
  } catch (error) {
    return error ?? new Error("threw nothing");
  }
}

/** Fuzzes until the time is over or something is found; `before` hears of each input first, for one that never returns. */
export function fuzz(
  target: FuzzTarget,
  seed: number,
  milliseconds: number,
  before?: (input: Uint8Array) => void,
): Outcome {
  const random = createRandom(seed);
  const pool: Uint8Array[] = [...target.seeds];
  const end = performance.now() + milliseconds;
  let runs = 0;
  for (; runs < target.seeds.length || performance.now() < end; runs++) {
    // Never shared with the target: a parser that keeps a view of its input must not see the next one.
    const seeded = target.seeds[runs];
    const input = seeded ?? mutate(pool[random(pool.length)] ?? new Uint8Array(0), target, pool, random);
    before?.(input);
    const error = check(target, Uint8Array.from(input));
    if (error !== null) return { runs: runs + 1, finding: { target: target.name, input, error } };
    if (random(64) === 0) {
      // Wandering on from what was just tried goes further than from the seeds alone; half of the pool stays near them.
      if (pool.length < mostKept) pool.push(input);
      else pool[target.seeds.length + random(mostKept - target.seeds.length)] = input;
    }
  }
  return { runs, finding: null };
}
