// What a folder says of the hosts that work in it will need: package managers by their files, git remotes, agents by what they
// are told. A look at names and a few small files, the folder and those one level below; nothing is run. The folder may be
// hostile: what is taken over from it is a host that the policy's parser accepts, and nothing else.

import { existsSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, dirname, join, resolve } from "node:path";
import { endpointText, isLoopback, parseEndpoint } from "#policy/host-pattern.ts";
import { parseGitConfig } from "#sandbox/git-config.ts";
import { shippedPrograms } from "../profile/names.ts";

export interface Fact {
  readonly kind: "packages" | "remote" | "agent";
  /** What was found: `package.json`, `remote origin`, `claude`. */
  readonly found: string;
  /** The entry of `allow`; null for what needs none. */
  readonly allow: string | null;
  /** For a person: what it is for. */
  readonly why: string;
}

const managers: readonly (readonly [files: RegExp, allow: readonly string[], why: string])[] = [
  [/^(package\.json|(bun|pnpm-workspace|yarn)\.(lockb?|yaml))$/, ["@npm"], "npm packages"],
  [/^(pyproject\.toml|requirements[\w.-]*\.txt|setup\.(py|cfg)|Pipfile|uv\.lock)$/, ["@pypi"], "Python packages"],
  [/^environment\.ya?ml$/, ["@conda"], "conda packages"],
  [/^Cargo\.toml$/, ["@crates"], "Rust crates"],
  [/^go\.mod$/, ["@go"], "Go modules"],
  [/^pom\.xml$/, ["@maven"], "Maven artifacts"],
  [/^(build|settings)\.gradle(\.kts)?$/, ["@maven", "@gradle"], "Maven artifacts, Gradle and its plugins"],
  [/^(Gemfile|[\w.-]+\.gemspec)$/, ["@rubygems"], "Ruby gems"],
  [/^composer\.json$/, ["@packagist", "@github"], "PHP packages, most of them fetched from GitHub"],
  [/^([\w. -]+\.(cs|fs|vb)proj|[\w. -]+\.slnx?|nuget\.config)$/i, ["@nuget"], ".NET packages"],
  [/^mix\.exs$/, ["@hex"], "Elixir packages"],
  [/^deno\.jsonc?$/, ["jsr.io:443", "deno.land:443", "@npm"], "Deno's modules"],
];

/** Host to what reads from it. */
const forges: { readonly [host: string]: string } = {
  "github.com": "@github",
  "gitlab.com": "@gitlab",
  "bitbucket.org": "@bitbucket",
  "codeberg.org": "@codeberg",
};

const agentFiles: { readonly [name: string]: readonly string[] } = {
  claude: ["CLAUDE.md", ".claude"],
  codex: [".codex"],
  gemini: ["GEMINI.md", ".gemini"],
  opencode: ["opencode.json", "opencode.jsonc", ".opencode"],
  aider: [".aider.conf.yml"],
};

const mostFolders = 200;
const longestFile = 256 * 1024;

/** Each fact once; `path` is the PATH to look for agents in. */
export function projectFacts(folder: string, path: string): Fact[] {
  return [...packageFacts(folder), ...remoteFacts(folder), ...agentFacts(folder, path)];
}

function packageFacts(folder: string): Fact[] {
  const facts: Fact[] = [];
  const said = new Set<string>();
  const add = (found: string, allow: string, why: string) => {
    if (said.has(allow)) return;
    said.add(allow);
    facts.push({ kind: "packages", found, allow, why });
  };
  for (const below of ["", ...subfolders(folder)]) {
    for (const name of filesIn(join(folder, below))) {
      const found = join(below, name);
      for (const [files, allow, why] of managers) if (files.test(name)) for (const one of allow) add(found, one, why);
      for (const host of registriesIn(name, join(folder, below, name))) add(found, host, "a registry that it names");
    }
  }
  return facts;
}

/** Hosts of registries that are not the public ones. */
function registriesIn(name: string, file: string): string[] {
  const line =
    name === ".npmrc"
      ? /^\s*(?:@[\w.-]+:)?registry\s*=\s*(\S+)/gm
      : name === ".yarnrc.yml"
        ? /^\s*npmRegistryServer:\s*["']?([^\s"']+)/gm
        : /^requirements[\w.-]*\.txt$/.test(name)
          ? /^\s*(?:--(?:extra-)?index-url|-i)[ =]\s*(\S+)/gm
          : /^(pyproject|uv)\.toml$/.test(name)
            ? /^\s*url\s*=\s*"(https?:\/\/[^"]+)"/gm
            : null;
  if (line === null) return [];
  const known = ["registry.npmjs.org", "registry.yarnpkg.com", "pypi.org"];
  return [...(smallText(file) ?? "").matchAll(line)]
    .map(([, url = ""]) => endpointOf(url))
    .filter((host) => host !== null)
    .filter((host) => !known.includes(host.replace(/:\d+$/, "")));
}

