// Alerts: a denial's event reaches the policy's webhook, signed, whatever happens to the webhook or to the run meanwhile.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { copyFileSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createTestAuthority } from "../servers/certificate-authority.ts";
import { type ReceivedRequest, startServer, type TestServer } from "../servers/https-server.ts";
import { root } from "../servers/installed.ts";
import { openPlace, type Place } from "./program.ts";

let place: Place;
let receiver: TestServer;
let policy = "";
let answer = 204;
const got: ReceivedRequest[] = [];
let heard = () => {};

before(async () => {
  place = openPlace("alert");
  const authority = createTestAuthority(place.root, "Alert tests");
  receiver = await startServer({
    leaf: authority.issue(["security-ops.example.com"]),
    answer(request, response) {
      if (answer === 204) got.push(request);
      response.writeHead(answer).end();
      heard();
    },
  });
  policy = place.policy(`# zero_trust.runtime.v1
[upstream]
ca = ${JSON.stringify(authority.caFile)}
resolve = { "security-ops.example.com" = "127.0.0.1:${receiver.port}" }
[violation]
alert_webhook = "https://security-ops.example.com/alerts?team=a"
`);
});
after(async () => {
  await receiver.close();
  place.close();
});

const run = (...command: string[]) => place.run(["run", "--policy", policy, "--", ...command]);
const ask = (host: string) => ["curl", "-s", "-o", "/dev/null", `http://${host}/x`];
const owed = async () => JSON.parse((await place.run(["alerts", "list", "--json"])).stdout);

test("each denial's event is posted as it stands in the log, with a signature that holds", async () => {
  got.length = 0;
  await run("sh", "-c", `${ask("one.example").join(" ")}; ${ask("two.example").join(" ")}`);
  assert.deepEqual(
    got.map(({ body }) => JSON.parse(body).action.host),
    ["one.example", "two.example"],
  );
  const secret = (await place.run(["alerts", "secret"])).stdout.trim();
  const lines = place
    .file(place.sessions().at(-1) ?? "", "events.jsonl")
    .toString()
    .split("\n");
  for (const { body, headers, method, url } of got) {
    assert.equal(`${method} ${url}`, "POST /alerts?team=a");
    assert.ok(lines.includes(body), "the event's own line");
    const [, t = "", v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers["sallyport-signature"])) ?? [];
    assert.equal(v1, createHmac("sha256", Buffer.from(secret, "hex")).update(`${t}.${body}`).digest("hex"));
    assert.ok(Math.abs(Date.now() / 1000 - Number(t)) < 60);
  }
  assert.deepEqual(await owed(), []);
});

test("a webhook that fails is tried again while the run lives", async () => {
  got.length = 0;
  answer = 500;
  let tries = 0;
  heard = () => {
    tries += 1;
    if (tries === 2) answer = 204;
  };
  const script = `${ask("again.example").join(" ")}; sleep 4`;
  await run("sh", "-c", script);
  heard = () => {};
  assert.equal(got.length, 1);
  assert.ok(tries >= 3);
  assert.deepEqual(await owed(), []);
});

test("what could not be delivered is owed, through a restart, and the next run delivers it", async () => {
  got.length = 0;
  answer = 503;
  await run(...ask("later.example"));
  const [one] = await owed();
  assert.deepEqual([one.session, one.alerts], [place.sessions().at(-1), 1]);
  answer = 204;
  await run("sleep", "1");
  assert.deepEqual(
    got.map(({ body }) => JSON.parse(body).action.host),
    ["later.example"],
  );
  assert.deepEqual(await owed(), []);
});

test("no decision waits for the webhook", async () => {
  const apart = openPlace("alert-silent"); // what it goes on owing is nobody else's
  const silent = await startServer({ leaf: null, answer: () => undefined });
  const text = `# zero_trust.runtime.v1
[upstream]
resolve = { "silent.example.com" = "127.0.0.1:${silent.port}" }
[violation]
alert_webhook = "https://silent.example.com/"
`;
  const times = ["-s", "-o", "/dev/null", "-w", "%{time_total}\\n", "http://x.example/"];
  const ran = await apart.run(["run", "--policy", apart.policy(text), "--", "curl", ...times]);
  assert.ok(Number(ran.stdout) < 1, ran.stdout);
  await silent.close();
  const denied = await apart.run(["alerts", "deliver"]);
  assert.equal(denied.code, 1);
  apart.close();
});

