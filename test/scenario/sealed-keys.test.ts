// Keys under a passphrase, as a person meets them: by a file, at a terminal, and with the `age` tool.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { spawn } from "@lydell/node-pty";
import { openPlace, program, type Ran } from "./program.ts";

const place = openPlace("sealed-keys");
after(() => place.close());

const passphrase = "correct horse battery staple";
const file = join(place.root, "passphrase");
const wrongFile = join(place.root, "wrong");
writeFileSync(file, `${passphrase}\n`);
writeFileSync(wrongFile, "something else\n");
const secretFile = (id: number) => join(place.home, "keys", `authority-${id}.key`);

/** Without a terminal, also where these tests have one. */
const auth = (args: readonly string[], env: { readonly [name: string]: string } = {}): Ran => {
  const ran = spawnSync("setsid", ["--wait", program, "auth", ...args], {
    encoding: "utf8",
    env: { ...process.env, SALLYPORT_HOME: place.home, NO_COLOR: "1", FORCE_COLOR: undefined, ...env },
  });
  const { stdout, stderr } = ran;
  const bytes = { stdout: Buffer.from(stdout), stderr: Buffer.from(stderr) };
  return { code: ran.status ?? -1, stdout, stderr, bytes };
};
const issue = ["issue-token", "--agent-id", "bot", "--policy-id", "p"];

function ok(ran: Ran): string {
  assert.equal(ran.code, 0, ran.stderr);
  return ran.stdout;
}

function refused(ran: Ran, said: RegExp): void {
  assert.equal(ran.code, 125, ran.stdout);
  assert.equal(ran.stdout, "");
  assert.match(ran.stderr, said);
}

/** At a terminal: `answers` are typed one after the other, each after a prompt. */
function atTerminal(args: readonly string[], answers: readonly string[]): Promise<{ code: number; screen: string }> {
  const env = { ...process.env, SALLYPORT_HOME: place.home, TERM: "xterm" } as { [name: string]: string };
  const pty = spawn(program, ["auth", ...args], { cols: 200, env });
  let screen = "";
  let asked = 0;
  pty.onData((data) => {
    screen += data;
    const prompts = screen.match(/(passphrase|keys|again): /gi)?.length ?? 0;
    for (; asked < Math.min(prompts, answers.length); asked += 1) pty.write(answers[asked] ?? "");
  });
  return new Promise((resolve) => pty.onExit(({ exitCode }) => resolve({ code: exitCode, screen })));
}

test("`init --passphrase-file` seals the key before it is written, and list-keys says so", () => {
  assert.match(ok(auth(["init", "--passphrase-file", file])), /its secret is sealed/);
  assert.match(readFileSync(secretFile(1), "utf8"), /^-----BEGIN AGE ENCRYPTED FILE-----/);
  assert.match(ok(auth(["list-keys"])), /^1 +signs +sealed/m);
  ok(auth(["create-agent", "--agent-id", "bot", "--owner", "you@example.com"]));
  ok(auth(["create-policy", "--policy-id", "p", "--allowed-domains", "example.com"]));
  refused(auth(["init", "--passphrase-file", file]), /there is an authority already[\s\S]*seal-keys/);
});

test("what signs takes the passphrase from a file, and prints only the token", () => {
  assert.match(ok(auth([...issue, "--passphrase-file", file])), /^sallyport_[\w-]+=*\n$/);
  assert.match(ok(auth(issue, { SALLYPORT_PASSPHRASE_FILE: file })), /^sallyport_[\w-]+=*\n$/);
});

for (const [what, args, env, said] of [
  ["no terminal and no file", issue, {}, /passphrase_needed\)\n {2}.*--passphrase-file FILE/],
  ["the wrong passphrase", [...issue, "--passphrase-file", wrongFile], {}, /passphrase_wrong\)\n {2}\S/],
  ["a file that is not there", [...issue, "--passphrase-file", "/nowhere"], {}, /ENOENT.*\n.*one line/],
  ["a file of the environment that is empty", issue, { SALLYPORT_PASSPHRASE_FILE: "/dev/null" }, /is empty/],
  ["a file without end", [...issue, "--passphrase-file", "/dev/zero"], {}, /more than 1024 bytes/],
  ["a file with several lines", [...issue, "--passphrase-file", "/etc/passwd"], {}, /more than/],
  ["sealing what is sealed", ["seal-keys", "--passphrase-file", file], {}, /sealed already[\s\S]*unseal-keys/],
] as const) {
  test(`it is refused with a remedy: ${what}`, () => refused(auth(args, env), said));
}

