// Programs that draw, and a person's habits at a terminal, inside a cell: what the screen shows is what is asserted.

import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { openPlace, type Place } from "../scenario/program.ts";
import { openTerminal, prompt, type Terminal } from "./tmux.ts";

let place: Place;
let terminal: Terminal;
before(() => {
  place = openPlace("terminal");
});
after(() => place?.close());

beforeEach(async () => {
  writeFileSync(join(place.workspace, "poem.txt"), "one\ntwo\nthree\n");
  terminal = openTerminal({ cwd: place.workspace, env: { SALLYPORT_HOME: place.home } });
  await atPrompt();
});
afterEach(async () => {
  terminal.close();
  await place.run(["kill", "--all"]);
});

const atPrompt = () => terminal.until("the prompt", (rows) => rows.at(-1)?.endsWith(prompt) === true);
const shows = (text: string) => terminal.until(text, (_, all) => all.includes(text));

/** The shell's own terminal is as a shell wants it: keys are echoed, the cursor is seen, nothing of the program is left. */
async function assertPutBack(): Promise<void> {
  assert.equal(
    terminal.ask("#{alternate_on}#{mouse_any_flag}#{cursor_flag}#{keypad_cursor_flag}#{keypad_flag}"),
    "00100",
  );
  await terminal.command("clear; stty -a | grep -owE 'icanon|echo|opost|isig' | sort | tr '\\n' ' '; echo .");
  await shows("echo icanon isig opost .");
  await atPrompt();
}

test("vim opens, edits with colours, and saves; the shell's screen comes back", async () => {
  await terminal.command("sallyport run -q -- vim -u NONE -N -n -c 'syntax on' poem.c");
  await shows('"poem.c"');
  terminal.type('iint main(void) { return "x"; }');
  terminal.press("Escape");
  await shows("int main");
  assert.equal(terminal.ask("#{alternate_on}"), "1");
  assert.ok(terminal.colours().includes("\u001b[32mint\u001b"), "a keyword is coloured");
  await terminal.command(":wq");
  await atPrompt();
  assert.equal(readFileSync(join(place.workspace, "poem.c"), "utf8"), 'int main(void) { return "x"; }\n');
  await assertPutBack();
});

test("a paste arrives as a paste", async () => {
  await terminal.command("sallyport run -q -- vim -u NONE -N -n -c 'set autoindent' paste.txt");
  await shows('"paste.txt"');
  terminal.press("i");
  await shows("-- INSERT --");
  terminal.tmux("set-buffer", "  first\n  second\n  third\n");
  terminal.tmux("paste-buffer", "-p");
  await shows("third");
  terminal.press("Escape");
  await terminal.command(":wq");
  await atPrompt();
  // Typed keys would be indented each a step further.
  assert.equal(readFileSync(join(place.workspace, "paste.txt"), "utf8").trimEnd(), "  first\n  second\n  third");
});

test("htop draws, hears the mouse, and follows the size of the window", async () => {
  await terminal.command("sallyport run -q -- htop");
  const rows = await shows("F10Quit");
  assert.match(rows.at(-1) ?? "", /F1Help/);
  assert.equal(rows.length, 30);
  assert.equal(terminal.ask("#{mouse_any_flag}"), "1");
  terminal.resize(90, 18);
  await terminal.until("eighteen rows", (now) => now.length === 18 && /F1Help.*F10Quit/.test(now.at(-1) ?? ""));
  // A click on the last key's label, as this terminal tells it to a program that has not asked for another form.
  const column = (terminal.screen().at(-1) ?? "").indexOf("Quit") + 1;
  const [x, y] = [32 + column, 32 + 18].map((at) => String.fromCharCode(at));
  terminal.type(`\u001b[M ${x}${y}\u001b[M#${x}${y}`);
  await atPrompt();
  await assertPutBack();
});

