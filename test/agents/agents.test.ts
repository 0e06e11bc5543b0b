// Each agent that has a profile, as published, in a cell of its own, started as a user types it. The policy only says where its
// provider's real name is: a local server that speaks the provider's API. The server's record, the session's log, the user's home
// and the workspace are the witnesses.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { type LoggedEvent, openPlace, type Place, type Ran } from "../scenario/program.ts";
import { createTestAuthority, type TestAuthority } from "../servers/certificate-authority.ts";
import { startServer, type TestServer } from "../servers/https-server.ts";
import { placedPolicy } from "../servers/placed.ts";
import { createProvider, createProviderSocket } from "../servers/provider.ts";
import { type AgentCase, cases, written } from "./cases.ts";
import { installAgents } from "./install.ts";

const key = "sk-worth-nothing";
const rows: string[] = [];
let bin: string;

before(() => {
  bin = installAgents();
});

after(() => console.log(rows.join("\n")));

interface Scene {
  readonly place: Place;
  readonly home: string;
  readonly server: TestServer;
  readonly policy: string;
}

async function stage(one: AgentCase): Promise<Scene> {
  const place = openPlace(one.agent);
  const home = join(place.root, "user");
  for (const [path, text] of Object.entries(one.home)) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text);
  }
  const authority: TestAuthority = createTestAuthority(place.root);
  const script = one.script(place.workspace, home);
  const server = await startServer({
    leaf: authority.issue([...one.hosts]),
    answer: createProvider(script),
    upgrade: createProviderSocket(script, (message) => server.requests.push(message)),
  });
  const hosts = Object.fromEntries(one.hosts.map((host) => [host, server.port]));
  const policy = place.policy(placedPolicy({ caFile: authority.caFile, hosts }).replace("\n", "\nextendable = true\n"));
  return { place, home, server, policy };
}

function run({ place, home, policy }: Scene, one: AgentCase, ...flags: readonly string[]): Promise<Ran> {
  const { PATH } = process.env;
  return place.run(["run", "--policy", policy, ...flags, one.agent, ...one.args], {
    env: {
      HOME: home,
      XDG_CACHE_HOME: join(place.root, "cache"),
      PATH: [bin, dirname(process.execPath), PATH].join(":"),
      [one.key]: key,
    },
  });
}

/** Every file below a folder with its text. */
function snapshot(folder: string): { readonly [path: string]: string } {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, "utf8")];
    }),
  );
}

interface Network {
  readonly rule: readonly { readonly id?: string }[];
}

interface Shown {
  readonly digest: string;
  readonly network: Network;
  readonly provider: readonly { readonly env: readonly string[]; readonly network: Network }[];
  readonly off: readonly { readonly host: readonly string[] }[];
}

async function shown({ place }: Scene, one: AgentCase): Promise<Shown> {
  const { stdout } = await place.run(["profile", "show", one.agent, "--json"]);
  return JSON.parse(stdout) as Shown;
}

function decided(events: readonly LoggedEvent[], verdict: string): readonly LoggedEvent[] {
  return events.filter((event) => event.type === "action" && event.decision?.decision === verdict);
}

