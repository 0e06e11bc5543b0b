// Makes docs/pictures from real runs: a person's lines typed into a real shell, the real program, real cells; only the far ends
// are local servers under the services' names, as in the tests. `npm run pictures` writes NAME.svg (plays by itself) and
// NAME.cast (asciinema) anew.

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { openPlace } from "../test/scenario/program.ts";
import { createTestAuthority } from "../test/servers/certificate-authority.ts";
import { startServer } from "../test/servers/https-server.ts";
import { asciicast, frames, type Recording, record } from "./pictures/recording.ts";
import { picture } from "./pictures/svg.ts";

const root = dirname(import.meta.dirname);
const pictures = join(root, "docs", "pictures");
mkdirSync(pictures, { recursive: true });

const place = openPlace("pictures");
const project = join(place.root, "shop");
mkdirSync(project);
const authority = createTestAuthority(place.root, "Stand-in for the services");
const names = ["api.github.com", "uploads.example.com"];
const server = await startServer({ leaf: authority.issue(names) });

writeFileSync(
  join(project, "agent.py"),
  `import os, urllib.request, urllib.error

def ask(method, url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method=method)) as answer:
            print(f"{method} {url} -> {answer.status}")
    except urllib.error.HTTPError as error:
        print(f"{method} {url} -> {error.code} {error.read().decode()}")

ask("GET", "https://api.github.com/repos/acme/shop/issues")
ask("DELETE", "https://api.github.com/repos/acme/shop")
ask("POST", "https://uploads.example.com/secrets")
print("~/.ssh:", os.path.exists(os.path.expanduser("~/.ssh")))
`,
);
// The user's default policy; where the services' names stand on this machine is its operator's part.
writeFileSync(
  join(place.home, "policy.toml"),
  `# zero_trust.runtime.v1

[[network.rule]]
id = "read-issues"
host = "api.github.com"
method = ["GET"]
path = ["/repos/acme/shop/issues"]
private = ["127.0.0.1"]

[upstream]
ca = ${JSON.stringify(authority.caFile)}
resolve = { ${names.map((name) => `"${name}" = "127.0.0.1:${server.port}"`).join(", ")} }
`,
);

const env = {
  PATH: `${join(root, "bin")}:${process.env.PATH ?? ""}`,
  HOME: process.env.HOME ?? place.root,
  SALLYPORT_HOME: place.home,
  LANG: "C.UTF-8",
};
const size = { columns: 104, rows: 24 };

const scenes: readonly (readonly [string, string, readonly string[]])[] = [
  [
    "run",
    "an agent in its cell",
    ["tail -5 agent.py", "sallyport run -- python3 agent.py", "sallyport explain-code method_not_allowed"],
  ],
  [
    "session",
    "what is left of a run",
    ["sallyport sessions list", "sallyport sessions show last", "sallyport audit verify last"],
  ],
];

for (const [name, title, lines] of scenes) {
  const recording: Recording = await record(title, lines, { size, cwd: project, env });
  const film = await frames(recording);
  writeFileSync(join(pictures, `${name}.cast`), asciicast(recording));
  writeFileSync(join(pictures, `${name}.svg`), picture(recording, film));
  console.log(`docs/pictures/${name}.svg: ${film.length} frames, ${recording.chunks.at(-1)?.time.toFixed(1)} s`);
}
await server.close();
place.close();