function remoteFacts(folder: string): Fact[] {
  const facts: Fact[] = [];
  const said = new Set<string>();
  for (const { name, url } of remotes(folder)) {
    const entry = endpointOf(url);
    if (entry === null) continue;
    const host = entry.replace(/:\d+$/, "");
    const forge = forges[host] ?? null;
    const ssh = !/^https?:\/\//i.test(url);
    // Over ssh a key would be needed, and none is in the cell; the same repository is there over https.
    const allow = forge ?? (ssh ? `${host}:443` : entry);
    if (said.has(allow)) continue;
    said.add(allow);
    const push = forge === "@github" || forge === "@gitlab" ? `; pushing is "${forge}-push"` : "";
    const how = ssh ? ", over https because keys for ssh are not in the cell" : "";
    facts.push({
      kind: "remote",
      found: name,
      allow,
      why: `clone and fetch from ${host}${how}${forge === null ? "" : push}`,
    });
  }
  return facts;
}

/** Remotes and submodules, by the configuration of the folder's repository. */
function remotes(folder: string): { name: string; url: string }[] {
  const files = [join(gitFolder(folder), "config"), join(folder, ".gitmodules")];
  return files.flatMap((file) =>
    (parseGitConfig(smallText(file) ?? "") ?? [])
      .filter(({ section, key }) => (section === "remote" || section === "submodule") && key === "url")
      .map(({ section, subsection, value }) => ({
        name: `${section} ${/^[\w./-]{1,60}$/.test(subsection ?? "") ? subsection : "of another name"}`,
        url: value,
      })),
  );
}

/**
 * The repository that the folder is in, which may begin above it. A worktree's or submodule's `.git` is a file that names the
 * folder; what is common to worktrees stands elsewhere again.
 */
function gitFolder(folder: string): string {
  let top = folder;
  while (!existsSync(join(top, ".git")) && dirname(top) !== top) top = dirname(top);
  const at = join(top, ".git");
  const named = /^gitdir: (.+)$/m.exec(smallText(at) ?? "")?.[1]?.trim();
  const own = named === undefined ? at : resolve(top, named);
  const common = smallText(join(own, "commondir"))?.trim();
  return common === undefined ? own : resolve(own, common);
}

function agentFacts(folder: string, path: string): Fact[] {
  return Object.keys(shippedPrograms).flatMap((program): Fact[] => {
    const file = (agentFiles[program] ?? []).find((name) => existsSync(join(folder, name)));
    const installed = path.split(delimiter).some((dir) => dir.startsWith("/") && existsSync(join(dir, program)));
    if (file === undefined && !installed) return [];
    const found = [file ?? [], installed ? "installed" : []].flat().join(", ");
    return [
      {
        kind: "agent",
        found: `${program} (${found})`,
        allow: null,
        why: `sallyport run ${program} adds what it needs by itself`,
      },
    ];
  });
}

/** The `host` or `host:port` of a URL or of git's `user@host:path`; null where a policy could not name it. */
function endpointOf(url: string): string | null {
  const [, scheme, authority] = /^(?:git\+)?(https?|ssh|git):\/\/(?:[^@/]*@)?([^/?#\s]+)/i.exec(url) ?? [];
  const [, scp] = scheme === undefined ? (/^(?:[^@/\s]+@)?([\w.-]+\.[\w-]+):[^/]/.exec(url) ?? []) : [];
  const text = authority ?? scp;
  if (text === undefined || text.includes("*")) return null;
  const https = /^https?$/i.test(scheme ?? "");
  const parsed = parseEndpoint(https ? text : text.replace(/:\d*$/, ""));
  if (!parsed.ok || isLoopback(parsed.value.host)) return null;
  const port = parsed.value.port ?? (/^https$/i.test(scheme ?? "") ? 443 : null);
  return endpointText({ host: parsed.value.host, port });
}

function subfolders(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter(
      (entry) =>
        entry.isDirectory() && !entry.name.startsWith(".") && !/^(node_modules|target|dist|vendor)$/.test(entry.name),
    )
    .slice(0, mostFolders)
    .map(({ name }) => name)
    .filter((name) => /^[\w. -]+$/.test(name))
    .sort();
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EACCES") return [];
    throw error;
  }
}

/** Null for what is no small regular file, or cannot be read. */
function smallText(file: string): string | null {
  try {
    const found = lstatSync(file);
    return found.isFile() && found.size <= longestFile ? readFileSync(file, "utf8") : null;
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    return null;
  }
}
