// src/lib/address.ts and address-class.ts: agrees with Node on what an address is, has one text for one value, and no wrapping hides a class.

import assert from "node:assert/strict";
import { isIP } from "node:net";
import {
  addressBytes,
  addressFromBytes,
  contains,
  formatAddress,
  formatCidr,
  parseAddress,
  parseCidr,
} from "#lib/address.ts";
import { addressClass } from "#lib/address-class.ts";

const texts =
  "1.2.3.4 169.254.169.254 ::1 2001:db8::1 ::ffff:10.0.0.1 64:ff9b::10.0.0.1 2002:7f00:1:: 10.0.0.0/8 fd00::/8 fe80::1%eth0 1:2:3:4:5:6:7:8 ::ffff:0:0/96";
const words = ":: : . 0 ff ffff 255 256 0x / /8 % 1.2.3.4 ::ffff: 0000";

export const name = "address";
export const seeds = texts.split(" ").map((text) => Buffer.from(text));
export const dictionary = words.split(" ").map((text) => Buffer.from(text));
export const most = 64;

export function run(input: Uint8Array): void {
  const text = Buffer.from(input).toString("latin1");
  const address = parseAddress(text);
  assert.equal(address !== null, isIP(text) !== 0 && !text.includes("%"));
  const cidr = parseCidr(text);
  if (cidr !== null) {
    assert.deepEqual(parseCidr(formatCidr(cidr)), cidr);
    assert.ok(contains(cidr, cidr.base));
  }
  if (address === null) {
    assert.equal(addressClass(text), "reserved");
    return;
  }
  const normal = formatAddress(address);
  assert.deepEqual(parseAddress(normal), address);
  assert.deepEqual(addressFromBytes(addressBytes(address)), address);
  const found = addressClass(text);
  assert.equal(addressClass(normal), found);
  if (address.family === 4) {
    assert.equal(normal, isIP(text) === 4 ? text : normal);
    assert.equal(addressClass(`::ffff:${normal}`), found);
    if (found !== "public") assert.notEqual(addressClass(`64:ff9b::${normal}`), "public");
    assert.notEqual(addressClass(`::${normal}`), "public");
  } else {
    assert.equal(new URL(`http://[${normal}]/`).host, `[${normal}]`);
  }
}
