// The quickstart: a real, unmodified coding agent (opencode, from npm) repairs a small git repository inside a cell. Only the model
// is played: its provider's real host name is placed on a local TLS server that speaks the provider's API, and the turns of the
// conversation are written down in task.ts, two attempts to go around the boundary among them. Everything else is real: the
// agent, the cell, the boundary, the denials, the log. Ends with 1 when anything that should have happened did not.

import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { stripVTControlCharacters, styleText } from "node:util";
import { collect, decisionsOn, type LoggedEvent, openPlace, program, type Ran } from "../test/scenario/program.ts";
import { createTestAuthority } from "../test/servers/certificate-authority.ts";
import { startServer } from "../test/servers/https-server.ts";
import { cacheFolder } from "../test/servers/installed.ts";
import { createProvider } from "../test/servers/provider.ts";
import { installAgent } from "./agent.ts";
import { conversation, decoy, elsewhere, makeRepository, request } from "./task.ts";

const model = "api.anthropic.com";

function heading(text: string): void {
  console.log(`\n${styleText("bold", `── ${text}`)}`);
}

function note(text: string): void {
  console.log(styleText("dim", text));
}

/** Prints what a program prints, line by line, behind a bar. */
function bar(text: string): void {
  for (const line of stripVTControlCharacters(text).replace(/\n+$/, "").split("\n"))
    console.log(`  │ ${line}`.trimEnd());
}

heading("What runs");
const agent = installAgent();
const cache = cacheFolder("quickstart");
// The last run stays for reading until the next one starts.
for (const name of readdirSync(cache)) removeRun(join(cache, name));
const place = openPlace("quickstart", cache);
const repository = join(place.workspace, "shop");
makeRepository(repository);
const authority = createTestAuthority(place.root, "Quickstart stand-in for the provider");
const provider = await startServer({
  leaf: authority.issue([model]),
  answer: createProvider(conversation(repository, model)),
});
const policy = `# zero_trust.runtime.v1

[network]
default = "deny"

[[network.rule]]
id = "model"
host = "${model}"
port = 443
method = ["POST"]
path = ["/v1/messages"]
private = ["127.0.0.1"]   # a name never opens private space by itself

[upstream]   # the real name, on a local server that speaks its API
resolve = { "${model}" = "127.0.0.1:${provider.port}" }
ca = "${authority.caFile}"
`;
const policyFile = place.policy(policy);
console.log(
  `agent       ${agent.name} ${agent.version}, as published on npm, no setting changed, with a key that is worth nothing`,
);
console.log(`repository  ${repository}: one source file, one failing test`);
console.log(
  `model       https://${model}, played by a local server on 127.0.0.1:${provider.port} (nothing leaves this machine)`,
);
console.log(`policy      ${policyFile}`);
bar(policy);

heading("sallyport run");
console.log(`$ sallyport run --policy … --env ANTHROPIC_API_KEY -- ${agent.name} run ${JSON.stringify(request)}`);
const child = place.start(
  ["run", "--policy", policyFile, "--env", "ANTHROPIC_API_KEY", "--", agent.program, "run", request],
  {
    cwd: repository,
    env: { ANTHROPIC_API_KEY: "sk-ant-not-a-real-key" },
  },
);
let partial = "";
const show = (chunk: Buffer): void => {
  const lines = (partial + chunk.toString()).split("\n");
  partial = lines.pop() ?? "";
  for (const line of lines) if (stripVTControlCharacters(line).trim() !== "") bar(line);
};
child.stdout?.on("data", show);
child.stderr?.on("data", show);
const ran = await collect(child);
if (partial !== "") bar(partial);
await provider.close();

/** Both streams of a command in the order that they were written, as a terminal shows them. */
function asOneStream(args: readonly string[]): string {
  const env = { ...process.env, SALLYPORT_HOME: place.home };
  const words = ["-c", 'exec "$0" "$@" 2>&1', program, ...args];
  return execFileSync("sh", words, { cwd: repository, env, encoding: "utf8" });
}

const session = place.sessions().at(-1);
if (session === undefined) {
  console.error("\nquickstart: the run left no session; what it printed stands above");
  process.exit(1);
}
const events = place.events(session);

