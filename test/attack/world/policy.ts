// The policies of the attacks: what an agent of this world is allowed, which is little and deliberately tempting.

import fs from "node:fs";
import path from "node:path";
import { type Family, zone } from "./names.ts";
import type { World } from "./world.ts";

/** Names that are allowed and lead where no name may lead, or to an upstream that cannot be trusted. */
const tempting = [
  "loop",
  "loop2",
  "zero",
  "gateway",
  "hostown",
  "hostown2",
  "private",
  "metadata",
  "linklocal",
  "cgnat",
  "mapped",
  "nat64",
  "sixtofour",
  "teredo",
  "multicast",
  "broadcast",
  "mixed",
  "rebind",
  "expired",
  "selfsigned",
  "wrongname",
  "nottls",
];

/** Writes the policy file of a family and returns its path. */
export function writePolicy(world: World, family: Family, more = ""): string {
  const top = zone(family);
  const names = ["allowed", ...tempting].map((label) => `"${label}.${top}"`);
  const text = `version = "zero_trust.runtime.v1"

[network]
default = "deny"
allow = [${names.join(", ")}, "*.wild.${top}"]
deny = ["bad.wild.${top}"]

[[network.rule]]
id = "api"
host = "api.${top}"
method = ["GET", "HEAD"]
path = ["/public/**"]

[upstream]
ca = "${path.join(world.folder, "upstream-ca.pem")}"
${more}`;
  const file = path.join(world.folder, `policy-${family}${more === "" ? "" : "-more"}.toml`);
  fs.writeFileSync(file, text, { mode: 0o644 });
  return file;
}
