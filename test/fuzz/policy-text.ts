// Any text as a policy: it parses or it is a Failure with a true place, and what parsed compiles, evaluates, explains
// itself, and is JSON, and TOML, that parses again to the same policy. The first byte picks the format.

import type { Action } from "#core/action.ts";
import type { JsonValue } from "#core/event.ts";
import { Failure } from "#core/failure.ts";
import { canonicalJson } from "#lib/canonical-json.ts";
import { checkPolicy } from "#policy/check.ts";
import { commentsOfYaml, noComments } from "#policy/comments.ts";
import { compilePolicy } from "#policy/compile.ts";
import { evaluate, reachable } from "#policy/evaluate.ts";
import { explain } from "#policy/explain.ts";
import { parsePolicy, readPolicy } from "#policy/parse.ts";
import type { Presets } from "#policy/presets.ts";
import { policyToml } from "#policy/toml-text.ts";
import { unenforced } from "#policy/unenforced.ts";

export const name = "policy-text";

const formats = ["toml", "yaml", "json"] as const;

const actions: readonly Action[] = [
  {
    kind: "http",
    scheme: "https",
    host: "api.github.com",
    port: 443,
    method: "GET",
    path: "/repos/a/issues?x",
    body: false,
    upgrade: null,
  },
  {
    kind: "http",
    scheme: "http",
    host: "a.example.com",
    port: 80,
    method: "POST",
    path: "/a/../b",
    body: true,
    upgrade: "h2c",
  },
  { kind: "connect", host: "10.0.0.5", port: 5432, protocol: "tcp" },
  { kind: "connect", host: "example.com", port: 443, protocol: "tls" },
  { kind: "dns", host: "a.b.example.com", type: "A" },
];

const texts: readonly (readonly [format: (typeof formats)[number], text: string])[] = [
  [
    "toml",
    '# zero_trust.runtime.v1\n[network]\ndefault = "deny"\nallow = ["example.com", "*.example.com:8443", "[::1]:443", "10.0.0.5:5432"]\ndeny = ["**.b.example.com"]\n',
  ],
  [
    "toml",
    '# zero_trust.runtime.v1\n[[network.rule]]\nid = "a"\nhost = ["api.github.com", "**.example.com"]\nport = [80, 443]\nmethod = "GET"\npath = ["/repos/*/issues", "/a/**", "/%41"]\nprivate = "10.0.0.0/8"\nbody_on_get = true\n',
  ],
  [
    "toml",
    'version = "zero_trust.runtime.v1"\nupstream = { resolve = { "a.b" = "10.0.0.1:443" }, ca = "a.pem" }\nexecution.max_runtime_seconds = "5m"\nexecution.env = ["A=b"]\nexecution.max_memory = """4GiB"""\n',
  ],
  [
    "yaml",
    'security_context:\n  level: "strict"\n  user: nobody\nconstraints:\n  max_runtime: 300s\n  network: {allow_domains: [a.com], default_policy: deny}\nviolation_protocol: {action: kill_process_group}\n',
  ],
  [
    "yaml",
    '# head\n\nversion: zero_trust.runtime.v1 # v\nnetwork:\n  # one\n  allow:\n    - a.com # two\n    - "@npm"\n  rule: [{host: b.com, port: 443}] # three\nexecution: {env: ["A=#b"], max_memory: 4GiB}\n# foot\n',
  ],
  ["toml", '# zero_trust.runtime.v1\n[network]\nallow = ["@npm", "@git/1", "@git", "a.example.com"]\n'],
  [
    "json",
    '{"version":"zero_trust.runtime.v1","network":{"default":"allow","deny":["**"]},"execution":{"max_requests":5}}',
  ],
];

const presets: Presets = {
  list: () => [
    { name: "npm", version: 1 },
    { name: "git", version: 1 },
    { name: "git", version: 2 },
  ],
  read: ({ name, version }) =>
    `# zero_trust.runtime.v1\n[[network.rule]]\nid = "a"\nhost = "${name}${version}.example"\nmethod = "GET"\n[[network.rule]]\nid = "b"\nhost = "**.example.com"\nport = 8443\n`,
};

export const seeds: readonly Uint8Array[] = texts.map(([format, text]) =>
  Buffer.concat([Buffer.of(formats.indexOf(format)), Buffer.from(text)]),
);

export function run(input: Uint8Array): void {
  const format = formats[(input[0] ?? 0) % formats.length] ?? "toml";
  const text = Buffer.from(input.subarray(1)).toString("utf8");
  const lines = text.split("\n");
  const { policy, written, problems } = readPolicy(text, { name: "fuzz", format, presets });
  for (const { at, message } of problems) {
    const line = lines[at.line - 1];
    if (line === undefined || at.column < 1 || at.column > line.length + 1)
      throw new Error(`${message}: no such place as ${at.line}:${at.column}`);
  }
  if (policy === null || written === null) return;
  const toml = policyToml(written.document, format === "yaml" ? commentsOfYaml(text, written.places) : noComments);
  const converted = parsePolicy(toml, { name: "converted", format: "toml", presets });
  if (
    canonicalJson(converted.document as unknown as JsonValue) !== canonicalJson(policy.document as unknown as JsonValue)
  )
    throw new Error("a policy as TOML is another policy");
  let compiled: ReturnType<typeof compilePolicy>;
  try {
    compiled = compilePolicy([policy]);
  } catch (error) {
    if (error instanceof Failure) return;
    throw error;
  }
  unenforced(policy);
  checkPolicy(policy);
  for (const action of actions) {
    const decision = evaluate(compiled, action);
    if (decision.verdict === "allow") reachable(decision, ["10.0.0.1", "93.184.216.34", "169.254.169.254"]);
    explain(compiled, action);
  }
  const again = compilePolicy([
    parsePolicy(compiled.canonical.slice(1, -1), { name: "again", format: "json", expanded: true }),
  ]);
  if (again.digest !== compiled.digest) throw new Error("a policy's JSON is another policy");
}
