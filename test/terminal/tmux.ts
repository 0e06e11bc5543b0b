// A person at a terminal: tmux on a socket of its own, a shell with job control in it, keys that are typed and a screen that is
// looked at. What these tests see is what a person sees, colours and cursor included.

import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { program } from "../scenario/program.ts";

export interface Terminal {
  /** Types text as it stands. */
  type(text: string): void;
  /** Presses keys by tmux's names: `Enter`, `C-c`, `Escape`, … */
  press(...keys: readonly string[]): void;
  /** Types a command line, sees that it is there, and presses Enter: from then on no old prompt can be taken for a new one. */
  command(line: string): Promise<void>;
  /** The rows of the screen, trailing blanks cut. */
  screen(): readonly string[];
  /** The same with the escape sequences of colours and attributes. */
  colours(): string;
  /** Waits until the screen is so. */
  until(what: string, seen: (rows: readonly string[], text: string) => boolean): Promise<readonly string[]>;
  resize(columns: number, rows: number): void;
  /** A format of tmux, e.g. `#{alternate_on}`. */
  ask(format: string): string;
  /** Runs tmux itself. */
  tmux(...args: readonly string[]): string;
  close(): void;
}

export interface TerminalOptions {
  readonly cwd: string;
  readonly env: { readonly [name: string]: string };
  readonly columns?: number;
  readonly rows?: number;
}

/** The prompt of its shell: nothing else prints it. */
export const prompt = "READY>";
const patience = 10_000;

export function openTerminal({ cwd, env, columns = 100, rows = 30 }: TerminalOptions): Terminal {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-tmux-"));
  const socket = join(folder, "tmux");
  const rc = join(folder, "rc");
  const variables = Object.entries(env).map(([name, value]) => `export ${name}='${value.replaceAll("'", "'\\''")}'`);
  writeFileSync(
    rc,
    `PS1='${prompt} '\nunset PROMPT_COMMAND HISTFILE\nexport PATH='${dirname(program)}':"$PATH"\n${variables.join("\n")}\n`,
  );
  const config = join(folder, "conf");
  writeFileSync(
    config,
    'set -g default-terminal "tmux-256color"\nset -s escape-time 0\nset -g status off\nset -g remain-on-exit on\n',
  );
  const tmux = (...args: readonly string[]): string =>
    execFileSync("tmux", ["-S", socket, "-f", config, ...args], {
      encoding: "utf8",
      cwd,
      stdio: ["ignore", "pipe", "pipe"],
    });
  const clean: NodeJS.ProcessEnv = { ...process.env };
  for (const name of ["TMUX", "CI", "NO_COLOR", "FORCE_COLOR", "SALLYPORT_HOME"]) delete clean[name];
  execFileSync(
    "tmux",
    [
      "-S",
      socket,
      "-f",
      config,
      "new-session",
      "-d",
      "-x",
      String(columns),
      "-y",
      String(rows),
      `bash --rcfile ${rc} -i`,
    ],
    { cwd, env: { ...clean, LC_ALL: "C.UTF-8" }, stdio: ["ignore", "pipe", "inherit"] },
  );
  const screen = (): readonly string[] => tmux("capture-pane", "-p").replace(/\n+$/, "").split("\n");
  const terminal: Terminal = {
    type: (text) => void tmux("send-keys", "-l", "--", text),
    press: (...keys) => void tmux("send-keys", "--", ...keys),
    async command(line) {
      const before = screen().join("\n");
      terminal.type(line);
      await terminal.until(`what was typed: ${line}`, (_, text) => text !== before);
      terminal.press("Enter");
    },
    screen,
    colours: () => tmux("capture-pane", "-p", "-e"),
    async until(what, seen) {
      for (const end = Date.now() + patience; ; ) {
        const rows = screen();
        if (seen(rows, rows.join("\n"))) return rows;
        if (Date.now() > end) throw new Error(`the screen never came to show ${what}:\n${rows.join("\n")}`);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    },
    resize: (wide, high) => void tmux("resize-window", "-x", String(wide), "-y", String(high)),
    ask: (format) => tmux("display-message", "-p", format).trimEnd(),
    tmux,
    close() {
      spawnSync("tmux", ["-S", socket, "kill-server"]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return terminal;
}