for (const one of cases) {
  test(`${one.agent} works under its profile, unmodified, and reaches its own model and nobody else`, async (t) => {
    const scene = await stage(one);
    const { place, home, server } = scene;
    t.after(async () => {
      await server.close();
      place.close();
    });
    const before = snapshot(home);
    const began = performance.now();
    const ran = await run(scene, one);
    const took = performance.now() - began;
    const told = `${ran.stdout}\n${ran.stderr}\n${server.requests.map(({ body }) => body.slice(-3000)).join("\n")}`;
    assert.equal(ran.code, 0, told);

    // It did what the model asked for, and said under which profile.
    assert.equal(readFileSync(join(place.workspace, "hello.txt"), "utf8"), written, told);
    const [line = ""] = /^sallyport: profile .*$/m.exec(ran.stderr) ?? [];
    const settings = one.settings.replaceAll(".", ".");
    assert.match(
      line,
      new RegExp(
        `^sallyport: profile ${one.agent} \\(hosts, ${one.key}, settings of ${settings}, .* off.*\\) · --no-profile$`,
      ),
    );

    // Its own sandbox is switched on in the user's settings, and would have refused every command here.
    if (one.sees !== null) {
      const bodies = server.requests.map(({ body }) => body).join("\n");
      assert.match(bodies, /ended 0/, "its shell ran");
      assert.ok(bodies.includes(one.sees), "it saw the user's settings");
    }

    // The provider was asked under its real name, with the key, through the redirect.
    for (const request of server.requests) assert.ok(one.hosts.includes(request.host), request.host);
    const asked = server.requests.filter(({ body }) => body !== "");
    assert.ok(asked.some(({ headers }) => Object.values(headers).some((value) => String(value).includes(key))));

    // What it keeps on the host is as it was; nothing of it was brought back, and its login was not shown.
    assert.deepEqual(snapshot(home), before);
    assert.ok(!server.requests.some(({ body }) => body.includes("the user's own login")));

    // Denied was only what the profile lists as switched off.
    const profile = await shown(scene, one);
    const events = place.events();
    const off = profile.off.flatMap(({ host }) => host);
    for (const event of decided(events, "deny"))
      assert.ok(off.includes(event.action?.host ?? ""), `denied: ${JSON.stringify(event.action)}`);

    // The profile alone allows every request that was made: the policy here opened the provider's host as a whole.
    const providers = profile.provider
      .filter(({ env }) => env.includes(one.key))
      .flatMap(({ network }) => network.rule);
    const rule = [...profile.network.rule, ...providers].map(({ id: _, ...rest }) => rest); // a preset's id is no file's
    const alone = join(place.root, "alone.json");
    writeFileSync(alone, JSON.stringify({ version: "zero_trust.runtime.v1", network: { ...profile.network, rule } }));
    const requests = new Set(
      decided(events, "allow")
        .filter(({ action }) => action?.kind === "http")
        .map(({ action }) => `${action?.method} https://${action?.host}${action?.path}`),
    );
    assert.ok(requests.size > 0);
    for (const request of requests) {
      const explained = await place.run(["policy", "explain", alone, "--", ...request.split(" ")]);
      assert.equal(explained.code, 0, `${request}\n${explained.stdout}${explained.stderr}`);
    }

    // The log names the profile.
    const loaded = events.find(({ type }) => type === "policy.loaded") as unknown as {
      detail: { sources: readonly string[]; profile: { name: string; digest: string } };
    };
    assert.ok(loaded.detail.sources.includes(`profile ${one.agent}`));
    assert.equal(loaded.detail.profile.name, one.agent);
    assert.equal(loaded.detail.profile.digest, profile.digest);
    const verified = await place.run(["audit", "verify", place.sessions().at(-1) ?? ""]);
    assert.equal(verified.code, 0, verified.stderr);
    const denied = decided(events, "deny").filter(({ action }) => action?.kind !== "dns").length;
    rows.push(
      `${one.agent.padEnd(9)} ${(took / 1000).toFixed(1).padStart(5)} s  ${requests.size} kinds of request, ${denied} denied`,
    );
  });
}

test("without its profile codex keeps its own sandbox, which cannot start in a cell: every command is refused", async (t) => {
  const one = cases.find(({ agent }) => agent === "codex");
  assert.ok(one);
  const scene = await stage(one);
  t.after(async () => {
    await scene.server.close();
    scene.place.close();
  });
  const ran = await run(scene, one, "--no-profile", "--env", one.key);
  const bodies = scene.server.requests.map(({ body }) => body).join("\n");
  assert.match(bodies, /No permissions to create new namespace/, `${ran.stdout}${ran.stderr}`);
  assert.doesNotMatch(bodies, /ended 0/);
});
