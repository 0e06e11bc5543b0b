// A program of some hundred bytes that performs a list of system calls (steps.ts), as an ELF file made here. It stands where
// Node would take a second start: as a cell's first process before bubblewrap, and in front of the agent within the cell.
//
//   for (step of the list) {
//     result = syscall(step.number, step.arguments);  *step.into = result;
//     if (result < step.least || result > step.most) { write(4, step.words); exit(-result) }
//     if (result != 0) skip step.skip bytes
//   }
//
// Rules: it has no other memory than the list's and no other input than what the list reads; it ends by an execve, an exit, or a
// step that failed. Words of the machine code stand beside their meaning; player.test.ts runs them.

/** Bytes of one step: number, six arguments, into, least, most, words, their length, skip; 64 bits each. */
export const stepBytes = 13 * 8;

const codeAddress = 0x400000;
/** Where the list lies in the program's memory, behind a word that nobody reads. */
export const dataAddress = 0x1000_0000;
export const firstStep = dataAddress + 64;
/** Where a list that is read later lies, and how long it may be. */
export const laterStep = dataAddress + 0x10000;
export const laterBytes = 4 * 2 ** 20;

const x64 = [
  "bb 40 00 00 10", //   mov ebx, firstStep
  "48 8b 03", //         next: mov rax, [rbx]
  "48 8b 7b 08", //      mov rdi, [rbx+8]
  "48 8b 73 10", //      mov rsi, [rbx+16]
  "48 8b 53 18", //      mov rdx, [rbx+24]
  "4c 8b 53 20", //      mov r10, [rbx+32]
  "4c 8b 43 28", //      mov r8, [rbx+40]
  "4c 8b 4b 30", //      mov r9, [rbx+48]
  "0f 05", //            syscall
  "48 8b 4b 38", //      mov rcx, [rbx+56]
  "48 89 01", //         mov [rcx], rax
  "48 3b 43 40", //      cmp rax, [rbx+64]
  "7c 15", //            jl failed
  "48 3b 43 48", //      cmp rax, [rbx+72]
  "7f 0f", //            jg failed
  "48 85 c0", //         test rax, rax
  "74 04", //            jz on
  "48 03 5b 60", //      add rbx, [rbx+96]
  "48 83 c3 68", //      on: add rbx, 104
  "eb c1", //            jmp next
  "49 89 c4", //         failed: mov r12, rax
  "49 f7 dc", //         neg r12
  "b8 01 00 00 00", //   mov eax, write
  "bf 04 00 00 00", //   mov edi, 4
  "48 8b 73 50", //      mov rsi, [rbx+80]
  "48 8b 53 58", //      mov rdx, [rbx+88]
  "0f 05", //            syscall
  "b8 e7 00 00 00", //   mov eax, exit_group
  "4c 89 e7", //         mov rdi, r12
  "0f 05", //            syscall
];

/** Words of 32 bits, as they are read; in memory the lowest byte is first. */
const arm64 = [
  0xd2800813, // mov x19, #0x40
  0xf2a20013, // movk x19, #0x1000, lsl #16
  0xf9400268, // next: ldr x8, [x19]
  0xa9408660, // ldp x0, x1, [x19, #8]
  0xa9418e62, // ldp x2, x3, [x19, #24]
  0xa9429664, // ldp x4, x5, [x19, #40]
  0xd4000001, // svc #0
  0xf9401e69, // ldr x9, [x19, #56]
  0xf9000120, // str x0, [x9]
  0xa9442e6a, // ldp x10, x11, [x19, #64]
  0xeb0a001f, // cmp x0, x10
  0x5400010b, // b.lt failed (+8 words)
  0xeb0b001f, // cmp x0, x11
  0x540000cc, // b.gt failed (+6 words)
  0xb4000060, // cbz x0, on (+3 words)
  0xf9403269, // ldr x9, [x19, #96]
  0x8b090273, // add x19, x19, x9
  0x9101a273, // on: add x19, x19, #104
  0x17fffff0, // b next (-16 words)
  0xcb0003f4, // failed: neg x20, x0
  0xd2800808, // mov x8, #64 (write)
  0xd2800080, // mov x0, #4
  0xa9450a61, // ldp x1, x2, [x19, #80]
  0xd4000001, // svc #0
  0xd2800bc8, // mov x8, #94 (exit_group)
  0xaa1403e0, // mov x0, x20
  0xd4000001, // svc #0
];

export type Architecture = "x64" | "arm64";

function machineCode(architecture: Architecture): Buffer {
  if (architecture === "x64") return Buffer.from(x64.join("").replaceAll(" ", ""), "hex");
  const code = Buffer.alloc(arm64.length * 4);
  arm64.forEach((word, at) => {
    code.writeUInt32LE(word, at * 4);
  });
  return code;
}

/** Pages are 64 KiB at most. */
const page = 0x10000;
const EM = { x64: 62, arm64: 183 } as const;
const [PT_LOAD, PT_GNU_STACK] = [1, 0x6474e551];
const [X, W, R] = [1, 2, 4];

/** The executable with its first list (made for `firstStep`); static, not relocated, neither writable and executable. */
export function playerProgram(architecture: Architecture, steps: Buffer): Buffer {
  const code = machineCode(architecture);
  const [header, entry] = [64, 56];
  const codeAt = header + 3 * entry;
  const file = Buffer.alloc(page + (firstStep - dataAddress) + steps.length);
  file.write("\x7fELF\x02\x01\x01", "latin1");
  file.writeUInt16LE(2, 16); // ET_EXEC
  file.writeUInt16LE(EM[architecture], 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(codeAddress + codeAt), 24);
  file.writeBigUInt64LE(BigInt(header), 32);
  file.writeUInt16LE(header, 52);
  file.writeUInt16LE(entry, 54);
  file.writeUInt16LE(3, 56);
  const segment = (at: number, type: number, flags: number, numbers: readonly number[]) => {
    file.writeUInt32LE(type, header + at * entry);
    file.writeUInt32LE(flags, header + at * entry + 4);
    // offset, virtual address, physical address, size in the file, size in memory, alignment
    numbers.forEach((number, index) => {
      file.writeBigUInt64LE(BigInt(number), header + at * entry + 8 + index * 8);
    });
  };
  const codeSize = codeAt + code.length;
  segment(0, PT_LOAD, R | X, [0, codeAddress, codeAddress, codeSize, codeSize, page]);
  const dataSize = file.length - page;
  segment(1, PT_LOAD, R | W, [page, dataAddress, dataAddress, dataSize, laterStep - dataAddress + laterBytes, page]);
  segment(2, PT_GNU_STACK, R | W, [0, 0, 0, 0, 0, 16]);
  code.copy(file, codeAt);
  steps.copy(file, page + (firstStep - dataAddress));
  return file;
}