test("what only verifies never asks: inspect-token, attenuate, run, list-tokens", async () => {
  const token = ok(auth([...issue, "--passphrase-file", file])).trim();
  assert.match(ok(auth(["inspect-token", token])), /^valid/);
  assert.match(ok(auth(["attenuate", token, "--ttl", "1m"])), /^sallyport_/);
  assert.match(ok(auth(["list-tokens"])), /bot/);
  const ran = await place.run(["run", "--", "sh", "-c", "env; true"], {
    env: { SALLYPORT_TOKEN: token, SALLYPORT_PASSPHRASE_FILE: file },
  });
  assert.equal(ran.code, 0, ran.stderr);
  assert.doesNotMatch(ran.stdout, /PASSPHRASE/, "where the passphrase is, is not the agent's to know");
});

test("a bundle is signed with the sealed key", async () => {
  const bundle = join(place.root, "bundle.json");
  ok(await place.run(["bundle", "build", "--out", bundle]));
  const signed = join(place.root, "bundle.dsse.json");
  ok(await place.run(["bundle", "sign", bundle, "--out", signed, "--passphrase-file", file]));
  const [key] = JSON.parse(ok(auth(["list-keys", "--json"])));
  ok(await place.run(["bundle", "verify", signed, "--key", key.public]));
});

test("rotate-key makes a sealed key, and asks for the passphrase that holds", () => {
  refused(auth(["rotate-key"]), /passphrase_needed/);
  refused(auth(["rotate-key", "--passphrase-file", wrongFile]), /passphrase_wrong/);
  const { key } = JSON.parse(ok(auth(["rotate-key", "--json", "--passphrase-file", file])));
  assert.deepEqual([key.id, key.secret], [2, "sealed"]);
  ok(auth([...issue, "--passphrase-file", file]));
});

test("at a terminal the passphrase is asked for and not shown; ^C gives up, backspace and ^U correct", async () => {
  const { code, screen } = await atTerminal(issue, [`nonsense\u0015${passphrase}xy\u007f\u007f\r`]);
  assert.equal(code, 0, screen);
  assert.match(screen, /Passphrase of the authority's keys: \r?\n[\s\S]*sallyport_/);
  assert.doesNotMatch(screen, /horse|nonsense/);
  const wrong = await atTerminal(issue, ["horse feathers\r"]);
  assert.equal(wrong.code, 125);
  assert.match(wrong.screen, /passphrase_wrong/);
  const given = await atTerminal(issue, ["horse\u0003"]);
  assert.equal(given.code, 125);
  assert.match(given.screen, /no passphrase was typed/);
});

test("unseal-keys, then seal-keys at a terminal: the new one is typed twice, and long enough", async () => {
  const { unsealed } = JSON.parse(ok(auth(["unseal-keys", "--json", "--passphrase-file", file])));
  assert.deepEqual(unsealed, [1, 2]);
  assert.match(readFileSync(secretFile(2), "utf8"), /^[0-9a-f]{64}\n$/);
  refused(auth(["unseal-keys", "--passphrase-file", file]), /not sealed/);
  ok(auth(issue));

  const unlike = await atTerminal(["seal-keys"], ["long enough 1\r", "long enough 2\r"]);
  assert.equal(unlike.code, 125);
  assert.match(unlike.screen, /were not the same[\s\S]*nothing has changed/);
  const short = await atTerminal(["seal-keys"], ["seven77\r", "seven77\r"]);
  assert.match(short.screen, /fewer than 8 characters/);
  const sealed = await atTerminal(["seal-keys"], [`${passphrase}\r`, `${passphrase}\r`]);
  assert.equal(sealed.code, 0, sealed.screen);
  assert.match(sealed.screen, /sealed keys 1, 2/);
});

test("age opens what sallyport has sealed, and sallyport what age has", async () => {
  const opened = await typedToAge(["-d", "-o", join(place.root, "opened"), secretFile(2)], [`${passphrase}\r`]);
  assert.equal(opened.code, 0, opened.screen);
  const secret = readFileSync(join(place.root, "opened"), "utf8");
  assert.match(secret, /^[0-9a-f]{64}$/);

  writeFileSync(join(place.root, "secret"), `${secret}\n`);
  const other = "made by age itself";
  const sealed = await typedToAge(
    ["-p", "-a", "-o", join(place.root, "sealed"), join(place.root, "secret")],
    [`${other}\r`, `${other}\r`],
  );
  assert.equal(sealed.code, 0, sealed.screen);
  writeFileSync(secretFile(2), readFileSync(join(place.root, "sealed")));
  writeFileSync(file, other);
  assert.match(ok(auth([...issue, "--passphrase-file", file])), /^sallyport_/);
});

/** The tool asks at the terminal only. */
function typedToAge(args: readonly string[], answers: readonly string[]): Promise<{ code: number; screen: string }> {
  const pty = spawn("age", [...args], { cols: 200 });
  let screen = "";
  let asked = 0;
  pty.onData((data) => {
    screen += data;
    const prompts = screen.match(/passphrase[^:]*: /gi)?.length ?? 0;
    for (; asked < Math.min(prompts, answers.length); asked += 1) pty.write(answers[asked] ?? "");
  });
  return new Promise((resolve) => pty.onExit(({ exitCode }) => resolve({ code: exitCode, screen })));
}
