// Real clients, unmodified, each in a cell of its own: no proxy variable, no base URL, no certificate option. The names are
// placed on local servers by the policy's `[upstream]`; the servers' own records and the session's log are the witnesses.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { decisionsOn, openPlace, type Place, type Ran } from "../scenario/program.ts";
import { createTestAuthority } from "../servers/certificate-authority.ts";
import { type GitServer, startGitServer } from "../servers/git-server.ts";
import { startServer, type TestServer } from "../servers/https-server.ts";
import { installed, root } from "../servers/installed.ts";
import { type NpmRegistry, startNpmRegistry } from "../servers/npm-registry.ts";
import { placedPolicy } from "../servers/placed.ts";

const api = "api.example.com";
const denied = "denied.example.org";

let place: Place;
let policy: string;
let server: TestServer;
let git: GitServer;
let registry: NpmRegistry;
const rows: string[][] = [["client", "allowed", "denied", "events"]];

before(async () => {
  const modules = installed(join(root, "test", "clients", "installed"), "clients");
  place = openPlace("clients");
  const authority = createTestAuthority(place.root);
  server = await startServer({
    leaf: authority.issue([api]),
    answer: (request, response) => {
      // an RPC's empty message is an empty body
      if (request.method === "POST") response.writeHead(200, { "content-type": request.headers["content-type"] }).end();
      else
        response
          .writeHead(200, { "content-type": "application/json" })
          .end(JSON.stringify({ host: request.host, url: request.url }));
    },
  });
  git = await startGitServer({
    leaf: authority.issue(["git.example.com"]),
    root: join(place.root, "git"),
    repositories: ["demo"],
  });
  registry = await startNpmRegistry({
    modules,
    leaf: authority.issue(["registry.npmjs.org", "127.0.0.1"]),
    caFile: authority.caFile,
    folder: join(place.root, "registry"),
    packages: [
      { name: "left-of-center", version: "1.0.0", files: { "index.js": "module.exports = 41;" } },
      {
        name: "uses-it",
        version: "2.0.0",
        files: { "index.js": "module.exports = require('left-of-center') + 1;" },
        dependencies: { "left-of-center": "^1.0.0" },
      },
    ],
  });
  policy = place.policy(
    placedPolicy({
      caFile: authority.caFile,
      hosts: { [api]: server.port, "git.example.com": git.port, "registry.npmjs.org": registry.port },
    }),
  );
  copyFileSync(
    join(modules, "@bufbuild", process.arch === "arm64" ? "buf-linux-aarch64" : "buf-linux-x64", "bin", "buf"),
    join(place.workspace, "static-go-program"),
  );
  writeFileSync(
    join(place.workspace, "echo.proto"),
    'syntax = "proto3";\npackage test.v1;\nmessage Empty {}\nservice Echo { rpc Say(Empty) returns (Empty); }\n',
  );
});

after(async () => {
  await registry?.close();
  await git?.close();
  await server?.close();
  place?.close();
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of rows)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    );
});

/** Runs a shell script in a cell under the policy; the client's words in it are what a user would type. */
function inCell(script: string): Promise<Ran> {
  return place.run(["run", "--policy", policy, "--", "/bin/sh", "-ec", script]);
}

const refusal = {
  decision: "deny",
  agent_id: "local",
  owner: String,
  policy_id: String,
  policy_version: Number,
  deny_reason: "domain_not_allowed",
};

/** The body of a denial as the agent saw it: exactly these fields with these values (or types), whatever else there is. */
function assertRefusal(text: string): void {
  const body = JSON.parse(text) as { [name: string]: unknown };
  for (const [name, want] of Object.entries(refusal)) {
    if (typeof want === "string") assert.equal(body[name], want, name);
    else assert.equal(typeof body[name], want.name.toLowerCase(), name);
  }
}

/** What the log must say of the newest run: an allowed request for each path, a refused one for the denied host. */
function assertLogged(host: string, paths: readonly RegExp[]): string {
  const events = place.events();
  const allowed = decisionsOn(events, host).filter(
    (e) => e.action?.kind === "http" && e.decision?.decision === "allow",
  );
  for (const path of paths) {
    assert.ok(
      allowed.some((event) => path.test(event.action?.path ?? "")),
      `no allowed ${host}${path} in ${JSON.stringify(decisionsOn(events, host))}`,
    );
  }
  const refused = decisionsOn(events, denied).filter((e) => e.action?.kind === "http");
  assert.ok(refused.length > 0, "the denied request is in the log");
  for (const event of refused) {
    assert.equal(event.decision?.decision, "deny");
    assert.equal(event.decision?.deny_reason, "domain_not_allowed");
  }
  assert.equal(events[0]?.type, "spawn.requested");
  assert.equal(events.at(-1)?.type, "session.ended");
  return `${events.length}, ${allowed.length} allowed, ${refused.length} denied`;
}

/** A client that fetches one URL and prints `status`, `content type` and body of another, on three lines. */
interface Fetcher {
  readonly client: string;
  readonly path: string;
  readonly script: string;
}

