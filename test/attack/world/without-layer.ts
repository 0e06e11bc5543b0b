// Takes one layer of a cell away, from outside: the tools that make cells (bubblewrap, nft) are covered, in a mount
// namespace of that run alone, by a wrapper that leaves one thing out of what they were told. The product has no switch for it.

import fs from "node:fs";
import path from "node:path";
import type { World } from "./world.ts";

export const layers = ["seccomp", "capability drop", "nft redirect", "nft filter", "DNS answers"] as const;
export type Layer = (typeof layers)[number];

/** bubblewrap's options without some; `--args FD` is read, rewritten and handed on in a new memory file. */
const bubblewrap = (real: string, mark: string, edit: string): string => `#!/usr/bin/python3
import os, sys

def edited(words):
    out, at, done = [], 0, False
    while at < len(words):
${edit}
        out.append(words[at])
        at += 1
    return out, done

words, done = sys.argv[1:], False
if "--args" in words:
    at = words.index("--args")
    with os.fdopen(os.dup(int(words[at + 1])), "rb") as file:
        listed = file.read().decode().split("\\0")[:-1]
    listed, done = edited(listed)
    memory = os.memfd_create("args", 0)
    os.write(memory, "".join(word + "\\0" for word in listed).encode())
    os.lseek(memory, 0, os.SEEK_SET)
    words[at + 1] = str(memory)
split = words.index("--") if "--" in words else len(words)
own, more = edited(words[:split])
if done or more:
    open(${JSON.stringify(mark)}, "w").close()
os.execv(${JSON.stringify(real)}, ["bwrap"] + own + words[split:])
`;

const withoutSeccomp = `        if words[at] in ("--seccomp", "--add-seccomp-fd"):
            at, done = at + 2, True
            continue`;

const withoutCapabilityDrop = `        if words[at] == "--cap-drop":
            out += ["--cap-add", words[at + 1]]
            at, done = at + 2, True
            continue`;

/** nft with some lines or a chain of its ruleset left out. */
const nft = (real: string, mark: string, edit: string): string => `#!/usr/bin/python3
import os, re, sys

text = sys.stdin.read()
rules = text
${edit}
if rules != text:
    open(${JSON.stringify(mark)}, "w").close()
memory = os.memfd_create("rules", 0)
os.write(memory, rules.encode())
os.lseek(memory, 0, os.SEEK_SET)
os.dup2(memory, 0)
os.execv(${JSON.stringify(real)}, ["nft"] + sys.argv[1:])
`;

const chainOf = (hook: string): string =>
  `rules = re.sub(r"chain [a-z_]+ \\{\\s*type ${hook} hook output[^}]*\\}", "", rules)`;

const edits: Record<Layer, { tool: "bwrap" | "nft"; edit: string }> = {
  seccomp: { tool: "bwrap", edit: withoutSeccomp },
  "capability drop": { tool: "bwrap", edit: withoutCapabilityDrop },
  "nft redirect": { tool: "nft", edit: chainOf("nat") },
  "nft filter": { tool: "nft", edit: chainOf("filter") },
  "DNS answers": {
    tool: "nft",
    edit: 'rules = "\\n".join(line for line in rules.split("\\n") if "dport 53" not in line)',
  },
};

/** The programs whose attacks lean on a layer. */
export const leaning: Record<Layer, readonly string[]> = {
  seccomp: ["around.py", "kernel.py"],
  "capability drop": ["around.py", "kernel.py"],
  "nft redirect": ["around.py", "names.py"],
  "nft filter": ["around.py", "dns.py"],
  "DNS answers": ["around.py", "dns.py"],
};

export interface Removal {
  /** Words that go before a command line and leave the layer out of the cells it makes. */
  readonly before: readonly string[];
  /** Exists once the layer was left out. */
  readonly mark: string;
}

export function without(world: World, layer: Layer): Removal {
  const { tool, edit } = edits[layer];
  const folder = path.join(world.folder, `without-${layer.replaceAll(" ", "-")}`);
  fs.mkdirSync(folder, { mode: 0o777 });
  fs.chmodSync(folder, 0o777);
  const place = ["/usr/bin", "/usr/sbin", "/bin", "/sbin"]
    .map((bin) => path.join(bin, tool))
    .find((file) => fs.existsSync(file));
  if (place === undefined) throw new Error(`${tool} is not installed`);
  const real = path.join(folder, "real");
  fs.copyFileSync(place, real);
  fs.chmodSync(real, 0o755);
  const wrapper = path.join(folder, tool);
  const mark = path.join(folder, "left-out");
  fs.writeFileSync(wrapper, tool === "bwrap" ? bubblewrap(real, mark, edit) : nft(real, mark, edit), { mode: 0o755 });
  const cover = `mount --bind ${wrapper} ${fs.realpathSync(place)} && exec "$@"`;
  return { before: ["unshare", "--mount", "--propagation", "private", "--", "sh", "-c", cover, "sh"], mark };
}
