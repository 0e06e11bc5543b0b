// The presets of this build: presets/NAME.VERSION.toml. Nothing is read before a policy names one.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Presets } from "#policy/presets.ts";
import { shippedFolder } from "./shipped.ts";

export const shippedPresets: Presets = {
  list: () =>
    readdirSync(shippedFolder("presets"))
      .map((file) => /^([a-z0-9-]+)\.(\d+)\.toml$/.exec(file))
      .filter((match) => match !== null)
      .map(([, name = "", version]) => ({ name, version: Number(version) })),
  read: ({ name, version }) => readFileSync(join(shippedFolder("presets"), `${name}.${version}.toml`), "utf8"),
};
