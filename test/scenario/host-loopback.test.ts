// `host.sallyport.internal`: a service of the host's own loopback, reached by an agent only where the policy names it with
// its port. The services count who came.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { after, before, test } from "node:test";
import { openPlace, type Place } from "./program.ts";

let place: Place;
/** HTTP on 127.0.0.1, HTTP on ::1 alone, and a database that speaks first. */
let http: Service;
let six: Service;
let database: Service;

interface Service {
  readonly server: Server;
  readonly port: number;
  came: number;
}

async function serve(address: string, greeting: string | null): Promise<Service> {
  const server = createServer((socket) => {
    service.came += 1;
    socket.on("error", () => socket.destroy());
    if (greeting !== null) socket.write(greeting);
    socket.on("data", (bytes) => {
      if (greeting === null) socket.end(`HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhere\n`);
      else socket.end(`you said ${bytes}`);
    });
  }).listen(0, address);
  await once(server, "listening");
  const service: Service = { server, port: (server.address() as { port: number }).port, came: 0 };
  return service;
}

before(async () => {
  place = openPlace("loopback");
  http = await serve("127.0.0.1", null);
  six = await serve("::1", null);
  database = await serve("127.0.0.1", "hello, this is a database\n");
});

after(() => {
  for (const { server } of [http, six, database]) server?.close();
  place?.close();
});

const at = (service: Service) => `host.sallyport.internal:${service.port}`;
const curl = (url: string, ...more: string[]) => ["curl", "-sS", "--max-time", "10", ...more, url];

test("an HTTP service is reached where --allow names it with its port, on 127.0.0.1 and on ::1", async () => {
  for (const service of [http, six]) {
    const ran = await place.run(["run", "--allow", at(service), "--", ...curl(`http://${at(service)}/api`)]);
    assert.equal(ran.stdout, "here\n", ran.stderr);
    const event = place.events().find(({ action }) => action?.kind === "http");
    assert.equal(event?.action?.host, "host.sallyport.internal");
    assert.equal(event?.decision?.decision, "allow");
  }
});

test("a service that speaks first, and not HTTP, is reached too", async () => {
  const script = `exec 3<>/dev/tcp/host.sallyport.internal/${database.port}; read -r hello <&3; echo "$hello"; echo SELECT >&3; cat <&3`;
  const rule = `[[network.rule]]\nhost = "host.sallyport.internal"\nport = ${database.port}\nprotocol = "tcp"\n`;
  for (const flags of [
    ["--allow", at(database)],
    ["--policy", place.policy(rule)],
  ]) {
    const ran = await place.run(["run", ...flags, "--", "bash", "-c", script]);
    assert.equal(ran.stdout, "hello, this is a database\nyou said SELECT\n", ran.stderr);
  }
});

/** Policies that open nothing of the host's loopback, and what is dialled nevertheless. */
const closed: readonly [about: string, policy: (port: number) => string, reason: string][] = [
  ["nothing is said", () => "", "domain_not_allowed"],
  [
    "another port is named",
    (port) => `[network]\nallow = ["host.sallyport.internal:${port + 1}"]\n`,
    "port_not_allowed",
  ],
  ["a pattern would match", (port) => `[network]\nallow = ["*.sallyport.internal:${port}"]\n`, "domain_not_allowed"],
  [
    "every name is allowed",
    (port) => `[[network.rule]]\nid = "unsafe_all"\nhost = "**"\nport = ${port}\n`,
    "domain_not_allowed",
  ],
  ["all is allowed by default", () => `[network]\ndefault = "allow"\n`, "domain_not_allowed"],
  [
    "it is denied as well",
    (port) => `[network]\nallow = ["host.sallyport.internal:${port}"]\ndeny = ["host.sallyport.internal"]\n`,
    "domain_not_allowed",
  ],
];
for (const [about, policy, reason] of closed) {
  test(`the host's loopback stays closed where ${about}`, async () => {
    const before = http.came;
    const file = place.policy(policy(http.port));
    const ran = await place.run(["run", "--policy", file, "--", ...curl(`http://${at(http)}/`, "-i")]);
    assert.match(ran.stdout, new RegExp(`"deny_reason": ?"${reason}"`));
    assert.equal(http.came, before);
  });
}

test("the name opens no other way to the loopback, and its address no other port", async () => {
  const before = [http.came, database.came];
  const dials = [
    `http://127.0.0.1:${http.port}/`,
    `http://[::ffff:127.0.0.1]:${http.port}/`,
    `http://0.0.0.0:${http.port}/`,
  ];
  const script = `${dials.map((url) => `curl -sS --max-time 5 '${url}'`).join("; ")}; curl -sS --max-time 5 --resolve x.example:${database.port}:198.18.0.2 http://x.example:${database.port}/; true`;
  await place.run(["run", "--allow", at(http), "--", "sh", "-c", script]);
  assert.deepEqual([http.came, database.came], before);
});

test("a name that resolves to the loopback is no way there, even with the port that is open", async () => {
  const before = http.came;
  const policy = place.policy(
    `[network]\nallow = ["${at(http)}", "evil.example:${http.port}"]\n[upstream]\nresolve = { "evil.example" = "127.0.0.1" }\n`,
  );
  const ran = await place.run(["run", "--policy", policy, "--", ...curl(`http://evil.example:${http.port}/`)]);
  assert.match(ran.stdout, /private_address/);
  assert.equal(http.came, before);
});

test("a run's own published port is not a way back into it", async () => {
  const serveInside = `const s=require("http").createServer((q,r)=>{r.end("inside")}).listen(8000,"127.0.0.1",()=>require("child_process").execFile("curl",["-sS","--max-time","8","http://host.sallyport.internal:"+process.argv[1]+"/"],(e,out)=>{console.log(out);process.exit()}))`;
  const { port } = http;
  http.server.close();
  await once(http.server, "close");
  const ran = await place.run([
    "run",
    ...["--publish", `${port}:8000`, "--allow", at(http)],
    ...["--", process.execPath, "-e", serveInside, String(port)],
  ]);
  assert.match(ran.stdout, /upstream_unreachable/);
  assert.doesNotMatch(ran.stdout, /inside/);
});

const wrong: readonly [about: string, text: string, says: RegExp][] = [
  ["without a port", `[network]\nallow = ["host.sallyport.internal"]\n`, /needs a port.*11434/s],
  [
    "beside other hosts",
    `[[network.rule]]\nhost = ["host.sallyport.internal", "a.example"]\nport = 1\n`,
    /a rule of its own/,
  ],
  ["in a rule without a port", `[[network.rule]]\nhost = "host.sallyport.internal"\n`, /needs a port/],
  ["as a place", `[upstream]\nresolve = { "host.sallyport.internal" = "10.0.0.1" }\n`, /nowhere else/],
];
for (const [about, text, says] of wrong) {
  test(`the name ${about} is refused, with what to write`, async () => {
    const ran = await place.run(["run", "--policy", place.policy(text), "--", "true"]);
    assert.equal(ran.code, 125);
    assert.match(ran.stderr, says);
  });
}

test("--allow with the bare name is refused, with what to write", async () => {
  const ran = await place.run(["run", "--allow", "host.sallyport.internal", "--", "true"]);
  assert.equal(ran.code, 125);
  assert.match(ran.stderr, /host\.sallyport\.internal:11434/);
});

test("a denied dial is told with the flag that would open it", async () => {
  const ran = await place.run(["run", "--", ...curl(`http://host.sallyport.internal:11434/`)]);
  assert.match(ran.stderr, /allow with --allow host\.sallyport\.internal:11434\n/);
});
