import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "#test/log/sample.ts";
import { homePath, openHome } from "./home.ts";
import { inspectHome } from "./home-format.ts";

test("the home is SALLYPORT_HOME, else .sallyport in HOME", () => {
  assert.equal(homePath({ SALLYPORT_HOME: "/x", HOME: "/home/me" }), "/x");
  assert.equal(homePath({ SALLYPORT_HOME: "", HOME: "/home/me" }), "/home/me/.sallyport");
  assert.throws(() => homePath({ SALLYPORT_HOME: "x" }), { code: "home_unusable" });
});

test("a home is made whole, for its owner only, and opens again", () => {
  const path = join(temporaryFolder(), "deep", "home");
  const home = openHome({ SALLYPORT_HOME: path });
  assert.deepEqual(readdirSync(path).sort(), [
    "agents",
    "keys",
    "log",
    "policies",
    "revoked",
    "secrets",
    "sessions",
    "version",
  ]);
  for (const folder of ["", "agents", "keys", "log", "policies", "revoked", "secrets", "sessions"]) {
    assert.equal(statSync(join(path, folder)).mode & 0o777, 0o700, folder);
  }
  assert.equal(readFileSync(join(path, "version"), "utf8"), "sallyport.home.v1\n");
  assert.equal(home.sessions, join(path, "sessions"));
  assert.deepEqual(openHome({ SALLYPORT_HOME: path }), home);
});

/** A folder that is not ours: given away by root, or one of root's. */
function foreign(): string {
  if (process.geteuid?.() !== 0) return "/usr";
  const path = temporaryFolder();
  chownSync(path, 12_345, 12_345);
  return path;
}

const refused: readonly { readonly title: string; readonly path: () => string; readonly says: RegExp }[] = [
  { title: "that others may enter", path: () => opened(0o755), says: /others may enter/ },
  { title: "that others may write", path: () => opened(0o703), says: /others may enter/ },
  { title: "of another user", path: foreign, says: /belongs to user/ },
  { title: "that is a file", path: () => made((path) => writeFileSync(path, "")), says: /not a folder/ },
  { title: "that is a link", path: () => made((path) => symlinkSync(temporaryFolder(), path)), says: /link/ },
  { title: "that cannot be made", path: () => "/proc/nowhere/home", says: /cannot be made/ },
  {
    title: "of a newer format",
    path: () => versioned("sallyport.home.v9"),
    says: /newer .*format 9; this one knows 1/,
  },
  { title: "whose version is no version", path: () => versioned("sallyport.home.v1.5"), says: /no version/ },
  {
    title: "below a file",
    path: () => made((path) => writeFileSync(path, "")).concat("/x"),
    says: /cannot be reached/,
  },
  {
    title: "that is a folder of something else",
    path: () => {
      const path = temporaryFolder();
      writeFileSync(join(path, "thesis.tex"), "");
      return path;
    },
    says: /holds other things/,
  },
  {
    title: "in which a file stands where a folder belongs",
    path: () => {
      const path = temporaryFolder();
      writeFileSync(join(path, "keys"), "");
      return path;
    },
    says: /cannot be made/,
  },
];

function opened(mode: number): string {
  const path = temporaryFolder();
  chmodSync(path, mode);
  return path;
}

function made(make: (path: string) => void): string {
  const path = join(temporaryFolder(), "home");
  make(path);
  return path;
}

function versioned(version: string): string {
  const path = temporaryFolder();
  mkdirSync(join(path, "keys"));
  writeFileSync(join(path, "version"), `${version}\n`);
  return path;
}

for (const { title, path, says } of refused) {
  test(`a home ${title} is refused, with a remedy`, () => {
    assert.throws(
      () => openHome({ SALLYPORT_HOME: path() }),
      (error: { code?: string; message?: string; remedy?: string | null }) => {
        assert.equal(error.code, "home_unusable");
        assert.match(String(error.message), says);
        assert.notEqual(error.remedy, null);
        return true;
      },
    );
  });
}

test("a home without a version is brought to this format: closed, complete, and its contents untouched", () => {
  const path = temporaryFolder();
  mkdirSync(join(path, "keys"), { mode: 0o755 });
  writeFileSync(join(path, "keys", "ca.key"), "secret");
  chmodSync(join(path, "keys"), 0o755);
  writeFileSync(join(path, "version"), ""); // cut off by a full disk
  openHome({ SALLYPORT_HOME: path });
  assert.equal(readFileSync(join(path, "version"), "utf8"), "sallyport.home.v1\n");
  assert.equal(readFileSync(join(path, "keys", "ca.key"), "utf8"), "secret");
  assert.equal(statSync(join(path, "keys")).mode & 0o777, 0o700);
  assert.deepEqual(readdirSync(path).sort(), [
    "agents",
    "keys",
    "log",
    "policies",
    "revoked",
    "secrets",
    "sessions",
    "version",
  ]);
});

test("a policy may be put into a home before there is one", () => {
  const path = temporaryFolder();
  writeFileSync(join(path, "policy.toml"), "# zero_trust.runtime.v1\n");
  openHome({ SALLYPORT_HOME: path });
  assert.ok(readdirSync(path).includes("sessions"));
});

test("looking at a home changes nothing", () => {
  const path = temporaryFolder();
  assert.deepEqual(inspectHome(path), { state: "absent" });
  assert.deepEqual(inspectHome(join(path, "none")), { state: "absent" });
  mkdirSync(join(path, "sessions"));
  assert.deepEqual(inspectHome(path), { state: "there", format: 0 });
  assert.deepEqual(readdirSync(path), ["sessions"]);
  openHome({ SALLYPORT_HOME: path });
  assert.deepEqual(inspectHome(path), { state: "there", format: 1 });
});
