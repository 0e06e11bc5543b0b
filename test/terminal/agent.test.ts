// A published agent's own full screen, as it comes from npm: drawn, stopped with Ctrl-Z, brought back, and left.

import assert from "node:assert/strict";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "../scenario/program.ts";
import { createTestAuthority } from "../servers/certificate-authority.ts";
import { startServer, type TestServer } from "../servers/https-server.ts";
import { installed, root } from "../servers/installed.ts";
import { placedPolicy } from "../servers/placed.ts";
import { openTerminal, prompt, type Terminal } from "./tmux.ts";

let place: Place;
let terminal: Terminal;
let server: TestServer | undefined;
before(async () => {
  const modules = installed(join(root, "test", "agents", "installed"), "agents");
  place = openPlace("agent-screen");
  const bin = join(place.root, "bin");
  mkdirSync(bin);
  symlinkSync(join(modules, "@openai", "codex", "bin", "codex.js"), join(bin, "codex"));
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  symlinkSync(join(modules, "@anthropic-ai", `claude-code-linux-${arch}`, "claude"), join(bin, "claude"));
  const home = join(place.root, "user");
  mkdirSync(home);
  terminal = openTerminal({
    cwd: place.workspace,
    env: { SALLYPORT_HOME: place.home, HOME: home, ANTHROPIC_API_KEY: "sk-worth-nothing" },
    rows: 40,
  });
  await terminal.until("the prompt", (rows) => rows.at(-1) === prompt);
  await terminal.command(`export PATH=${bin}:"$PATH"`);
});
after(async () => {
  terminal?.close();
  await place?.run(["kill", "--all"]);
  await server?.close();
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

test("Claude Code draws on the main screen, stops with Ctrl-Z, comes back with fg, and leaves the terminal as it was", async () => {
  // Its first screen comes when its provider says that it is there.
  const authority = createTestAuthority(place.root);
  const hosts = ["api.anthropic.com", "platform.claude.com"];
  server = await startServer({
    leaf: authority.issue(hosts),
    answer: (_, response) => void response.writeHead(200, { "content-type": "application/json" }).end("{}"),
  });
  const { port } = server;
  const placed = placedPolicy({
    caFile: authority.caFile,
    hosts: Object.fromEntries(hosts.map((host) => [host, port])),
  });
  const policy = place.policy(placed.replace("\n", "\nextendable = true\n"));
  await terminal.command(`clear; sallyport run --policy ${policy} -- claude`);
  await shows("Choose the text style");
  assert.equal(terminal.ask("#{alternate_on}#{cursor_flag}"), "00");
  terminal.press("Down");
  await terminal.until("the next choice", (_, text) => /❯ +Dark mode\n/.test(text));
  terminal.press("C-z");
  await shows("Stopped");
  await atPrompt();
  assert.equal(terminal.ask("#{cursor_flag}"), "1");
  await terminal.command("clear; fg");
  await terminal.until("its choice again", (_, text) => /❯ +Dark mode\n/.test(text));
  terminal.press("C-c");
  await shows("again to exit");
  terminal.press("C-c");
  await atPrompt();
  assert.equal(terminal.ask("#{alternate_on}#{cursor_flag}#{mouse_any_flag}"), "010");
  assert.match(terminal.screen().join("\n"), /sallyport: [\d.]+ s · .* session /);
});
