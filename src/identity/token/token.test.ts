import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { loadBiscuits } from "./biscuit.ts";
import { type Grant, type Narrowing, readGrant, readNarrowing, writeClaim } from "./claims.ts";
import { issueToken, mostBlocks, narrowToken, type SigningKey, tokenPrefix } from "./issue.ts";
import { type Verification, verifyToken } from "./verify.ts";

const biscuits = await loadBiscuits();

function keyPair(id: number): SigningKey & { readonly publicKey: Uint8Array } {
  const pair = generateKeyPairSync("ed25519");
  const raw = (member: "d" | "x") =>
    Buffer.from(pair.privateKey.export({ format: "jwk" })[member] as string, "base64url");
  return { id, secret: raw("d"), publicKey: raw("x") };
}

const key = keyPair(3);
const now = 1_800_000_000;
const grant: Grant = {
  v: 1,
  jti: "0123456789abcdef0123456789abcdef",
  agent: "support-bot",
  owner: "you@example.com",
  policy: "support",
  policy_version: 2,
  policy_digest: `sha256:${"ab".repeat(32)}`,
  issued: now - 10,
  expires: now + 3600,
  audience: null,
  measurement: null,
};
const expected = { publicKey: (id: number) => (id === key.id ? key.publicKey : null), now, audience: ["home-1"] };
const token = issueToken(biscuits, key, grant);
const narrow = (text: string, narrowing: Narrowing) => narrowToken(biscuits, text, key.publicKey, narrowing);

function refusal(verification: Verification): string {
  return verification.ok ? "accepted" : `${verification.reason}: ${verification.detail}`;
}

test("a token says what the authority granted, and what each hand narrowed", () => {
  const session = { v: 1, session: "20261121-150405-abcdef" } as const;
  const shorter = { v: 1, expires: now + 60, task: "triage", policy: { version: "x" } } as const;
  const verified = verifyToken(biscuits, narrow(narrow(token, shorter), session), expected);
  assert.ok(verified.ok, refusal(verified));
  assert.deepEqual(verified.token.grant, grant);
  assert.deepEqual(verified.token.narrowings, [shorter, session]);
  assert.equal(verified.token.expires, now + 60, "the earliest expiry holds");
  assert.equal(verified.token.key, 3);
  assert.equal(new Set(verified.token.revocationIds).size, 3, "each block has a revocation id of its own");
  const first = verifyToken(biscuits, token, expected);
  assert.ok(first.ok);
  assert.equal(first.token.revocationIds[0], verified.token.revocationIds[0], "which is the same in all below it");
});

const other = keyPair(3);
const refused: readonly { title: string; text: () => string; said: RegExp; now?: number }[] = [
  {
    title: "another authority's token",
    text: () => issueToken(biscuits, other, grant),
    said: /signatures do not hold/,
  },
  {
    title: "a token under a key that is gone",
    text: () => issueToken(biscuits, { ...key, id: 9 }, grant),
    said: /no key of this authority has the number 9/,
  },
  { title: "no token at all", text: () => "hello", said: /does not begin with sallyport_/ },
  { title: "a prefix alone", text: () => tokenPrefix, said: /signatures do not hold|characters/ },
  { title: "a text longer than any token", text: () => tokenPrefix + "A".repeat(70_000), said: /longer than any/ },
  { title: "a token with a line after it", text: () => `${token}\n`, said: /characters that no token has/ },
  {
    title: "a token for another audience",
    text: () => issueToken(biscuits, key, { ...grant, audience: "elsewhere" }),
    said: /meant for elsewhere/,
  },
  {
    title: "a token from a time that this machine's clock has not reached",
    text: () => token,
    now: grant.issued - 301,
    said: /which this machine's clock has not reached/,
  },
  {
    title: "an expired token",
    text: () => token,
    now: now + 3600,
    said: /^token_expired: it expired at 2027-01-15T09:00:00Z/,
  },
  {
    title: "a token whose last hand's time is over",
    text: () => narrow(token, { v: 1, expires: now }),
    said: /^token_expired/,
  },
];

for (const { title, text, said, now: at } of refused) {
  test(`${title} is refused`, () => {
    assert.match(refusal(verifyToken(biscuits, text(), { ...expected, now: at ?? now })), said);
  });
}

test("a block that no hand of ours wrote is refused, whatever it claims", () => {
  const root = biscuits.PublicKey.fromBytes(key.publicKey, 0);
  const claim = writeClaim({ v: 1, task: "x" });
  const sources = [
    'right("file", "read");',
    `narrow("${claim}"); narrow("${claim}");`,
    `narrow("${claim}"); check if time($time), $time < 2099-01-01T00:00:00Z;`,
    `grant("${writeClaim(grant)}");`,
    `narrow("${claim}\\");\\nnarrow(\\"x");`,
    'narrow("");',
    "check if true;",
  ];
  for (const source of sources) {
    const opened = biscuits.Biscuit.fromBase64(token.slice(tokenPrefix.length), root);
    const block = new biscuits.BlockBuilder();
    block.addCode(source);
    const text = tokenPrefix + opened.appendBlock(block).toBase64();
    assert.match(refusal(verifyToken(biscuits, text, expected)), /block 1 says what/, source);
  }
});

test("a token can be handed down sixteen times, and not once more", () => {
  let text = token;
  for (let depth = 1; depth < mostBlocks; depth += 1) text = narrow(text, { v: 1, task: `hand-${depth}` });
  const verified = verifyToken(biscuits, text, expected);
  assert.ok(verified.ok && verified.token.narrowings.length === 16);
  assert.throws(() => narrow(text, { v: 1 }), RangeError);
});

test("a changed byte anywhere makes it another token, which nobody signed", () => {
  const bytes = Buffer.from(narrow(token, { v: 1, task: "x" }).slice(tokenPrefix.length), "base64url");
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ flip;
      const verified = verifyToken(biscuits, tokenPrefix + changed.toString("base64url"), expected);
      assert.equal(verified.ok, false, `byte ${at}`);
    }),
    { numRuns: 300 },
  );
});

test("random text is refused, and nothing is thrown", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 300, unit: "binary" }), (text) => {
      assert.equal(verifyToken(biscuits, tokenPrefix + text, expected).ok, false);
      assert.equal(verifyToken(biscuits, text, expected).ok, false);
    }),
    { numRuns: 300 },
  );
});

test("a claim has one spelling, only known members, and each member's own form", () => {
  const spelled = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  assert.deepEqual(readGrant(writeClaim(grant)), grant);
  const wrong = [
    { ...grant, agent: "UPPER" },
    { ...grant, more: 1 },
    { ...grant, expires: -1 },
    { ...grant, v: 2 },
    { ...grant, jti: "x" },
    { ...grant, policy_version: 1.5 },
    { ...grant, owner: "a\nb" },
  ];
  for (const value of wrong) assert.equal(readGrant(writeClaim(value as Grant)), null, JSON.stringify(value));
  const { audience: _, ...partial } = grant;
  assert.equal(readGrant(writeClaim(partial as Grant)), null, "a grant has every member");
  assert.equal(readNarrowing(spelled({ v: 1, task: "x", session: undefined })), null, "members are in order");
  assert.equal(readNarrowing(spelled([])), null);
  assert.equal(readNarrowing(spelled({ task: "x" })), null);
  assert.equal(readNarrowing("!!!"), null);
  assert.deepEqual(readNarrowing(spelled({ task: "x", v: 1 })), { v: 1, task: "x" });
});
