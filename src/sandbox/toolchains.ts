// What of the user's home the agent sees, read-only: the toolchains it would find there as that user, and the program it
// is. And what of it is never shown, whatever asks for it.
// Rules: only paths of these tables, of PATH, and around the program are looked at; no folder is walked.

import { existsSync, realpathSync, statSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { isWithin } from "#lib/file-path.ts";

/** Relative to HOME. */
const toolchainRoots = [
  ".nvm",
  ".nodenv",
  ".volta",
  ".fnm",
  ".local/share/fnm",
  "n",
  ".npm-global",
  ".yarn/bin",
  ".local/share/pnpm",
  ".bun",
  ".deno",
  ".pyenv",
  ".local/bin",
  ".local/lib",
  ".local/pipx",
  ".local/share/pipx",
  ".local/share/uv",
  ".pixi",
  "miniconda3",
  "anaconda3",
  "miniforge3",
  "mambaforge",
  ".cargo/bin",
  ".cargo/env",
  ".rustup",
  "go/bin",
  "sdk",
  ".gvm",
  ".goenv",
  ".sdkman",
  ".jenv",
  ".jabba",
  ".jdks",
  ".rbenv",
  ".rvm",
  ".asdf",
  ".asdfrc",
  ".tool-versions",
  ".local/share/mise",
  ".proto",
  ".dotnet",
  ".juliaup",
  ".ghcup",
  ".opam",
  ".swiftly",
  ".foundry/bin",
  ".nix-profile",
  ".linuxbrew",
] as const;

/** Relative to HOME; also what lies below. */
const credentials = [
  ".ssh",
  ".aws",
  ".azure",
  ".config/gcloud",
  ".config/gh",
  ".config/hub",
  ".config/glab-cli",
  ".config/op",
  ".config/git/credentials",
  ".config/rclone",
  ".config/sops",
  ".config/containers/auth.json",
  ".netrc",
  ".npmrc",
  ".yarnrc",
  ".yarnrc.yml",
  ".pypirc",
  ".config/pip",
  ".pip",
  ".docker",
  ".kube",
  ".gnupg",
  ".git-credentials",
  ".cargo/credentials",
  ".cargo/credentials.toml",
  ".gem/credentials",
  ".m2/settings.xml",
  ".gradle/gradle.properties",
  ".composer/auth.json",
  ".password-store",
  ".local/share/keyrings",
  ".vault-token",
  ".terraform.d",
  ".terraformrc",
  ".databrickscfg",
  ".snowflake",
  ".pgpass",
  ".my.cnf",
  ".mozilla",
  ".config/google-chrome",
  ".config/chromium",
  ".config/BraveSoftware",
  ".bash_history",
  ".zsh_history",
  ".python_history",
  ".claude",
  ".claude.json",
  ".codex",
  ".config/opencode",
  ".local/share/opencode",
  ".gemini",
  ".sallyport",
] as const;

/** Relative to HOME: what package managers write to inside of what is shown read-only; the cell has its own there. */
const privateCaches = [
  ".local/share/pnpm/store",
  ".bun/install/cache",
  ".rustup/tmp",
  ".volta/tmp",
  ".proto/temp",
] as const;

export function credentialPaths(home: string): string[] {
  return credentials.map((path) => join(home, path));
}

export interface HomeQuestion {
  readonly home: string;
  /** PATH as the agent will have it. */
  readonly path: string;
  /** The program's file, if it was found. */
  readonly program: string | null;
  /** Never shown, and nothing that contains it: the home of sallyport, the workspace (which is shown otherwise). */
  readonly never: readonly string[];
}

export interface VisibleHome {
  /** Absolute, to be shown read-only. */
  readonly show: string[];
  /** Below those, to be closed. */
  readonly hide: string[];
  /** Below those, folders in whose place the cell has its own. */
  readonly own: string[];
}

export function visibleHome(question: HomeQuestion): VisibleHome {
  const secret = credentialPaths(question.home);
  const wanted = toolchainRoots.map((path) => join(question.home, path));
  for (const path of question.path.split(":")) if (path.startsWith("/")) wanted.push(toolchainOf(path) ?? path);
  if (question.program !== null) wanted.push(...programRoots(question.program));
  const show = new Set<string>();
  for (const path of wanted) {
    if (!existsSync(path) || systemFolders.some((folder) => isWithin(path, folder))) continue;
    if (tooWide.has(path) || isWithin(question.home, path)) continue;
    if (
      secret.some((kept) => isWithin(path, kept)) ||
      question.never.some((kept) => isWithin(kept, path) || isWithin(path, kept))
    )
      continue;
    show.add(path);
  }
  const roots = [...show].filter((path) => ![...show].some((other) => other !== path && isWithin(path, other)));
  const below = (path: string) => roots.some((root) => root !== path && isWithin(path, root)) && existsSync(path);
  return {
    show: roots,
    hide: secret.filter((kept) => roots.includes(kept) || below(kept)),
    own: privateCaches.map((path) => join(question.home, path)).filter(below),
  };
}

/** The toolchain that a folder of PATH belongs to, wherever it stands: shims lead to programs beside them. */
function toolchainOf(path: string): string | null {
  for (const root of toolchainRoots) {
    if (!root.startsWith(".") || root.endsWith("/bin")) continue;
    const at = `${path}/`.indexOf(`/${root}/`);
    if (at >= 0) return path.slice(0, at + 1 + root.length);
  }
  return null;
}

/** Shown whole, and hence never again. */
export const systemFolders = [
  "/usr",
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/opt",
  "/nix",
  "/home/linuxbrew/.linuxbrew",
] as const;

const tooWide = new Set([
  "/",
  "/home",
  "/root",
  "/tmp",
  "/var",
  "/var/tmp",
  "/etc",
  "/proc",
  "/sys",
  "/dev",
  "/run",
  "/mnt",
  "/srv",
  "/media",
]);

/** The folder that a program needs around itself: its package with what that depends on, its virtual environment. */
function programRoots(program: string): string[] {
  const roots: string[] = [];
  for (const path of new Set([program, real(program)])) {
    const modules = path.indexOf(`${sep}node_modules${sep}`);
    const environment = dirname(dirname(path));
    if (modules >= 0) roots.push(path.slice(0, modules + `${sep}node_modules`.length));
    else if (existsSync(join(environment, "pyvenv.cfg"))) roots.push(environment);
    else roots.push(packageRoot(path) ?? path);
  }
  return roots;
}

function packageRoot(file: string): string | null {
  let folder = dirname(file);
  for (let level = 0; level < 4 && !tooWide.has(folder); level++, folder = dirname(folder))
    if (existsSync(join(folder, "package.json"))) return folder;
  return null;
}

function real(path: string): string {
  return statSync(path, { throwIfNoEntry: false }) === undefined ? path : realpathSync(path);
}