heading("What the log says of it (events.jsonl: requests and connections)");
const actions = events.filter((event) => event.type === "action" && event.action?.kind !== "dns");
for (const line of summary(actions)) console.log(`  ${line}`);

const commands: Record<string, Ran> = {};
for (const args of [
  ["sessions", "list"],
  ["sessions", "show", session],
  ["replay", session, "--no-delay"],
  ["audit", "verify", session],
]) {
  heading(`sallyport ${args.join(" ")}`);
  const result = await place.run(args, { cwd: repository });
  commands[args[0] === "sessions" ? (args[1] ?? "") : (args[0] ?? "")] = result;
  bar(args[0] === "replay" ? asOneStream(args) : result.stdout + result.stderr);
}

heading("What should have happened");
const on = (host: string, verdict: string): boolean =>
  decisionsOn(actions, host).some((e) => e.decision?.decision === verdict);
const bodies = provider.requests.map((received) => received.body);
const transcript = bodies.at(-1) ?? "";
const checks: readonly (readonly [string, boolean])[] = [
  ["the agent ended by itself with 0", ran.code === 0],
  [
    "it repaired the code: the test passes now, outside the cell too",
    spawnSync("node", ["--test"], { cwd: repository }).status === 0,
  ],
  [
    "it committed the repair",
    execFileSync("git", ["log", "--format=%s", "-1"], {
      cwd: repository,
      encoding: "utf8",
    }).trim() === "Count quantities",
  ],
  [
    `its calls to ${model} were allowed and arrived (${provider.requests.length})`,
    on(model, "allow") && provider.requests.length >= 9,
  ],
  [
    `its call to ${elsewhere} was denied (domain_not_allowed), and the agent could read why`,
    on(elsewhere, "deny") && transcript.includes("domain_not_allowed"),
  ],
  [
    `the allowed name at ${decoy} was caught`,
    decisionsOn(actions, decoy).some((e) => e.decision?.decision === "deny") && !on(decoy, "allow"),
  ],
  [
    "no request carried the source file there or here",
    !bodies.some((body) => body.startsWith("export function total")),
  ],
  ["the datagram did not leave the cell", !/exit code 0/.test(transcript) && /exit code 1/.test(transcript)],
  [
    "denials were told on the terminal",
    ran.stderr.includes(`sallyport: denied GET ${elsewhere}/x (domain_not_allowed)`),
  ],
  ["the log verifies", commands.verify?.code === 0 || commands.audit?.code === 0],
  [
    "the replay is the run's output, byte for byte",
    commands.replay?.bytes.stdout.equals(place.file(session, "stdout.log")) === true,
  ],
  ["sessions list and show know it", (commands.list?.stdout.includes(session) ?? false) && commands.show?.code === 0],
];
for (const [what, happened] of checks)
  console.log(`  ${happened ? styleText("green", "✓") : styleText("red", "✗")} ${what}`);
const failed = checks.filter(([, happened]) => !happened).length;

if (failed > 0) {
  console.log(`\n${failed} of ${checks.length} did not happen. Everything is kept in ${place.root}`);
  process.exit(1);
}
note(`\nKept for reading until you remove it: SALLYPORT_HOME=${place.home} bin/sallyport sessions show ${session}`);

/** Repeated decisions as one line, in the order of their first. */
function summary(of: readonly LoggedEvent[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { action, decision } of of) {
    const what =
      action?.kind === "http"
        ? `${action.method} ${action.host}${action.path?.split("?")[0]}`
        : `connect ${action?.host}:${action?.port}`;
    const why = decision?.decision === "deny" ? `${decision.deny_reason}` : `rule ${decision?.rule}`;
    const verdict = decision?.decision === "deny" ? "DENIED " : "allowed";
    const line = `${verdict}  ${what}  (${why})`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, times]) => (times === 1 ? line : `${line} × ${times}`));
}

/** Removes what an earlier quickstart kept; its sessions are read-only. */
function removeRun(folder: string): void {
  const sessions = join(folder, "home", "sessions");
  for (const id of existsSync(sessions) ? readdirSync(sessions) : []) chmodSync(join(sessions, id), 0o700);
  rmSync(folder, { recursive: true, force: true });
}
