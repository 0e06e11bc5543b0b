// Tab in the shells that people use: each is started as a person's is, with a terminal, and given keys.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { spawn } from "@lydell/node-pty";
import { openPlace, type Place, program } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("completion");
  writeFileSync(join(place.workspace, "agent.toml"), "# zero_trust.runtime.v1\n");
  writeFileSync(join(place.workspace, "agent.txt"), "");
  mkdirSync(join(place.workspace, "folder"));
});
after(() => place?.close());

function environment(): NodeJS.ProcessEnv {
  return {
    PATH: `${join(program, "..")}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin`,
    HOME: place.root,
    SALLYPORT_HOME: place.home,
    LANG: "C.UTF-8",
    TERM: "dumb",
  };
}

/** How each shell is started, made ready, and made to show its line in `<< >>`, and clear it, at Ctrl-T. */
const terminals = {
  bash: {
    args: ["--norc", "--noprofile", "-i"],
    ready: [
      "source <(sallyport completion bash)",
      `bind -x '"\\C-t": printf "\\n<<%s>>\\n" "$READLINE_LINE"; READLINE_LINE='`,
    ],
  },
  zsh: {
    args: ["-f", "-i"],
    ready: [
      "autoload -Uz compinit && compinit -u -D",
      "source <(sallyport completion zsh)",
      `show() { zle -I; printf '\\n<<%s>>\\n' "$BUFFER"; BUFFER= }; zle -N show; bindkey '^T' show`,
    ],
  },
} as const;

/** What stands on the line after each of `lines` was typed, and Tab. */
async function typed(shell: keyof typeof terminals, lines: readonly string[]): Promise<string[]> {
  const { args, ready } = terminals[shell];
  const terminal = spawn(shell, [...args], {
    cwd: place.workspace,
    env: environment() as { [name: string]: string },
    cols: 400,
    rows: 50,
  });
  let screen = "";
  let arrived = () => {};
  terminal.onData((data) => {
    screen += data;
    arrived();
  });
  const seen = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(screen);
      if (found !== null) {
        screen = screen.slice(found.index + found[0].length);
        return found[1] ?? "";
      }
      await new Promise<void>((resolve) => (arrived = resolve));
    }
  };
  try {
    terminal.write(`${ready.join("\r")}\recho rea""dy\r`);
    await seen(/ready\r?\n/);
    const shown: string[] = [];
    for (const line of lines) {
      terminal.write(`${line}\t\x14`);
      shown.push(await seen(/<<([^\r\n]*)>>/));
    }
    return shown;
  } finally {
    terminal.kill("SIGKILL");
  }
}

/** What is typed, and what a unique completion makes of it; the same in every shell. */
const lines: readonly (readonly [typed: string, line: string])[] = [
  ["sallyport explain-c", "sallyport explain-code "],
  ["sallyport sessions sh", "sallyport sessions show "],
  ["sallyport run --max-runt", "sallyport run --max-runtime "],
  ["sallyport explain-code domain_", "sallyport explain-code domain_not_allowed "],
  ["sallyport run --policy ag", "sallyport run --policy agent.toml "],
  ["sallyport run --policy=ag", "sallyport run --policy=agent.toml "],
  ["sallyport policy check fol", "sallyport policy check folder/"],
  ["sallyport run -- mkfif", "sallyport run -- mkfifo "],
  ["sallyport run --max-requests 5 -- sh agent.tx", "sallyport run --max-requests 5 -- sh agent.txt "],
  ["sallyport completion z", "sallyport completion zsh "],
  ["sallyport run --allow @pyp", "sallyport run --allow @pypi "],
  ["sallyport run --profile ai", "sallyport run --profile aider "],
  ["sallyport sessions events last --type sandb", "sallyport sessions events last --type sandbox.ready "],
];

for (const shell of ["bash", "zsh"] as const) {
  test(`${shell} completes commands, flags, codes, files, and the words of the agent's own command`, async () => {
    const shown = await typed(
      shell,
      lines.map(([keys]) => keys),
    );
    assert.deepEqual(
      shown.map((line) => line.trimEnd()),
      lines.map(([, line]) => line.trimEnd()),
    );
  });
}

test("fish completes the same, and says what each is", async () => {
  const { stdout } = await place.run(["completion", "fish"]);
  const ask = (line: string): string[] => {
    const asked = `${stdout}\ncomplete -C ${JSON.stringify(line)}`;
    const { stdout: said, stderr } = spawnSync("fish", ["--no-config", "-c", asked], {
      cwd: place.workspace,
      env: environment(),
      encoding: "utf8",
    });
    assert.equal(stderr, "", line);
    return said.split("\n").slice(0, -1);
  };
  for (const [keys, line] of lines) {
    const words = line.trimEnd().split(" ");
    assert.deepEqual(
      ask(keys).map((each) => each.split("\t")[0]),
      [words.at(-1)],
      keys,
    );
  }
  assert.deepEqual(ask("sallyport explain-code domain_"), [
    "domain_not_allowed\tNo rule of the policy names this host.",
  ]);
  assert.ok(ask("sallyport audit ").includes(ask("sallyport audit verif")[0] ?? ""));
});

test("sessions are offered newest first, with their commands; nothing is made where there is no home", async () => {
  const none = await place.run(["__complete", "--", "sessions", "show", ""], {
    env: { SALLYPORT_HOME: join(place.root, "nowhere") },
  });
  assert.equal(none.stdout, ":none\n");
  await place.run(["run", "--", "true", "with words"]);
  const [id = ""] = place.sessions();
  const { stdout } = await place.run(["__complete", "--", "sessions", "show", ""]);
  assert.equal(stdout, `last\tthe newest session\n${id}\ttrue 'with words'\n:none\n`);
  const [bash] = await typed("bash", [`sallyport replay ${id.slice(0, 10)}`]);
  assert.equal(bash?.trimEnd(), `sallyport replay ${id}`);
});

test("a script is put where its shell looks, and a stranger's file is left alone", async () => {
  const file = join(place.root, ".config", "fish", "completions", "sallyport.fish");
  const ran = await place.run(["completion", "fish", "--install"], { env: { HOME: place.root } });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, new RegExp(`Wrote ${file}`));
  const { stdout } = spawnSync("fish", ["-c", "complete -C 'sallyport explain-c'"], {
    env: environment(),
    encoding: "utf8",
  });
  assert.match(stdout, /^explain-code\t/);
  writeFileSync(file, "mine\n");
  const refused = await place.run(["completion", "fish", "--install", "--json"], { env: { HOME: place.root } });
  assert.equal(refused.code, 125);
  assert.equal((JSON.parse(refused.stderr) as { error: { code: string } }).error.code, "usage");
  assert.equal(readFileSync(file, "utf8"), "mine\n");
});
