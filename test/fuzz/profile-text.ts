// Any text as an agent's profile: it parses, or it is a Failure with a true place; and what parsed never names a path outside the home,
// nor a file of the cell outside a folder of its own in /etc, and can be used.

import { Failure } from "#core/failure.ts";
import { compilePolicy } from "#policy/compile.ts";
import { parseProfile, useProfile } from "#policy/profile.ts";

export const name = "profile-text";

const texts = [
  'title = "A"\nprogram = ["a"]\npackage = ["@a/b"]\nenv = ["K"]\nset = ["A=b"]\n[network]\nallow = ["@npm", "a.example.com:443"]\n[[network.rule]]\nid = "a"\nhost = "a.b"\nmethod = ["GET"]\npath = "/a/**"\n',
  'title = "A"\n[[state]]\npath = "~/.a/b"\nas = "copy"\n[[state]]\npath = ".c"\nas = "read"\n[sandbox]\nset = ["A=b"]\n[[sandbox.file]]\npath = "/etc/a/b"\ntext = "x"\n',
  'title = "A"\n[[off]]\nwhat = "b"\nhost = ["a.b"]\nset = ["A=b"]\n[[off.file]]\npath = "/etc/a/b"\ntext = """y"""\n[[provider]]\nname = "c"\nenv = ["K"]\nallow = ["@npm/1", "b.c"]\n',
  'title = "A"\nprovider = [{ name = "c", env = ["K"], allow = ["b.c"] }]\nstate = [{ path = "../x", as = "write" }]\n',
];

export const seeds: readonly Uint8Array[] = texts.map((text) => Buffer.from(text));

const presets = {
  list: () => [{ name: "npm", version: 1 }],
  read: () => '# zero_trust.runtime.v1\n[[network.rule]]\nid = "a"\nhost = "npm.example"\n',
};

export function run(input: Uint8Array): void {
  const text = Buffer.from(input).toString("utf8");
  const profile = parsed(text);
  if (profile === null) return;
  for (const { path } of profile.state)
    if (path.startsWith("/") || path.split("/").some((part) => part === "" || part === "." || part === ".."))
      throw new Error(`a path outside the home: ${path}`);
  for (const set of [() => true, () => false]) {
    const use = useProfile(profile, set, ["a.b"]);
    for (const { path } of use.files)
      if (!/^\/etc\/[a-z0-9-]+\/[^/]/.test(path) || /\/\.{0,2}(\/|$)/.test(path)) throw new Error(`a file at ${path}`);
    compilePolicy([use.policy]);
  }
}

function parsed(text: string) {
  try {
    return parseProfile(text, { name: "fuzz", file: "fuzz.toml", presets });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const [, line = "0", column = "0"] = /^fuzz\.toml:(\d+):(\d+)$/.exec(error.place ?? "") ?? [];
    const there = text.split("\n")[Number(line) - 1];
    if (there === undefined || Number(column) < 1 || Number(column) > there.length + 1)
      throw new Error(`${error.message}: no such place as ${error.place}`);
    return null;
  }
}
