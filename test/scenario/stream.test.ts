// Streams: pipes pass every byte and every end of file; a terminal is a terminal.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { after, before, type TestContext, test } from "node:test";
import { type IPty, spawn } from "@lydell/node-pty";
import { openPlace, type Place, program } from "./program.ts";

let place: Place;
before(() => {
  place = openPlace("stream");
});
after(() => place?.close());

test("a megabyte of arbitrary bytes passes through stdin and stdout unchanged", async () => {
  const bytes = randomBytes(1 << 20);
  const ran = await place.run(["run", "--quiet", "--", "cat"], { input: bytes });
  assert.equal(ran.code, 0);
  assert.equal(
    createHash("sha256").update(ran.bytes.stdout).digest("hex"),
    createHash("sha256").update(bytes).digest("hex"),
  );
  assert.equal(ran.stderr, "");
});

test("stdout and stderr stay apart", async () => {
  const ran = await place.run(["run", "--quiet", "--", "sh", "-c", "echo out; echo err >&2; printf 'no newline'"]);
  assert.equal(ran.stdout, "out\nno newline");
  assert.equal(ran.stderr, "err\n");
});

test("pipes are not terminals, and stdin ends when it ends", async () => {
  const ran = await place.run([
    "run",
    "--quiet",
    "--",
    "sh",
    "-c",
    "test -t 0 || echo in; test -t 1 || echo out; test -t 2 || echo err; cat; echo ended",
  ]);
  assert.equal(ran.stdout, "in\nout\nerr\nended\n");
});

test("output arrives while the agent still runs", async () => {
  const child = place.start(["run", "--quiet", "--", "sh", "-c", "echo first; read line; echo $line"]);
  assert.ok(child.stdout && child.stdin);
  const [first] = (await once(child.stdout, "data")) as [Buffer];
  assert.equal(first.toString(), "first\n");
  child.stdin.write("second\n");
  const [second] = (await once(child.stdout, "data")) as [Buffer];
  assert.equal(second.toString(), "second\n");
  child.stdin.end();
  await once(child, "close");
});

test("a reader that goes away ends the run instead of hanging it", async () => {
  const child = place.start(["run", "--quiet", "--", "sh", "-c", "yes"]);
  assert.ok(child.stdout);
  await once(child.stdout, "data");
  child.stdout.destroy();
  await once(child, "exit");
});

/** A run on a terminal of 80 × 24; `until` resolves with all that was shown once it matches. */
function onTerminal(
  t: TestContext,
  ...command: readonly string[]
): {
  pty: IPty;
  until(pattern: RegExp): Promise<string>;
  ended: Promise<number>;
} {
  const env = Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined)) as {
    [name: string]: string;
  };
  const pty = spawn(program, ["run", "--quiet", "--", ...command], {
    cols: 80,
    rows: 24,
    cwd: place.workspace,
    env: { ...env, SALLYPORT_HOME: place.home, TERM: "xterm" },
  });
  t.after(() => pty.kill("SIGKILL"));
  let shown = "";
  const waiting = new Set<() => void>();
  pty.onData((data) => {
    shown += data;
    for (const look of waiting) look();
  });
  return {
    pty,
    until: (pattern) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!pattern.test(shown)) return;
          waiting.delete(look);
          resolve(shown);
        };
        waiting.add(look);
        look();
      }),
    ended: new Promise((resolve) => pty.onExit(({ exitCode }) => resolve(exitCode))),
  };
}

test("on a terminal the agent has a terminal of the same size, and follows a resize", {
  timeout: 60_000,
}, async (t) => {
  const { pty, until, ended } = onTerminal(
    t,
    "bash",
    "-c",
    "tty; stty size; trap 'stty size; exit 0' WINCH; echo ready; while :; do read -t 1; done",
  );
  const shown = await until(/ready/);
  // bubblewrap shows the agent its private terminal under this name
  assert.match(shown, /^\/dev\/(console|pts\/\d+)\r\n/);
  assert.match(shown, /24 80/);
  pty.resize(100, 30);
  await until(/30 100/);
  assert.equal(await ended, 0);
});

test("Ctrl-C reaches the agent and not the boundary", { timeout: 60_000 }, async (t) => {
  const { pty, until, ended } = onTerminal(
    t,
    "bash",
    "-c",
    "trap 'echo caught; exit 9' INT; echo ready; while :; do read -t 1; done",
  );
  await until(/ready/);
  pty.write("\u0003");
  await until(/caught/);
  assert.equal(await ended, 9);
});

test("a shell in the cell has job control: Ctrl-Z stops its job, fg takes it back", { timeout: 60_000 }, async (t) => {
  const { pty, until, ended } = onTerminal(t, "bash", "--norc", "--noprofile", "-i");
  await until(/\$ $/);
  // the job says when it has the terminal
  pty.write("(echo g''o; exec sleep 300)\r");
  await until(/[\r\n]go\r\n/);
  pty.write("\u001a");
  await until(/Stopped/);
  pty.write("jobs -l; fg\r");
  await until(/Stopped[\s\S]*jobs -l[\s\S]*Stopped[\s\S]*\n\( ?echo/);
  pty.write("\u0003");
  pty.write("exit 4\r");
  assert.equal(await ended, 4);
});