test("what is owed is delivered by hand as the run itself would have: to the same place, under the same authority", async () => {
  got.length = 0;
  answer = 503;
  await run(...ask("byhand.example"));
  answer = 204;
  const ran = await place.run(["alerts", "deliver", "--json"]);
  assert.deepEqual(JSON.parse(ran.stdout).left, 0, ran.stderr);
  assert.deepEqual(
    got.map(({ body }) => JSON.parse(body).action.host),
    ["byhand.example"],
  );
});

test("a run that lives delivers its own alerts, and nobody else does", async () => {
  got.length = 0;
  answer = 503;
  const tried = Promise.withResolvers<void>();
  heard = tried.resolve;
  const living = run("sh", "-c", `${ask("living.example").join(" ")}; sleep 4`);
  await tried.promise;
  heard = () => {};
  answer = 204;
  await run("true");
  assert.equal((await place.run(["alerts", "deliver"])).code, 0);
  await living;
  assert.deepEqual(
    got.map(({ body }) => JSON.parse(body).action.host),
    ["living.example"],
  );
});

test("a run that is kept as no session sends its alerts all the same", async () => {
  got.length = 0;
  answer = 204;
  await place.run(["run", "--no-session", "--policy", policy, "--", ...ask("unkept.example")]);
  assert.deepEqual(
    got.map(({ body }) => JSON.parse(body).action.host),
    ["unkept.example"],
  );
  assert.deepEqual(await owed(), []);
});

test("a project's own policy sends alerts nowhere before it is trusted", async () => {
  got.length = 0;
  answer = 204;
  const project = join(place.workspace, "sallyport.policy.toml");
  copyFileSync(policy, project);
  const untrusted = await place.run(["run", "--", ...ask("project.example")]);
  assert.match(untrusted.stderr, /is not trusted/);
  assert.equal(got.length, 0);
  assert.equal((await place.run(["trust", "--yes"])).code, 0);
  await place.run(["run", "--", ...ask("project.example")]);
  assert.equal(got.length, 1);
  rmSync(project);
});

test("a webhook that is no https URL is refused, with its place", async () => {
  for (const url of ["ftp://x/", "http://x.example/", "x"]) {
    const file = place.policy(`# zero_trust.runtime.v1\n[violation]\nalert_webhook = "${url}"\n`);
    const ran = await place.run(["policy", "check", file]);
    assert.equal(ran.code, 1, url);
    assert.match(ran.stderr, /:3:\d+: .*alert_webhook/);
  }
});

// What the page shows is cut before it serves, and asked instead.
const receivers = [
  {
    language: "python",
    before: "class Receiver",
    ask: "import sys; print(str(is_genuine(sys.argv[1], sys.argv[2].encode())).lower())",
    run: (text: string, words: readonly string[]) => spawnSync("python3", ["-c", text, ...words], withKey),
  },
  {
    language: "js",
    before: "createServer(async",
    ask: "console.log(isGenuine(process.argv[1], process.argv[2]));",
    run: (text: string, words: readonly string[]) =>
      spawnSync(process.execPath, ["--input-type=module", "-e", text, "--", ...words], withKey),
  },
] as const;
const exampleKey = "0f".repeat(32);
const withKey = { encoding: "utf8" as const, env: { PATH: process.env.PATH, ALERT_SECRET: exampleKey } };

for (const { language, before: end, ask: question, run: runReceiver } of receivers) {
  test(`the receiver in ${language} that docs/how-to/alerts.md shows believes what is signed and new, and nothing else`, () => {
    const page = readFileSync(join(root, "docs", "how-to", "alerts.md"), "utf8");
    const shown = new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\``, "m").exec(page)?.[1] ?? "";
    assert.ok(shown.includes(end), shown);
    const text = `${shown.slice(0, shown.indexOf(end))}\n${question}\n`;
    const body = '{"seq":7}';
    const sign = (seconds: number, key = exampleKey) =>
      `t=${seconds},v1=${createHmac("sha256", Buffer.from(key, "hex")).update(`${seconds}.${body}`).digest("hex")}`;
    const now = Math.floor(Date.now() / 1000);
    for (const [signature, said, genuine] of [
      [sign(now), body, "true"],
      [sign(now), '{"seq":8}', "false"],
      [sign(now, "0e".repeat(32)), body, "false"],
      [sign(now - 3600), body, "false"],
      ["", body, "false"],
      ["t=,v1=", body, "false"],
      [`t=${now},v1=ä`, body, "false"],
    ] as const) {
      const ran = runReceiver(text, [signature, said]);
      assert.equal(ran.stdout.trim(), genuine, `${signature} ${ran.stderr}`);
    }
  });
}
