import assert from "node:assert/strict";
import { test } from "node:test";
import { assemble, verdict } from "./assembler.ts";
import { type FilterOptions, filterRules, seccompFilter } from "./filter.ts";
import { syscallsArm64 } from "./syscalls-arm64.ts";
import { type SyscallName, syscallsX64 } from "./syscalls-x64.ts";

const architectures = {
  x64: { audit: 0xc000003e, table: syscallsX64 as Partial<Record<SyscallName, number>> },
  arm64: { audit: 0xc00000b7, table: syscallsArm64 },
} as const;

/** What the kernel's interpreter would return for one call. */
function interpret(
  filter: Buffer,
  call: { audit: number; number: number; args?: readonly (number | bigint)[] },
): number {
  const seen = Buffer.alloc(64);
  seen.writeUInt32LE(call.number >>> 0, 0);
  seen.writeUInt32LE(call.audit >>> 0, 4);
  (call.args ?? []).forEach((value, at) => void seen.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)), 16 + at * 8));
  let accumulator = 0;
  for (let at = 0; at < filter.length / 8; ) {
    const [opcode, jt, jf, k] = [
      filter.readUInt16LE(at * 8),
      filter[at * 8 + 2] ?? 0,
      filter[at * 8 + 3] ?? 0,
      filter.readUInt32LE(at * 8 + 4),
    ];
    at++;
    if (opcode === 0x20) accumulator = seen.readUInt32LE(k);
    else if (opcode === 0x54) accumulator = (accumulator & k) >>> 0;
    else if (opcode === 0x05) at += k;
    else if (opcode === 0x15) at += accumulator === k ? jt : jf;
    else if (opcode === 0x35) at += accumulator >= k ? jt : jf;
    else if (opcode === 0x45) at += (accumulator & k) !== 0 ? jt : jf;
    else if (opcode === 0x06) return k;
    else assert.fail(`opcode ${opcode}`);
  }
  assert.fail("the program ends without a return");
}

const [EPERM, ENOSYS, EPROTONOSUPPORT, EAFNOSUPPORT] = [1, 38, 93, 97].map(verdict.errno) as [
  number,
  number,
  number,
  number,
];
const standard = { level: "standard", nestedSandbox: false, guardSetId: false } as const;
const NEWUSER = 0x10000000;

