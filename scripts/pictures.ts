// Makes docs/pictures from real runs: a person's lines typed into a real shell, the real program, real cells; only the far ends
// are local servers under the services' names, as in the tests. `npm run pictures` writes NAME.svg (plays by itself) and
// NAME.cast (asciinema) anew.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { SMTPServer } from "smtp-server";
import { createTestAuthority } from "../test/servers/certificate-authority.ts";
import { startServer } from "../test/servers/https-server.ts";
import { asciicast, frames, record } from "./pictures/recording.ts";
import { picture } from "./pictures/svg.ts";

const root = dirname(import.meta.dirname);
const pictures = join(root, "docs", "pictures");
const place = mkdtempSync(join(tmpdir(), "sallyport-pictures-"));
const person = join(place, "anna");
const shop = join(person, "shop");
for (const folder of [pictures, person, shop]) mkdirSync(folder, { recursive: true });

const authority = createTestAuthority(place, "Stand-in for the services");
const names = ["api.github.com", "uploads.example.com", "hooks.slack.com"];
const server = await startServer({ leaf: authority.issue(names) });
const mail = new SMTPServer({
  disabledCommands: ["AUTH", "STARTTLS"],
  onData: (stream, _, done) => void stream.resume().on("end", () => done()),
});
await new Promise<void>((resolve) => mail.listen(0, "127.0.0.1", resolve));
const mailPort = (mail.server.address() as AddressInfo).port;
const upstream = `
[upstream]   # where the services' names stand on the machine that draws this picture
ca = ${JSON.stringify(authority.caFile)}
resolve = { ${names.map((name) => `"${name}" = "127.0.0.1:${server.port}"`).join(", ")}, "smtp.example.com" = "127.0.0.1:${mailPort}" }
`;

writeFileSync(
  join(shop, "agent.py"),
  `import os, urllib.request, urllib.error
def ask(method, url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            print(method, url, "->", answer.status)
    except urllib.error.HTTPError as error:
        print(method, url, "->", error.code, error.headers["content-type"])

ask("GET", "https://api.github.com/repos/acme/shop/issues")
ask("DELETE", "https://api.github.com/repos/acme/shop")
ask("POST", "https://uploads.example.com/secrets")
print("~/.ssh is there:", os.path.exists(os.path.expanduser("~/.ssh")))
`,
);
mkdirSync(join(person, ".ssh"));
mkdirSync(join(person, ".sallyport"), { mode: 0o700 });
writeFileSync(
  join(person, ".sallyport", "policy.toml"),
  `# zero_trust.runtime.v1

[[network.rule]]
id = "read-issues"
host = "api.github.com"
method = ["GET"]
path = ["/repos/acme/shop/issues"]
private = ["127.0.0.1"]
${upstream}`,
);
const incident = join(person, "incident");
cpSync(join(root, "examples", "incident-resolver"), incident, { recursive: true });
const shipped = readFileSync(join(incident, "policy.toml"), "utf8");
writeFileSync(
  join(incident, "policy.toml"),
  `${shipped.replaceAll(/^host = .*$/gm, '$&\nprivate = ["127.0.0.1"]')}${upstream}`,
);

const env = { PATH: `${join(root, "bin")}:/usr/bin:/bin`, HOME: person, LANG: "C.UTF-8" };

interface Scene {
  readonly name: string;
  readonly title: string;
  readonly folder: string;
  readonly rows: number;
  readonly lines: readonly string[];
}

const scenes: readonly Scene[] = [
  {
    name: "run",
    title: "an agent in its cell",
    folder: shop,
    rows: 22,
    lines: [
      "tail -4 agent.py",
      "sallyport run -- python3 agent.py",
      "sallyport sessions list",
      "sallyport sessions events last --denied",
      "sallyport audit verify last",
    ],
  },
  {
    name: "delegation",
    title: "an agent that may not reach people spawns one that may",
    folder: incident,
    rows: 15,
    lines: ["./run.sh 2>/dev/null | tail -n 12"],
  },
];

for (const { name, title, folder, rows, lines } of scenes) {
  const recording = await record(title, lines, { size: { columns: 118, rows }, cwd: folder, env });
  const film = await frames(recording);
  writeFileSync(join(pictures, `${name}.cast`), asciicast(recording));
  writeFileSync(join(pictures, `${name}.svg`), picture(recording, film));
  console.log(`docs/pictures/${name}.svg: ${film.length} frames, ${recording.chunks.at(-1)?.time.toFixed(1)} s`);
}
await server.close();
await new Promise<void>((resolve) => mail.close(() => resolve()));
rmSync(place, { recursive: true, force: true });
