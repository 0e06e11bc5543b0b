// examples/incident-resolver as it is shipped: against a real mail server and a chat's webhook server under their own names. Only
// where the names are is added to its policy.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { SMTPServer } from "smtp-server";
import { createTestAuthority } from "../servers/certificate-authority.ts";
import { startServer, type TestServer } from "../servers/https-server.ts";
import { root } from "../servers/installed.ts";
import { openPlace, type Place, program } from "./program.ts";

interface Mail {
  readonly to: readonly string[];
  readonly text: string;
}

let place: Place;
let chat: TestServer;
let mail: SMTPServer;
const mails: Mail[] = [];

before(async () => {
  place = openPlace("incident");
  const authority = createTestAuthority(place.root, "Incident tests");
  chat = await startServer({ leaf: authority.issue(["hooks.slack.com"]) });
  mail = new SMTPServer({
    disabledCommands: ["AUTH", "STARTTLS"],
    onData(stream, session, done) {
      let text = "";
      stream.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      stream.on("end", () => {
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text });
        done();
      });
    },
  });
  await new Promise<void>((resolve) => mail.listen(0, "127.0.0.1", resolve));
  const { port } = mail.server.address() as AddressInfo;
  cpSync(join(root, "examples", "incident-resolver"), place.workspace, { recursive: true });
  const policy = join(place.workspace, "policy.toml");
  const placed = readFileSync(policy, "utf8").replaceAll(/^host = .*$/gm, '$&\nprivate = ["127.0.0.1"]');
  const where = `"hooks.slack.com" = "127.0.0.1:${chat.port}", "smtp.example.com" = "127.0.0.1:${port}"`;
  writeFileSync(policy, `${placed}\n[upstream]\nca = ${JSON.stringify(authority.caFile)}\nresolve = { ${where} }\n`);
});
after(async () => {
  await chat.close();
  await new Promise<void>((resolve) => mail.close(() => resolve()));
  place.close();
});

test("the six steps are taken, each by the agent that may, and are seen in the tree", async () => {
  const ran = await shell("./run.sh");
  assert.equal(ran.code, 0, ran.stdout + ran.stderr);
  const steps = [
    "1 runs the service",
    "2 the service crashed with 70; its log says: KeyError: 'database' in config.json",
    "3 restarts it, attempt 1 of 3",
    "3 restarts it, attempt 3 of 3",
    "4 wrote post-mortem.md",
    "5 sent an alert to Slack",
    "6 notified the on-call engineer by e-mail",
  ];
  const tree = ran.stdout.slice(ran.stdout.indexOf("(exit 0"));
  let at = 0;
  for (const step of steps) {
    const found = tree.indexOf(`it says: ${step}`, at);
    assert.ok(found >= at, `${step} in its place:\n${ran.stdout}`);
    at = found;
  }
  assert.match(tree, /allowed POST hooks\.slack\.com\/services\/T000\/B000\/example/);
  assert.match(tree, /allowed CONNECT smtp\.example\.com:25/);
  // The newest session is the notifier's: the tree is shown from the run that was started.
  const last = await place.run(["sessions", "show", "--tree", "last"]);
  assert.ok(ran.stdout.endsWith(last.stdout), last.stdout);
  assert.deepEqual(
    chat.requests.map(({ method, url }) => `${method} ${url}`),
    ["POST /services/T000/B000/example"],
  );
  assert.match(chat.requests[0]?.body ?? "", /The service is down: KeyError: 'database'/);
  assert.equal(mails.length, 1);
  assert.deepEqual(mails[0]?.to, ["on-call@example.com"]);
  assert.match(mails[0]?.text ?? "", /# Post-mortem/);
});

test("`audit who` shows what the task and its descendants did, and by which hands", async () => {
  const ran = await place.run(["audit", "who", "incident"]);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /service-runner {2}incident v1/);
  assert.match(ran.stdout, /service-runner → notifier {2}incident v1/);
  assert.match(ran.stdout, /allowed {2}POST hooks\.slack\.com/);
});

test("the runner itself reaches neither, and can hand them to nobody but the notifier", async () => {
  const issued = await place.run(["auth", "issue-token", "--agent-id", "service-runner", "--policy-id", "incident"]);
  const script = [
    "curl -sS -o /dev/null -w '%{http_code}\\n' -X POST https://hooks.slack.com/services/x",
    "sallyport spawn --agent-id service-runner --allow hooks.slack.com:443 -- true || echo refused",
    "sallyport spawn --agent-id notifier --allow example.com -- curl -s https://example.com/",
  ];
  const ran = await place.run(["run", "--", "sh", "-c", script.join("; ")], {
    env: { SALLYPORT_TOKEN: issued.stdout.trim() },
  });
  assert.match(ran.stdout, /^403\nrefused\n.*domain_not_allowed/);
  assert.equal(chat.requests.length, 1);
});

function shell(command: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn("sh", ["-c", command], {
    cwd: place.workspace,
    env: {
      ...process.env,
      SALLYPORT_HOME: place.home,
      NO_COLOR: "1",
      PATH: `${join(program, "..")}:${process.env.PATH}`,
    },
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })));
}