const cases: [call: SyscallName, args: (number | bigint)[], expected: number, options?: Partial<FilterOptions>][] = [
  ["io_uring_setup", [], ENOSYS],
  ["keyctl", [0], ENOSYS],
  ["bpf", [], ENOSYS],
  ["userfaultfd", [], ENOSYS],
  ["open_by_handle_at", [], ENOSYS],
  ["init_module", [], ENOSYS],
  ["shmget", [0, 56], verdict.allow],
  ["shmget", [0, 0x3ffff], verdict.allow],
  ["shmget", [0, 0x40000], verdict.errno(12)],
  ["shmget", [0, 0x1_0000_0000], verdict.errno(12)],
  ["unshare", [NEWUSER], EPERM],
  ["unshare", [0x200], verdict.allow],
  ["unshare", [0x80], EPERM],
  ["unshare", [NEWUSER], verdict.allow, { nestedSandbox: true }],
  ["clone", [NEWUSER | 17], EPERM],
  ["clone", [0x3d0f00], verdict.allow],
  ["clone", [0x1200011], verdict.allow],
  ["clone3", [], ENOSYS],
  ["clone3", [], verdict.allow, { nestedSandbox: true }],
  ["setns", [], EPERM],
  ["mount", [], EPERM],
  ["mount", [], verdict.allow, { nestedSandbox: true }],
  ["socket", [1, 1, 0], verdict.allow],
  ["socket", [2, 1, 6], verdict.allow],
  ["socket", [10, 0x80802, 17], verdict.allow],
  ["socket", [2, 3, 1], EPERM],
  ["socket", [2, 0x80803, 255], EPERM],
  ["socket", [2, 1, 132], EPROTONOSUPPORT],
  ["socket", [2, 5, 132], EPERM],
  ["socket", [2, 6, 33], EPERM],
  ["socket", [10, 2, 136], EPROTONOSUPPORT],
  ["socket", [2, 1, 262], EPROTONOSUPPORT],
  ["socket", [16, 3, 0], verdict.allow],
  ["socket", [16, 3, 12], EPROTONOSUPPORT],
  ["socket", [40, 1, 0], EAFNOSUPPORT],
  ["socket", [17, 3, 0], EAFNOSUPPORT],
  ["socket", [38, 5, 0], EAFNOSUPPORT],
  // The kernel reads an int: what stands in the high word is not there.
  ["socket", [0x1_0000_0028n, 1, 0], EAFNOSUPPORT],
  ["socket", [0x1_0000_0002n, 1, 0], verdict.allow],
  ["socketpair", [1, 1, 0], verdict.allow],
  ["socketpair", [30, 1, 0], EAFNOSUPPORT],
  ["ioctl", [0, 0x5412], EPERM],
  ["ioctl", [0, 0x1_0000_5412n], EPERM],
  ["ioctl", [0, 0x541c], EPERM],
  ["ioctl", [0, 0x5413], verdict.allow],
  ["personality", [0xffffffff], verdict.allow],
  ["personality", [0x0400000], EPERM],
  ["ptrace", [], verdict.allow],
  ["ptrace", [], EPERM, { level: "strict" }],
  ["fchmodat", [0, 0, 0o4755], verdict.allow],
  ["fchmodat", [0, 0, 0o4755], EPERM, { guardSetId: true }],
  ["fchmodat", [0, 0, 0o755], verdict.allow, { guardSetId: true }],
  ["openat", [0, 0, 0o101, 0o4755], EPERM, { guardSetId: true }],
  ["openat", [0, 0, 0o0, 0o4755], verdict.allow, { guardSetId: true }],
];

for (const architecture of ["x64", "arm64"] as const) {
  const { audit, table } = architectures[architecture];
  for (const [call, args, expected, more] of cases) {
    test(`${architecture}: ${call}(${args.join(", ")}) ${more ? JSON.stringify(more) : ""} gives ${expected.toString(16)}`, () => {
      const number = table[call];
      assert.ok(number !== undefined);
      assert.equal(interpret(seccompFilter({ ...standard, ...more, architecture }), { audit, number, args }), expected);
    });
  }

  test(`${architecture}: what no rule names is allowed, and every unconditional rule answers as it says`, () => {
    const options = { ...standard, architecture, level: "strict", guardSetId: true } as const;
    const filter = seccompFilter(options);
    const expected = new Map<number, number>();
    for (const rule of filterRules(options))
      for (const call of rule.calls) {
        const number = table[call];
        if (number !== undefined && !expected.has(number))
          expected.set(number, rule.when ? -1 : verdict.errno(rule.errno));
      }
    for (let number = 0; number < 600; number++) {
      const wanted = expected.get(number) ?? verdict.allow;
      if (wanted !== -1) assert.equal(interpret(filter, { audit, number }), wanted, `call ${number}`);
    }
  });

  test(`${architecture}: calls of another architecture end the process`, () => {
    const filter = seccompFilter({ ...standard, architecture });
    for (const foreign of [0x40000003, 0x40000028, architectures[architecture === "x64" ? "arm64" : "x64"].audit, 0])
      assert.equal(interpret(filter, { audit: foreign, number: 1 }), verdict.killProcess);
  });
}

test("x64: x32 calls do not exist", () => {
  const filter = seccompFilter({ ...standard, architecture: "x64" });
  for (const number of [0, 41, 56, 512, 547])
    assert.equal(interpret(filter, { audit: architectures.x64.audit, number: number | 0x40000000 }), ENOSYS);
});

test("a jump to nowhere, or back, is refused when it is assembled", () => {
  assert.throws(() => assemble([{ kind: "goto", to: "nowhere" }]), /no label/);
  assert.throws(
    () =>
      assemble([
        { kind: "label", name: "a" },
        { kind: "goto", to: "a" },
      ]),
    /behind/,
  );
});