test("less shows colours, searches, and quits", async () => {
  writeFileSync(
    join(place.workspace, "long.txt"),
    Array.from({ length: 200 }, (_, i) => `\u001b[3${i % 8}mline ${i}\u001b[0m`).join("\n"),
  );
  await terminal.command("sallyport run -q -- less -R long.txt");
  await shows("line 3");
  assert.ok(terminal.colours().includes("\u001b[31mline 1"));
  terminal.type("/line 150");
  terminal.press("Enter");
  await terminal.until("line 150 on top", (rows) => rows[0] === "line 150");
  terminal.press("q");
  await atPrompt();
  await assertPutBack();
});

test("tmux runs inside a cell, with two panes", async () => {
  await terminal.command(
    "sallyport run -q -- tmux -L inner new-session 'sh -c \"echo left; exec cat\"' ';' split-window -h 'sh -c \"echo right; exec cat\"'",
  );
  await terminal.until("both panes", (rows) => /^left +│right/.test(rows[0] ?? ""));
  terminal.type("typed");
  await terminal.until("what is typed, on the right", (rows) => /│typed/.test(rows[1] ?? ""));
  terminal.press("Enter", "C-d");
  await terminal.until("one pane", (rows) => /^left *$/.test(rows[0] ?? ""));
  terminal.press("C-d");
  await atPrompt();
  await assertPutBack();
});

for (const [key, name, said] of [
  ["C-c", "SIGINT", "130"],
  ["C-\\", "SIGQUIT", "131"],
] as const)
  test(`${key} interrupts the agent (${name}), and its code is the run's`, async () => {
    await terminal.command("clear; sallyport run -q -- sh -c 'echo ready; exec sleep 1000'");
    await shows("ready");
    terminal.press(key);
    await atPrompt();
    await terminal.command("echo code $?");
    await shows(`code ${said}`);
  });

test("Ctrl-C inside ends the program and leaves the shell that started it", async () => {
  await terminal.command("sallyport run -q -- bash --norc");
  await shows("bash-");
  await terminal.command("sleep 1000");
  terminal.press("C-c");
  await terminal.command("echo still $((40 + 2))");
  await shows("still 42");
  await terminal.command("exit 5");
  await atPrompt();
});

for (const [title, command, drawn, keys, after] of [
  ["vim, which gives the screen back itself", "vim -u NONE -N -n poem.txt", "three", [":q!", "Enter"], null],
  ["htop, which is stopped with its screen up", "htop", "F10Quit", ["q"], null],
  ["a program of lines", "sh -c 'echo begin; read word; echo got $word'", "begin", ["word", "Enter"], "got word"],
] as const)
  test(`Ctrl-Z stops the job and fg brings it back: ${title}`, async () => {
    await terminal.command(`sallyport run -q -- ${command}`);
    await shows(drawn);
    terminal.press("C-z");
    await shows("Stopped");
    await atPrompt();
    await assertPutBack();
    await terminal.command("fg");
    await shows(drawn === "begin" ? "sallyport run" : drawn);
    for (const key of keys) terminal.press(key);
    if (after !== null) await shows(after);
    await atPrompt();
    await assertPutBack();
  });

