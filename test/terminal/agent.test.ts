// A published agent's own full screen, as it comes from npm: drawn, stopped with Ctrl-Z, brought back, and left.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "../scenario/program.ts";
import { installed, root } from "../servers/installed.ts";
import { openTerminal, prompt, type Terminal } from "./tmux.ts";

let place: Place;
let terminal: Terminal;
before(async () => {
  const modules = installed(join(root, "test", "agents", "installed"), "agents");
  place = openPlace("agent-screen");
  const bin = join(place.root, "bin");
  mkdirSync(bin);
  symlinkSync(join(modules, "@openai", "codex", "bin", "codex.js"), join(bin, "codex"));
  terminal = openTerminal({ cwd: place.workspace, env: { SALLYPORT_HOME: place.home } });
  await terminal.until("the prompt", (rows) => rows.at(-1) === prompt);
  await terminal.command(`export PATH=${bin}:"$PATH"`);
});
after(async () => {
  terminal?.close();
  await place?.run(["kill", "--all"]);
  place?.close();
});

const atPrompt = () => terminal.until("the prompt", (rows) => rows.at(-1)?.endsWith(prompt) === true);
const shows = (text: string) => terminal.until(text, (_, all) => all.includes(text));

test("Codex draws, stops with Ctrl-Z, comes back with fg, and leaves the terminal as it was", async () => {
  await terminal.command("clear; sallyport run -- codex");
  await shows("Sign in with ChatGPT");
  assert.equal(terminal.ask("#{alternate_on}"), "1");
  assert.ok(!terminal.screen().join("\n").includes("sallyport"), "nothing of ours is on its screen");
  terminal.press("Down");
  await shows("> 2. Sign in with Device Code");
  terminal.resize(80, 24);
  await terminal.until("it at the other size", (rows) => rows.length <= 24 && rows.join("\n").includes("> 2. Sign in"));
  terminal.press("C-z");
  await shows("Stopped");
  await atPrompt();
  assert.equal(terminal.ask("#{alternate_on}#{cursor_flag}"), "01");
  await terminal.command("clear; fg");
  await shows("> 2. Sign in with Device Code");
  terminal.press("C-c");
  await atPrompt();
  assert.equal(terminal.ask("#{alternate_on}#{cursor_flag}#{mouse_any_flag}"), "010");
  assert.match(terminal.screen().join("\n"), /sallyport: [\d.]+ s · .* session /);
});
