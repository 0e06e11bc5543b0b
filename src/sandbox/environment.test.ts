import assert from "node:assert/strict";
import { test } from "node:test";
import { cellEnvironment } from "./environment.ts";

const question = { host: {}, extra: {}, home: "/home/a", user: "a", trust: false, terminal: false };

test("only what the list names comes through", () => {
  const env = cellEnvironment({
    ...question,
    host: {
      PATH: "/bin",
      LC_ALL: "C",
      AWS_SECRET_ACCESS_KEY: "x",
      LD_PRELOAD: "x",
      NODE_OPTIONS: "x",
      SSH_AUTH_SOCK: "x",
      HOME: "/root",
      TERM: "xterm",
    },
  });
  assert.deepEqual(Object.keys(env).sort(), [
    "GIT_TERMINAL_PROMPT",
    "HOME",
    "LC_ALL",
    "LOGNAME",
    "PATH",
    "SALLYPORT",
    "SHELL",
    "TERM",
    "TMPDIR",
    "USER",
  ]);
  assert.equal(env.HOME, "/home/a");
});

test("no name of a proxy is ever in it, however it is spelled and whoever asks", () => {
  const names = [
    "http_proxy",
    "HTTPS_PROXY",
    "No_Proxy",
    "all_proxy",
    "npm_config_proxy",
    "npm_config_https_proxy",
    "proxy",
    "PROXY",
  ];
  const env = cellEnvironment({
    ...question,
    host: Object.fromEntries(names.map((name) => [name, "x"])),
    extra: Object.fromEntries(names.map((name) => [name, "x"])),
  });
  assert.deepEqual(
    Object.keys(env).filter((name) => /proxy/i.test(name)),
    [],
  );
});

test("what is given wins over the variables of trust, and a name that is none is dropped", () => {
  const env = cellEnvironment({ ...question, trust: true, extra: { SSL_CERT_FILE: "/mine", "a b": "x", NUL: "a\0b" } });
  assert.equal(env.SSL_CERT_FILE, "/mine");
  assert.equal(env.NODE_EXTRA_CA_CERTS, "/etc/ssl/sallyport.pem");
  assert.ok(!("a b" in env) && !("NUL" in env));
});
