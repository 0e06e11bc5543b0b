// src/lib/host-name.ts: a normal form is its own normal form, holds nothing odd, and no spelling of a name has another.

import assert from "node:assert/strict";
import { isIP } from "node:net";
import { normalHost } from "#lib/host-name.ts";

const texts =
  "example.com Example.COM. a-b.c_d.example xn--bcher-kva.example 1.2.3.4 [::1] ::ffff:1.2.3.4 0x7f.1 2130706433 017700000001 127.1 localhost bücher.example a..b example.com:443 u@example.com";
const words = ". - _ xn-- [ ] : :: 0x 1 255 % @ / \\ \0 com. ß";

export const name = "host-name";
export const seeds = texts.split(" ").map((text) => Buffer.from(text));
export const dictionary = words.split(" ").map((text) => Buffer.from(text));
export const most = 400;

export function run(input: Uint8Array): void {
  const text = Buffer.from(input).toString(input.length % 2 === 0 ? "utf8" : "latin1");
  const host = normalHost(text);
  if (host === null) return;
  assert.equal(normalHost(host), host);
  assert.ok(host.length > 0 && host.length <= 253);
  assert.match(host, /^[a-z0-9._:-]+$/);
  assert.equal(normalHost(text.toUpperCase()), host);
  if (isIP(host) !== 0) return;
  assert.ok(!host.includes(":") && !host.startsWith(".") && !host.endsWith(".") && !host.includes(".."));
  assert.equal(normalHost(`${host}.`), host);
  // What a WHATWG client would dial for this host is this host, underscores at a label's edge and all.
  assert.equal(new URL(`http://${host}/`).hostname, host);
}
