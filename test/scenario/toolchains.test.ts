// Toolchains of the person's home work in a cell, read-only: laid out on disk as their installers do, called as people call them.

import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
let home: string;
before(() => {
  place = openPlace("toolchains");
  home = join(place.root, "person");
  mkdirSync(home);
});
after(() => place?.close());

function file(path: string, text: string, mode = 0o644): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  writeFileSync(join(home, path), text);
  chmodSync(join(home, path), mode);
}
const program = (path: string, says: string) => file(path, `#!/bin/sh\n${says}\n`, 0o755);
function link(path: string, to: string): void {
  mkdirSync(dirname(join(home, path)), { recursive: true });
  symlinkSync(to, join(home, path));
}
const says = (name: string) => `echo ${name}; cat "$(dirname "$(readlink -f "$0")")/../share/data"`;

interface Toolchain {
  readonly name: string;
  readonly lay: () => void;
  /** Folders of PATH, relative to HOME. */
  readonly path: readonly string[];
  readonly env?: { readonly [name: string]: string };
  readonly call: string;
  readonly out: string;
}

const toolchains: readonly Toolchain[] = [
  {
    name: "nvm",
    lay: () => {
      program(".nvm/versions/node/v22.1.0/bin/node", says("node"));
      file(".nvm/versions/node/v22.1.0/share/data", "of node\n");
      program(".nvm/versions/node/v22.1.0/lib/node_modules/npm/bin/npm-cli.js", "echo npm");
      link(".nvm/versions/node/v22.1.0/bin/npm", "../lib/node_modules/npm/bin/npm-cli.js");
      file(".nvm/alias/default", "22\n");
      file(".nvm/nvm.sh", "nvm() { cat $NVM_DIR/alias/default; }\n");
    },
    path: [".nvm/versions/node/v22.1.0/bin"],
    env: { NVM_DIR: "HOME/.nvm" },
    call: "node; npm; . $NVM_DIR/nvm.sh; nvm",
    out: "node\nof node\nnpm\n22\n",
  },
  {
    name: "pyenv, by its shims",
    lay: () => {
      program(".pyenv/shims/python", 'root=$(dirname "$0")/..; exec "$root/libexec/pyenv" exec python "$@"');
      program(
        ".pyenv/libexec/pyenv",
        'root=$(dirname "$0")/..; exec "$root/versions/$(cat "$root/version")/bin/python" "$@"',
      );
      file(".pyenv/version", "3.12.1\n");
      program(".pyenv/versions/3.12.1/bin/python", says("python"));
      file(".pyenv/versions/3.12.1/share/data", "of 3.12.1\n");
    },
    path: [".pyenv/shims"],
    call: "python",
    out: "python\nof 3.12.1\n",
  },
  {
    name: "cargo and rustup",
    lay: () => {
      program(".cargo/bin/rustup", 'exec "$HOME/.rustup/toolchains/$(cat "$HOME/.rustup/settings")/bin/cargo" "$@"');
      link(".cargo/bin/cargo", "rustup");
      file(".rustup/settings", "stable\n");
      program(
        ".rustup/toolchains/stable/bin/cargo",
        `${says("cargo")}; mkdir -p ~/.cargo/registry && echo fetched > ~/.cargo/registry/x && cat ~/.cargo/registry/x`,
      );
      file(".rustup/toolchains/stable/share/data", "of stable\n");
      file(".cargo/credentials.toml", "token\n");
      file(".cargo/registry/old", "the host's\n");
    },
    path: [".cargo/bin"],
    call: "cargo; cat ~/.cargo/credentials.toml 2>/dev/null; ls ~/.cargo/registry",
    out: "cargo\nof stable\nfetched\nx\n",
  },
  {
    name: "uv: a Python of its own, and a tool",
    lay: () => {
      program(".local/share/uv/python/cpython-3.12.1-linux/bin/python3.12", says("python3.12"));
      file(".local/share/uv/python/cpython-3.12.1-linux/share/data", "of uv\n");
      link(".local/bin/python3.12", "../share/uv/python/cpython-3.12.1-linux/bin/python3.12");
      program(".local/share/uv/tools/ruff/bin/ruff", says("ruff"));
      file(".local/share/uv/tools/ruff/share/data", "of ruff\n");
      link(".local/bin/ruff", "../share/uv/tools/ruff/bin/ruff");
      program(".local/bin/uv", "echo uv");
    },
    path: [".local/bin"],
    call: "uv; python3.12; ruff",
    out: "uv\npython3.12\nof uv\nruff\nof ruff\n",
  },
  {
    name: "pipx: an application in a real virtual environment",
    lay: () => {
      const venv = ".local/share/pipx/venvs/app";
      file(`${venv}/pyvenv.cfg`, "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11\n");
      link(`${venv}/bin/python`, "/usr/bin/python3");
      file(
        `${venv}/bin/app`,
        `#!${join(home, venv)}/bin/python\nimport sys\nprint("app", sys.prefix.endswith("venvs/app"))\n`,
        0o755,
      );
      link(".local/bin/app", join(home, venv, "bin/app"));
    },
    path: [".local/bin"],
    call: "app",
    out: "app True\n",
  },
  {
    name: "go: an SDK, and programs that were installed",
    lay: () => {
      program("sdk/go1.22/bin/go", says("go"));
      file("sdk/go1.22/share/data", "of 1.22\n");
      program("go/bin/gopls", "echo gopls");
    },
    path: ["sdk/go1.22/bin", "go/bin"],
    call: "go; gopls",
    out: "go\nof 1.22\ngopls\n",
  },
  {
    name: "SDKMAN: the JDK that is current",
    lay: () => {
      program(".sdkman/candidates/java/21/bin/java", says("java"));
      file(".sdkman/candidates/java/21/share/data", "of 21\n");
      link(".sdkman/candidates/java/current", "21");
    },
    path: [".sdkman/candidates/java/current/bin"],
    env: { JAVA_HOME: "HOME/.sdkman/candidates/java/current" },
    call: "java; $JAVA_HOME/bin/java",
    out: "java\nof 21\njava\nof 21\n",
  },
  {
    name: "asdf, by its shims",
    lay: () => {
      program(".asdf/shims/tool", 'exec "$HOME/.asdf/installs/tool/$(cut -d" " -f2 "$HOME/.tool-versions")/bin/tool"');
      program(".asdf/installs/tool/9/bin/tool", "echo tool 9");
      file(".tool-versions", "tool 9\n");
    },
    path: [".asdf/shims"],
    call: "tool",
    out: "tool 9\n",
  },
  {
    name: "volta and mise, by their shims",
    lay: () => {
      program(".volta/bin/volta-shim", 'exec "$HOME/.volta/tools/image/node/20/bin/node"');
      link(".volta/bin/vnode", "volta-shim");
      program(".volta/tools/image/node/20/bin/node", "echo volta node");
      program(".local/share/mise/installs/ruby/3/bin/ruby", "echo mise ruby");
      program(".local/share/mise/shims/ruby", 'exec "$HOME/.local/share/mise/installs/ruby/3/bin/ruby"');
    },
    path: [".volta/bin", ".local/share/mise/shims"],
    call: "vnode; ruby",
    out: "volta node\nmise ruby\n",
  },
  {
    name: "fnm: the link of this shell leads to a version",
    lay: () => {
      program(".local/share/fnm/node-versions/v20/installation/bin/fnode", "echo fnm node");
      link(".local/state/fnm_multishells/1_2", join(home, ".local/share/fnm/node-versions/v20/installation"));
    },
    path: [".local/state/fnm_multishells/1_2/bin"],
    call: "fnode",
    out: "fnm node\n",
  },
  {
    name: "bun, deno and pnpm, which write what they fetch beside themselves",
    lay: () => {
      program(
        ".bun/bin/bun",
        "echo bun > ~/.bun/install/cache/x && cat ~/.bun/install/cache/x; ls ~/.bun/install/cache",
      );
      file(".bun/install/cache/hosts", "");
      program(".deno/bin/deno", "echo deno");
      program(".local/share/pnpm/pnpm", "echo pnpm > ~/.local/share/pnpm/store/x && cat ~/.local/share/pnpm/store/x");
      file(".local/share/pnpm/store/hosts", "");
    },
    path: [".bun/bin", ".deno/bin", ".local/share/pnpm"],
    call: "bun; deno; pnpm",
    out: "bun\nx\ndeno\npnpm\n",
  },
];

