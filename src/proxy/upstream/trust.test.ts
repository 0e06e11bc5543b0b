import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { connect, getCACertificates, TLSSocket } from "node:tls";
import { Failure } from "#core/failure.ts";
import { openAuthority } from "../tls/authority.ts";
import { openUpstreamTrust, readBundle, type UpstreamTrust } from "./trust.ts";

function folder(): string {
  const dir = mkdtempSync(join(tmpdir(), "sallyport-trust-"));
  after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** An upstream with a certificate of its own authority for `host`; the authority's file is `ca`. */
async function openUpstream(host: string) {
  const dir = folder();
  const authority = await openAuthority(dir);
  const server = createServer((raw) => {
    new TLSSocket(raw, { isServer: true, secureContext: authority.contextFor(host) }).on("error", () => raw.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.close());
  return { port: (server.address() as AddressInfo).port, ca: join(dir, "ca.pem") };
}

async function dial(trust: UpstreamTrust, port: number, host: string): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, servername: host, secureContext: trust.contextFor(host) });
  try {
    await once(socket, "secureConnect");
    return "trusted";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "failed";
  } finally {
    socket.destroy();
  }
}

test("an upstream is believed under the policy's authority, by its own name, and not otherwise", async () => {
  const { port, ca } = await openUpstream("api.corp");
  const told = openUpstreamTrust({ caFiles: [ca] });
  assert.equal(await dial(told, port, "api.corp"), "trusted");
  assert.equal(await dial(told, port, "other.corp"), "ERR_TLS_CERT_ALTNAME_INVALID");
  assert.notEqual(await dial(openUpstreamTrust(), port, "api.corp"), "trusted");
  assert.equal(told.contextFor("a.example"), told.contextFor("b.example"), "one context for all");
});

test("the system's bundle is believed, beside Node's own, and its absence is no failure", async () => {
  const { port, ca } = await openUpstream("api.corp");
  const bundle = join(folder(), "bundle.crt");
  writeFileSync(bundle, "# a comment\n");
  assert.equal(await dial(openUpstreamTrust({ systemBundles: ["/nonexistent", ca] }), port, "api.corp"), "trusted");
  for (const systemBundles of [[], ["/nonexistent"], [bundle]]) {
    assert.notEqual(await dial(openUpstreamTrust({ systemBundles }), port, "api.corp"), "trusted");
  }
});

test("a bundle holds what it holds, and one that holds nothing readable stops the start by its name", () => {
  const dir = folder();
  const [one = "", two = ""] = getCACertificates("bundled");
  const good = join(dir, "good.pem");
  writeFileSync(good, `# first\n${one}\nText between\r\n${two.replaceAll("\n", "\r\n")}`);
  assert.equal(readBundle(good).length, 2);
  const bad: { [name: string]: string } = {
    "empty.pem": "",
    "key.pem": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    "damaged.pem": one.replace(/[A-Za-z0-9]{40}/, "A".repeat(40)).slice(0, -200),
    "garbage.pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
  };
  for (const [name, text] of Object.entries(bad)) {
    const file = join(dir, name);
    writeFileSync(file, text);
    const isRefused = (error: unknown) =>
      error instanceof Failure && error.code === "policy_invalid" && error.place === file;
    assert.throws(() => openUpstreamTrust({ caFiles: [file] }), isRefused, name);
  }
  const isMissing = (error: unknown) => error instanceof Failure && error.place === join(dir, "missing.pem");
  assert.throws(() => openUpstreamTrust({ caFiles: [join(dir, "missing.pem")] }), isMissing);
});
