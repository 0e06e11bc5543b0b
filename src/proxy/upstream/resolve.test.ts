import assert from "node:assert/strict";
import { test } from "node:test";
import { createResolver, NameUnresolved } from "./resolve.ts";

test("a placed name is where the policy says, a literal is itself, and neither asks anyone", async () => {
  const resolve = createResolver({
    placed: new Map([
      [
        "api.corp",
        [
          { address: "10.1.2.3", port: 8443 },
          { address: "10.1.2.4", port: null },
        ],
      ],
      ["six.corp", [{ address: "fd00::1", port: 1 }]],
    ]),
    ask: () => Promise.reject(new Error("asked")),
  });
  assert.deepEqual(await resolve("api.corp", 443), [
    { address: "10.1.2.3", port: 8443 },
    { address: "10.1.2.4", port: 443 },
  ]);
  assert.deepEqual(await resolve("six.corp", 443), [{ address: "fd00::1", port: 1 }]);
  assert.deepEqual(await resolve("1.2.3.4", 443), [{ address: "1.2.3.4", port: 443 }]);
  assert.deepEqual(await resolve("::ffff:1.2.3.4", 443), [{ address: "1.2.3.4", port: 443 }]);
});

test("a name is asked for once by all who wait, and again when its short life is over", async () => {
  let asked = 0;
  let clock = 0;
  const resolve = createResolver({
    ask: (host) => {
      asked++;
      return Promise.resolve(["1.1.1.1", "::ffff:1.1.1.1", "2606:4700::1111", `${host} is no address`]);
    },
    now: () => clock,
    keepMs: 100,
  });
  const both = await Promise.all([resolve("a.example", 443), resolve("a.example", 80)]);
  assert.deepEqual(both[0], [
    { address: "1.1.1.1", port: 443 },
    { address: "2606:4700::1111", port: 443 },
  ]);
  assert.equal(both[1][0]?.port, 80);
  await resolve("a.example", 443);
  assert.equal(asked, 1);
  clock = 100;
  await resolve("a.example", 443);
  assert.equal(asked, 2);
});

test("a name that cannot be had says why", async () => {
  const failing = (code: string) => Object.assign(new Error(code), { code });
  const cases: [string, (host: string) => Promise<readonly string[]>][] = [
    ["not_found", () => Promise.reject(failing("ENOTFOUND"))],
    ["not_found", () => Promise.resolve([])],
    ["failed", () => Promise.reject(failing("EAI_AGAIN"))],
    ["timeout", () => new Promise(() => undefined)],
  ];
  for (const [kind, ask] of cases) {
    const resolve = createResolver({ ask, timeoutMs: 20 });
    await assert.rejects(resolve("a.example", 443), (error) => error instanceof NameUnresolved && error.kind === kind);
  }
});

test("lookups wait for their turn, a late one keeps it until it ends, and too many are refused", async () => {
  const running: ((addresses: readonly string[]) => void)[] = [];
  const ask = () => new Promise<readonly string[]>((resolve) => running.push(resolve));
  const resolve = createResolver({ ask, concurrency: 2, waiting: 2, timeoutMs: 60_000 });
  const all = ["a", "b", "c", "d"].map((host) => resolve(host, 443));
  await new Promise(setImmediate);
  assert.equal(running.length, 2);
  await assert.rejects(resolve("e", 443), (error) => error instanceof NameUnresolved && error.kind === "busy");
  for (let turn = 0; turn < 4; turn++) {
    running.shift()?.(["1.1.1.1"]);
    await new Promise(setImmediate);
    assert.ok(running.length <= 2);
  }
  assert.equal((await Promise.all(all)).length, 4);
});

test("the system's resolver is asked, its hosts file included", async () => {
  const resolve = createResolver();
  const addresses = (await resolve("localhost", 80)).map(({ address }) => address);
  assert.ok(addresses.includes("127.0.0.1") || addresses.includes("::1"));
});
