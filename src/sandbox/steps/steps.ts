// A list of system calls as the bytes that the player performs (player.ts). Addresses are the player's own, so a list is made
// for the place where it will lie.
// Rules: every step says what results let the list go on (0 and above, unless it says otherwise); what is written down is
// decided before the list begins, results only fill arguments of later steps.

import { Failure } from "#core/failure.ts";
import { callNumbers } from "./calls.ts";
import type { Architecture } from "./player.ts";
import { dataAddress, laterBytes, laterStep, stepBytes } from "./player.ts";

const AT_FDCWD = -100;
const O_WRONLY_CLOEXEC = 0o2000001;

type CallName = keyof (typeof callNumbers)["x64"];

/** Bytes of the list's own memory; given to a step, they are its address. */
export interface Memory {
  readonly bytes: Buffer;
  /** Other memory whose address stands at an offset in these bytes. */
  readonly pointers: readonly (readonly [offset: number, to: Memory | Argument])[];
}

/** A place that a result may fill: an argument of a step, or its bounds. */
export interface Argument {
  readonly step: number;
  /** Of the step's 64-bit words. */
  readonly word: number;
}

export type Value = number | bigint | Memory | Argument;

export interface Bounds {
  /** Default 0 and the largest number. */
  readonly least?: number;
  readonly most?: number;
  /** Said on descriptor 4 when the result is outside; then the player exits with the error's number. */
  readonly words?: string;
  /** Steps to leave out where the result is not 0. */
  readonly skip?: number;
  /** Goes on with the list at `laterStep`. */
  readonly thenLater?: boolean;
}

/** A step's argument, to be filled by the result of another. */
export const argument = (step: number, at: number): Argument => ({ step, word: 1 + at });
export const leastOf = (step: number): Argument => ({ step, word: 8 });
export const mostOf = (step: number): Argument => ({ step, word: 9 });

const largest = 2n ** 63n - 1n;
export const anyResult: Bounds = { least: -4095 };

export function memory(bytes: Buffer, pointers: Memory["pointers"] = []): Memory {
  return { bytes, pointers };
}

export const text = (words: string): Memory => memory(Buffer.from(`${words}\0`));

/** Addresses of texts, with a null at the end, as execve takes them. */
export function texts(list: readonly string[]): Memory {
  return memory(
    Buffer.alloc((list.length + 1) * 8),
    list.map((one, at) => [at * 8, text(one)] as const),
  );
}

export class Steps {
  readonly #architecture: Architecture;
  readonly #base: number;
  readonly #steps: { name: CallName; values: readonly Value[]; bounds: Bounds; into: Argument | null }[] = [];

  /** `base`: where the list will lie. */
  constructor(architecture: Architecture, base: number) {
    this.#architecture = architecture;
    this.#base = base;
  }

  get length(): number {
    return this.#steps.length;
  }

  /** Adds a step; its number in the list is given back. */
  call(name: CallName, values: readonly Value[], bounds: Bounds = {}, into: Argument | null = null): number {
    this.#steps.push({ name, values, bounds, into });
    return this.#steps.length - 1;
  }

  /** Writes to a file that is there, from its beginning. */
  writeFile(path: string, content: string, words: string): void {
    const bytes = Buffer.from(content);
    const opened = this.length;
    this.call("openat", [AT_FDCWD, text(path), O_WRONLY_CLOEXEC], { words }, argument(opened + 1, 0));
    this.call("write", [0, memory(bytes), bytes.length], { words });
  }

  /** The list's bytes. @throws Failure sandbox_failed where it is longer than the player's memory */
  bytes(): Buffer {
    const parts: Buffer[] = [];
    const places = new Map<Memory, number>();
    let end = this.#base + this.#steps.length * stepBytes;
    const addressOf = (value: Memory | Argument): number => {
      if ("step" in value) return this.#base + value.step * stepBytes + value.word * 8;
      const known = places.get(value);
      if (known !== undefined) return known;
      const at = end;
      places.set(value, at);
      const padded = Buffer.alloc(Math.ceil(Math.max(value.bytes.length, 1) / 8) * 8);
      value.bytes.copy(padded);
      parts.push(padded);
      end += padded.length;
      for (const [offset, to] of value.pointers) padded.writeBigUInt64LE(BigInt(addressOf(to)), offset);
      return at;
    };
    const list = Buffer.alloc(this.#steps.length * stepBytes);
    const scratch = BigInt(dataAddress);
    this.#steps.forEach(({ name, values, bounds, into }, index) => {
      const put = (word: number, value: bigint) => list.writeBigInt64LE(value, index * stepBytes + word * 8);
      put(0, BigInt(callNumbers[this.#architecture][name]));
      values.forEach((value, at) => {
        put(1 + at, typeof value === "object" ? BigInt(addressOf(value)) : BigInt(value));
      });
      put(7, into === null ? scratch : BigInt(addressOf(into)));
      put(8, BigInt(bounds.least ?? 0));
      put(9, bounds.most === undefined ? largest : BigInt(bounds.most));
      if (bounds.words !== undefined) {
        const words = memory(Buffer.from(bounds.words));
        put(10, BigInt(addressOf(words)));
        put(11, BigInt(words.bytes.length));
      }
      const skip = (bounds.skip ?? 0) * stepBytes;
      put(12, BigInt(bounds.thenLater ? laterStep - (this.#base + (index + 1) * stepBytes) : skip));
    });
    const all = Buffer.concat([list, ...parts]);
    if (all.length > laterBytes)
      throw new Failure("sandbox_failed", "the command, its environment and its mounts are too long to be started");
    return all;
  }
}