test("Ctrl-Z in a shell inside stops the program there, and not the run", async () => {
  await terminal.command("sallyport run -q -- bash --norc");
  await shows("bash-");
  await terminal.command("vim -u NONE -N -n poem.txt");
  await shows("three");
  terminal.press("C-z");
  await terminal.until(
    "the inner shell again",
    (_, text) => /Stopped +vim/.test(text) && /bash-[\d.]+[$#]$/.test(text.trimEnd()),
  );
  await terminal.command("fg");
  await terminal.until("vim again", () => terminal.ask("#{alternate_on}") === "1");
  await terminal.command(":q");
  await terminal.command("exit");
  await atPrompt();
});

test("a run without a terminal stops with the shell's Ctrl-Z, agent and all, and goes on with fg", async () => {
  await terminal.command(
    "sallyport run -q -T -- sh -c 'i=0; while :; do i=$((i+1)); echo $i > tick; echo tick $i; sleep 0.1; done'",
  );
  await shows("tick 3");
  terminal.press("C-z");
  await shows("Stopped");
  const then = readFileSync(join(place.workspace, "tick"), "utf8");
  await terminal.command("sleep 0.5; echo slept");
  await terminal.until("half a second later", (rows) => rows.includes("slept"));
  assert.equal(readFileSync(join(place.workspace, "tick"), "utf8"), then, "the agent stands still");
  await terminal.command("fg");
  await shows(`tick ${Number(then) + 3}`);
  terminal.press("C-c");
  await atPrompt();
});

for (const [title, end] of [
  ["the agent is killed", (id: string) => place.run(["kill", id])],
  ["sallyport is asked to end", (id: string) => killHolder(id, "SIGTERM")],
  ["the agent kills itself (kill -9)", () => terminal.command(":!kill -9 $PPID")],
] as const)
  test(`the terminal is put back when ${title} under a drawn screen`, async () => {
    await terminal.command("sallyport run -q --grace 0 -- vim -u NONE -N -n -c 'set mouse=a' poem.txt");
    await shows("three");
    assert.equal(terminal.ask("#{alternate_on}#{mouse_any_flag}"), "11");
    const [id = ""] = (await place.run(["ps", "-q"])).stdout.split("\n");
    await end(id);
    await atPrompt();
    await assertPutBack();
  });

function killHolder(id: string, signal: NodeJS.Signals): void {
  process.kill((place.record(id) as { pid: number }).pid, signal);
}

test("a denial is told at once to who runs a program of lines, between its lines", async () => {
  await terminal.command(
    "sallyport run -- sh -c 'printf unfinished; curl -s -o /dev/null http://example.com/x; sleep 1; echo; echo done'",
  );
  await shows("done");
  const rows = await atPrompt();
  const at = rows.findIndex((row) => row.startsWith("sallyport: denied GET example.com/x (domain_not_allowed)"));
  assert.ok(at > 0 && at < rows.indexOf("done"), rows.join("\n"));
  assert.equal(rows[at - 1], "unfinished");
});

test("a denial tears no drawn screen: it is told when the program has ended", async () => {
  await terminal.command("sallyport run -- vim -u NONE -N -n poem.txt");
  await shows("three");
  await terminal.command(":silent !curl -s -o /dev/null http://example.com/x");
  const [id = ""] = (await place.run(["ps", "-q"])).stdout.split("\n");
  await terminal.until("the denial is in the log", () =>
    place.events(id).some(({ decision }) => decision?.deny_reason === "domain_not_allowed"),
  );
  terminal.press("C-l");
  await shows("three");
  assert.ok(!terminal.screen().join("\n").includes("denied"));
  await terminal.command(":q!");
  await shows("denied GET example.com/x");
  const rows = await atPrompt();
  assert.match(
    rows.join("\n"),
    /sallyport: denied GET example\.com\/x.*\n(.*\n)?sallyport: .* 0 requests allowed, 1 denied/,
  );
});

test("what takes longer than a second is said, and erased", async () => {
  await terminal.command(
    "clear; sallyport run --max-runtime 1 --grace 4 -T -- sh -c 'trap \"\" TERM; while :; do sleep 0.1; done'",
  );
  await shows("sallyport: asked to end (max_runtime), 4 s grace …");
  const rows = await atPrompt();
  assert.ok(!rows.join("\n").includes("asked to end"), rows.join("\n"));
  assert.match(rows.join("\n"), /ended by max_runtime/);
});

for (const variable of ["CI=true", "TERM=dumb"])
  test(`with ${variable} nothing is drawn and erased`, async () => {
    await terminal.command(
      `clear; ${variable} script -qc "sallyport run --max-runtime 1 --grace 2 -T -- sh -c 'trap \\"\\" TERM; while :; do sleep 0.1; done'" typescript`,
    );
    await atPrompt();
    const printed = readFileSync(join(place.workspace, "typescript"), "latin1");
    assert.match(printed, /ended by max_runtime/);
    assert.ok(!printed.includes("\u001b") && !printed.includes("asked to end"), JSON.stringify(printed));
  });

test("NO_COLOR and a pipe have no colour; a terminal has", async () => {
  await terminal.command("clear; sallyport run -- no-such-program");
  await shows("program_not_found");
  assert.ok(terminal.colours().includes("\u001b[31merror"));
  await terminal.command("clear; NO_COLOR=1 sallyport run -- no-such-program");
  await shows("program_not_found");
  assert.ok(!terminal.colours().includes("\u001b[31m"));
  await terminal.command("clear; sallyport run -- no-such-program 2>&1 | cat -v");
  await shows("program_not_found");
  assert.ok(!/\^\[/.test(terminal.screen().join("\n")));
});

test("-t gives a terminal to what is piped to, and the pipe's end is its end of input", async () => {
  await terminal.command("clear; printf 'from a pipe' | sallyport run -q -t -- sh -c 'tty; cat; echo; echo over'");
  await shows("over");
  const rows = await atPrompt();
  assert.ok(
    rows.some((row) => row.startsWith("/dev/pts/") || row.includes("/dev/")),
    rows.join("\n"),
  );
  assert.ok(rows.some((row) => row.includes("from a pipe")));
  await terminal.command("clear; sallyport run -q -T -- sh -c 'tty; echo over'");
  await shows("not a tty");
});

test("a detached run's terminal is attached to, drawn anew at this terminal's size, and left again", async () => {
  await terminal.command("sallyport run -q -d -t -- vim -u NONE -N -n -c 'set mouse=a' poem.txt > id");
  await atPrompt();
  terminal.resize(90, 22);
  await terminal.command("clear; sallyport attach $(cat id)");
  await shows("three");
  // The last row, for what is typed to vim itself, is empty.
  await terminal.until("twenty-two rows", (rows) => rows.length === 21);
  assert.equal(terminal.ask("#{alternate_on}#{mouse_any_flag}"), "11");
  terminal.type("ihello ");
  terminal.press("Escape");
  await shows("hello one");
  terminal.resize(70, 15);
  await terminal.until("fifteen rows", (rows) => rows.length === 14);
  terminal.press("C-p", "C-q");
  await shows("goes on");
  await assertPutBack();
  await terminal.command("clear; sallyport attach -q --detach-keys 'ctrl-]' last; echo code $?");
  await shows("hello one");
  await terminal.command(":wq");
  await shows("code 0");
  assert.match(readFileSync(join(place.workspace, "poem.txt"), "utf8"), /^hello one/);
  await assertPutBack();
});

test("whoever attaches to a run in another's hands sees it too; both may type", async () => {
  const other = openTerminal({ cwd: place.workspace, env: { SALLYPORT_HOME: place.home } });
  try {
    await other.until("the prompt", (rows) => rows.at(-1)?.endsWith(prompt) === true);
    await other.command("sallyport run -q -- sh -c 'echo ready; read a; echo first $a; read b; echo second $b'");
    await other.until("ready", (rows) => rows.includes("ready"));
    await terminal.command("sallyport attach last");
    await shows("attached to");
    await terminal.command("here");
    await other.until("what was typed elsewhere", (rows) => rows.includes("first here"));
    await other.command("there");
    await shows("second there");
    await atPrompt();
  } finally {
    other.close();
  }
});

test("a run started in the background stops for the terminal and goes on with fg", async () => {
  await terminal.command("sallyport run -q -- vim -u NONE -N -n poem.txt &");
  terminal.press("Enter");
  await terminal.until("it is stopped", (_, text) => {
    terminal.press("Enter");
    return text.includes("Stopped");
  });
  await terminal.command("clear; fg");
  await shows("three");
  await terminal.command(":q");
  await atPrompt();
  await assertPutBack();
});

test("what these tests leave behind is nothing", async () => {
  terminal.close();
  assert.equal((await place.run(["ps", "-q"])).stdout, "");
  for (const id of place.sessions()) {
    const folder = join(place.home, "sessions", id);
    assert.ok(!existsSync(join(folder, "control.sock")), id);
    chmodSync(folder, 0o700);
    assert.ok(readdirSync(folder).includes("session.json"));
  }
});
