// Classic BPF for seccomp: instructions with labels in, the kernel's bytes out (struct sock_filter: u16 code, u8 jt,
// u8 jf, u32 k, in the machine's order, which is little-endian on every architecture this runs on).
// Rules: jumps go forward only, as the verifier demands; a label that nothing defines is an error here, not there.

/** Offsets into struct seccomp_data. Arguments are 64 bits wide, low word first. */
export const data = { number: 0, architecture: 4, argument: (at: number) => 16 + at * 8 } as const;

export const verdict = {
  allow: 0x7fff0000,
  killProcess: 0x80000000,
  errno: (value: number) => 0x00050000 | value,
} as const;

export type Instruction =
  | { readonly kind: "load"; readonly offset: number }
  | { readonly kind: "and"; readonly value: number }
  /** Falls through when the comparison holds, else goes on at the label. */
  | { readonly kind: "equal" | "atLeast" | "anyBit"; readonly value: number; readonly otherwise: string }
  | { readonly kind: "goto"; readonly to: string }
  | { readonly kind: "return"; readonly value: number }
  | { readonly kind: "label"; readonly name: string };

const code = { load: 0x20, and: 0x54, goto: 0x05, equal: 0x15, atLeast: 0x35, anyBit: 0x45, return: 0x06 } as const;

/** The most that the kernel takes (BPF_MAXINSNS). */
const most = 4096;

export function assemble(program: readonly Instruction[]): Buffer {
  // A comparison is two instructions, so that its label may be further away than the 255 that fit into jt and jf.
  const labels = new Map<string, number>();
  let size = 0;
  for (const instruction of program) {
    if (instruction.kind === "label") {
      if (labels.has(instruction.name)) throw new Error(`the label ${instruction.name} stands twice`);
      labels.set(instruction.name, size);
    } else size += "otherwise" in instruction ? 2 : 1;
  }
  if (size > most) throw new Error(`${size} instructions are more than the kernel takes (${most})`);
  const bytes = Buffer.alloc(size * 8);
  let at = 0;
  const emit = (opcode: number, k: number, jt = 0, jf = 0) => {
    bytes.writeUInt16LE(opcode, at * 8);
    bytes.writeUInt8(jt, at * 8 + 2);
    bytes.writeUInt8(jf, at * 8 + 3);
    bytes.writeUInt32LE(k >>> 0, at * 8 + 4);
    at++;
  };
  const distance = (name: string) => {
    const target = labels.get(name);
    if (target === undefined) throw new Error(`no label ${name}`);
    if (target <= at) throw new Error(`the label ${name} lies behind its jump`);
    return target - at - 1;
  };
  for (const instruction of program) {
    switch (instruction.kind) {
      case "label":
        break;
      case "load":
        emit(code.load, instruction.offset);
        break;
      case "and":
      case "return":
        emit(code[instruction.kind], instruction.value);
        break;
      case "goto":
        emit(code.goto, distance(instruction.to));
        break;
      default:
        emit(code[instruction.kind], instruction.value, 1, 0);
        emit(code.goto, distance(instruction.otherwise));
    }
  }
  return bytes;
}
