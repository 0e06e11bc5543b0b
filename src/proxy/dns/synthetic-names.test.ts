import assert from "node:assert/strict";
import { test } from "node:test";
import { addressClass } from "#lib/address-class.ts";
import { createSyntheticNames } from "./synthetic-names.ts";

test("a name keeps its address, in both families, and the address knows its name", () => {
  const names = createSyntheticNames();
  assert.equal(names.addressOf("a.example", 4, true), "198.18.1.0");
  assert.equal(names.addressOf("b.example", 6, true), "fd73:616c:6c79:706f::101");
  assert.equal(names.addressOf("a.example", 4, true), "198.18.1.0");
  assert.equal(names.addressOf("a.example", 6, true), "fd73:616c:6c79:706f::100");
  assert.equal(names.addressOf("c.example", 4, false), "198.19.0.0");
  for (const address of [
    "198.18.1.0",
    "::ffff:198.18.1.0",
    "fd73:616c:6c79:706f::100",
    "FD73:616C:6C79:706F:0:0:0:100",
  ]) {
    assert.equal(names.hostOf(address), "a.example");
  }
  assert.equal(names.hostOf("198.19.0.0"), "c.example");
});

test("an address that was never given stands for nothing", () => {
  const names = createSyntheticNames();
  for (const address of "198.18.1.0 198.18.255.53 198.18.0.0 198.17.255.255 198.20.0.0 fd00::53 fd73:616c:6c79:706f:1::1 fd73:616c:6c79:706f::1:8000 1.2.3.4 x".split(
    " ",
  )) {
    assert.equal(names.hostOf(address), null, address);
  }
});

test("the boundary's own names are where they are in every cell", () => {
  const names = createSyntheticNames();
  assert.equal(names.addressOf("sallyport.internal", 4, false), "198.18.0.1");
  assert.equal(names.addressOf("host.sallyport.internal", 6, true), "fd73:616c:6c79:706f::2");
  assert.equal(names.hostOf("198.18.0.1"), "sallyport.internal");
});

test("a name that comes to be allowed moves out of the recycled space; one that is denied later stays", () => {
  const names = createSyntheticNames();
  assert.equal(names.addressOf("a.example", 4, false), "198.19.0.0");
  assert.equal(names.addressOf("a.example", 4, true), "198.18.1.0");
  assert.equal(names.addressOf("a.example", 4, false), "198.18.1.0");
  assert.equal(names.hostOf("198.19.0.0"), "a.example");
});

test("130,000 denied names push out neither an allowed one nor the one in use", () => {
  const names = createSyntheticNames();
  const allowed = names.addressOf("allowed.example", 4, true);
  const used = names.addressOf("used.example", 4, false);
  const first = names.addressOf("n.example", 4, false) ?? "";
  for (let i = 0; i < 130_000; i++) {
    const address = names.addressOf(`n${i}.example`, i % 2 === 0 ? 4 : 6, false);
    assert.ok(address !== null && address !== allowed);
    if (i % 1000 === 0) names.addressOf("used.example", 4, false);
  }
  assert.equal(names.addressOf("allowed.example", 4, false), allowed);
  assert.equal(names.addressOf("used.example", 4, false), used);
  assert.notEqual(names.hostOf(first), "n.example", "the oldest was recycled");
});

test("when the allowed names are used up the next one has no address, and all before it keep theirs", () => {
  const names = createSyntheticNames();
  const given = new Set<string>();
  let count = 0;
  for (;;) {
    const address = names.addressOf(`n${count}.example`, 4, true);
    if (address === null) break;
    given.add(address);
    count++;
  }
  assert.equal(count, 65_536 - 256 - 1);
  assert.equal(given.size, count);
  assert.ok(!given.has("198.18.255.53"), "the resolver's own address is nobody's name");
  assert.equal(names.hostOf("198.18.1.0"), "n0.example");
  assert.notEqual(names.addressOf("denied.example", 4, false), null);
  for (const address of given) if (addressClass(address) !== "benchmarking") assert.fail(address);
});