const python = (fetch: string): string => `/usr/bin/python3 - <<'PYTHON'\n${fetch}\nPYTHON\n`;

const fetchers: readonly Fetcher[] = [
  {
    client: "curl",
    path: "/from-curl",
    script:
      `curl -sS https://${api}/from-curl; echo\n` +
      `curl -sS -w '%{stderr}%{http_code}\\n%{content_type}\\n' https://${denied}/x 2>meta >body; cat meta body\n`,
  },
  {
    client: "Python urllib",
    path: "/from-urllib",
    script: python(
      `import urllib.request, urllib.error
print(urllib.request.urlopen("https://${api}/from-urllib").read().decode())
try:
    urllib.request.urlopen("https://${denied}/x")
except urllib.error.HTTPError as e:
    print(e.code, e.headers["content-type"], e.read().decode(), sep="\\n")`,
    ),
  },
  {
    client: "Python requests",
    path: "/from-requests",
    script: python(
      `import requests
with requests.Session() as s:
    print(s.get("https://${api}/from-requests").text)
    r = s.get("https://${denied}/x")
    print(r.status_code, r.headers["content-type"], r.text, sep="\\n")`,
    ),
  },
  {
    client: "Node fetch",
    path: "/from-fetch",
    script: `cat > fetch.mjs <<'JS'
console.log(await (await fetch("https://${api}/from-fetch")).text());
const r = await fetch("https://${denied}/x");
console.log(r.status + "\\n" + r.headers.get("content-type") + "\\n" + await r.text());
JS
node fetch.mjs\n`,
  },
];

for (const { client, path, script } of fetchers) {
  test(`${client} reaches what is allowed and reads why the rest was not`, async () => {
    const ran = await inCell(script);
    assert.equal(ran.code, 0, ran.stderr);
    const [first = "", status, type, ...body] = ran.stdout.split("\n");
    assert.deepEqual(JSON.parse(first), { host: api, url: path });
    assert.equal(status, "403");
    assert.equal(type, "application/problem+json");
    assertRefusal(body.join("\n"));
    assert.equal(server.requests.filter((request) => request.url === path).length, 1);
    rows.push([client, "200", "403 domain_not_allowed", assertLogged(api, [new RegExp(`^${path}$`)])]);
  });
}

test("git clones and pushes over https, and is refused elsewhere", async () => {
  const ran = await inCell(`
git clone -q https://git.example.com/demo.git
cd demo
git -c user.name=Agent -c user.email=agent@example.com commit -q --allow-empty -m "made in a cell"
git push -q
git log --format=%s -1
git ls-remote https://${denied}/demo.git 2>&1 && exit 1 || true
`);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^made in a cell$/m);
  assert.match(ran.stdout, /\b403\b/);
  assert.equal(git.git("demo", "log", "--format=%s", "-1", "main"), "made in a cell");
  const logged = assertLogged("git.example.com", [
    /info\/refs\?service=git-upload-pack/,
    /git-upload-pack$/,
    /git-receive-pack$/,
  ]);
  rows.push(["git clone, push", "200", "403 domain_not_allowed", logged]);
});

test("npm installs from a registry under its real name, and is refused elsewhere", async () => {
  mkdirSync(join(place.workspace, "npm"));
  const ran = await inCell(`
cd npm
echo '{"name":"made-in-a-cell","version":"1.0.0"}' > package.json
npm install --no-audit --no-fund uses-it
node -p 'require("uses-it")'
npm view anything --registry https://${denied}/ 2>&1 && exit 1 || true
`);
  assert.equal(ran.code, 0, ran.stderr + ran.stdout);
  assert.match(ran.stdout, /^42$/m);
  assert.match(ran.stdout, /E403/);
  const logged = assertLogged("registry.npmjs.org", [
    /^\/uses-it$/,
    /^\/left-of-center\/-\/left-of-center-1\.0\.0\.tgz$/,
  ]);
  rows.push(["npm install", "200", "403 domain_not_allowed", logged]);
});

test("a static Go program with an empty environment trusts the boundary and is judged by it", async () => {
  const call = (host: string): string =>
    `env -i "$PWD/static-go-program" curl --schema echo.proto -d '{}' https://${host}/test.v1.Echo/Say`;
  const ran = await inCell(`${call(api)}\n${call(denied)} 2>&1 && exit 1 || true\n`);
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(ran.stdout, /^\{\}$/m);
  assert.match(ran.stdout, /403|permission_denied/);
  assert.equal(server.requests.filter((request) => request.url === "/test.v1.Echo/Say").length, 1);
  rows.push(["static Go, env -i", "200", "403 domain_not_allowed", assertLogged(api, [/^\/test\.v1\.Echo\/Say$/])]);
});

test("no client needed a proxy variable, and the logs of all these runs verify", async () => {
  const ran = await inCell("env");
  assert.equal(ran.code, 0, ran.stderr);
  assert.doesNotMatch(ran.stdout, /_proxy=/i);
  for (const id of place.sessions()) {
    const verified = await place.run(["audit", "verify", id]);
    assert.equal(verified.code, 0, verified.stderr);
  }
});