for (const { name, lay, path, env, call, out } of toolchains) {
  test(`${name} works, and nothing of it can be changed`, async () => {
    lay();
    const folders = path.map((folder) => join(home, folder));
    const before = list(home);
    const ran = await place.run(
      [
        "run",
        "--",
        "sh",
        "-c",
        `${call}; for d in ${folders.join(" ")}; do touch $d/planted 2>/dev/null && echo written; done; true`,
      ],
      {
        env: {
          HOME: home,
          PATH: [...folders, "/usr/bin", "/bin"].join(":"),
          ...Object.fromEntries(Object.entries(env ?? {}).map(([key, value]) => [key, value.replace("HOME", home)])),
        },
      },
    );
    assert.equal(ran.stdout, out, ran.stderr);
    assert.deepEqual(list(home), before, "something of the host's was written");
  });
}

test("shims of another home, which PATH names, find their programs too", async () => {
  const other = join(place.root, "other");
  mkdirSync(join(other, ".rbenv/shims"), { recursive: true });
  mkdirSync(join(other, ".rbenv/versions/3/bin"), { recursive: true });
  writeFileSync(join(other, ".rbenv/shims/rb"), `#!/bin/sh\nexec ${other}/.rbenv/versions/3/bin/rb\n`, { mode: 0o755 });
  writeFileSync(join(other, ".rbenv/versions/3/bin/rb"), "#!/bin/sh\necho rb 3\n", { mode: 0o755 });
  writeFileSync(join(other, "secret"), "secret\n");
  const ran = await place.run(["run", "--", "sh", "-c", `rb; cat ${other}/secret`], {
    env: { HOME: home, PATH: `${other}/.rbenv/shims:/usr/bin:/bin` },
  });
  assert.equal(ran.stdout, "rb 3\n", ran.stderr);
});

/** Without what sallyport itself keeps of its own code. */
function list(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => !name.startsWith(".cache"))
    .sort();
}
