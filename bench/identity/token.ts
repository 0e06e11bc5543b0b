// What a token costs: to verify, and to have been handed down.
//
//   npm run bench:identity
//
// Verification is measured beside node:crypto's bare Ed25519 in the same run, on the same bytes' length, in turns. Depth is the number of blocks after the
// authority's: each narrows to one host less, as a chain of agents would.

import { generateKeyPairSync, randomBytes, sign, verify } from "node:crypto";
import { cpus, release } from "node:os";
import { loadBiscuits } from "#identity/token/biscuit.ts";
import { issueToken, narrowToken } from "#identity/token/issue.ts";
import { verifyToken } from "#identity/token/verify.ts";

const rounds = 300;
const now = Math.floor(Date.now() / 1000);
const pair = generateKeyPairSync("ed25519");
const raw = (member: "d" | "x") => Buffer.from(pair.privateKey.export({ format: "jwk" })[member] ?? "", "base64url");
const publicKey = raw("x");
const biscuits = await loadBiscuits();
const granted = issueToken(
  biscuits,
  { id: 1, secret: raw("d") },
  {
    v: 1,
    jti: randomBytes(16).toString("hex"),
    agent: "support-bot",
    owner: "you@example.com",
    policy: "support",
    policy_version: 1,
    policy_digest: `sha256:${"0".repeat(64)}`,
    issued: now,
    expires: now + 3600,
    audience: null,
    measurement: null,
  },
);
const expected = { publicKey: () => publicKey, now, audience: [] };

/** Microseconds each call took, sorted. */
function timed(work: () => void): readonly number[] {
  const taken: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const begun = process.hrtime.bigint();
    work();
    taken.push(Number(process.hrtime.bigint() - begun) / 1000);
  }
  return taken.sort((one, other) => one - other);
}

const at = (sorted: readonly number[], share: number) =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

function verified(token: string): () => void {
  return () => {
    const verification = verifyToken(biscuits, token, expected);
    if (!verification.ok) throw new Error(`the token does not hold: ${verification.detail}`);
  };
}

const bytes = Buffer.from(granted);
const signature = sign(null, bytes, pair.privateKey);
const bare = () => {
  if (!verify(null, bytes, pair.publicKey, signature)) throw new Error("the signature does not hold");
};

console.log(`${cpus().length} × ${cpus()[0]?.model}, Linux ${release()}, Node.js ${process.versions.node}`);
timed(verified(granted));
timed(bare);
const [token, ed25519] = [timed(verified(granted)), timed(bare)];
const line = (sorted: readonly number[]) =>
  `p50 ${at(sorted, 0.5).toFixed(0)} µs, p99 ${at(sorted, 0.99).toFixed(0)} µs`;
console.log(
  `a token verified: ${line(token)}; node:crypto's Ed25519: ${line(ed25519)}; ${(at(token, 0.5) / at(ed25519, 0.5)).toFixed(1)} ×`,
);

let deep = granted;
for (let depth = 1; depth <= 16; depth += 1) {
  const host = Array.from({ length: 17 - depth }, (_, index) => `host-${index}.example.com`);
  const policy = { version: "zero_trust.runtime.v1", network: { default: "deny", allow: host } };
  deep = narrowToken(biscuits, deep, publicKey, { v: 1, policy });
  console.log(
    `depth ${String(depth).padStart(2)}: ${String(deep.length).padStart(6)} bytes, verified in ${line(timed(verified(deep)))}`,
  );
}
