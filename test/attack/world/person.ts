// Who starts sallyport: root, or an ordinary user that exists for this run only. Each has a home with secrets planted in
// it, the kind that a cell must not show, and a git repository to work in.

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import type { World } from "./world.ts";

/** Stands in every planted secret: a file of a cell that holds it is a leak. */
export const planted = "planted-secret-73b1";

export interface Person {
  readonly name: "root" | "user";
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly workspace: string;
  /** The uid that owns the workspace, which is who the cell is on the host. */
  readonly owner: number;
  readonly environment: { readonly [name: string]: string };
  /** Words that start `argv` in the host's namespaces of the world, as this person, in the workspace. */
  command(argv: readonly string[], environment?: { readonly [name: string]: string }): string[];
  /** The same as the workspace's owner: who uses the working folder on the host when the run is over. */
  afterwards(argv: readonly string[]): string[];
  leave(): void;
}

/** Owns root's workspace: root itself never is who works in a cell. */
const workspaceOwner = 61_185;

/** Paths of planted secrets below the home. */
export const secrets: readonly string[] = [
  ".ssh/id_ed25519",
  ".ssh/config",
  ".sshfoo/id",
  ".aws/credentials",
  ".azure/accessTokens.json",
  ".config/gcloud/credentials.db",
  ".config/gh/hosts.yml",
  ".config/op/config",
  ".docker/config.json",
  ".kube/config",
  ".gnupg/private-keys-v1.d/key",
  ".netrc",
  ".git-credentials",
  ".npmrc",
  ".pypirc",
  ".cargo/credentials.toml",
  ".terraform.d/credentials.tfrc.json",
  ".vault-token",
  ".pgpass",
  ".my.cnf",
  ".bash_history",
  ".python_history",
  ".local/share/keyrings/login.keyring",
  ".mozilla/firefox/cookies.sqlite",
  ".config/google-chrome/Default/Cookies",
  ".claude/.credentials.json",
  ".codex/auth.json",
  "Documents/taxes.txt",
  "other-project/.env",
  ".sallyport/keys/planted.key",
  ".sallyport/secrets/planted",
  ".profile",
];

export function becomeRoot(world: World): Person {
  const home = path.join(world.folder, "root-home");
  fs.mkdirSync(home, { mode: 0o711 });
  const person = describe(world, { name: "root", uid: 0, gid: 0, home, login: "root", owner: workspaceOwner });
  furnish(person);
  return person;
}

export function createUser(world: World): Person {
  removeForgotten();
  const login = `attack${process.pid}`;
  const home = path.join(world.folder, "user-home");
  execFileSync("useradd", ["--no-create-home", "--home-dir", home, "--shell", "/bin/bash", login], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const [uid = 0, gid = 0] = ["-u", "-g"].map((flag) =>
    Number(execFileSync("id", [flag, login], { encoding: "utf8" })),
  );
  fs.mkdirSync(home, { mode: 0o700 });
  const person = describe(world, { name: "user", uid, gid, home, login, owner: uid });
  furnish(person);
  return person;
}

function describe(
  world: World,
  who: { name: "root" | "user"; uid: number; gid: number; home: string; login: string; owner: number },
): Person {
  const workspace = path.join(who.home, "work");
  const environment = {
    HOME: who.home,
    USER: who.login,
    LOGNAME: who.login,
    SHELL: "/bin/bash",
    LANG: "C.UTF-8",
    TMPDIR: path.join(who.home, "tmp"),
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    AWS_SECRET_ACCESS_KEY: planted,
    GITHUB_TOKEN: planted,
    OPENAI_API_KEY: planted,
    SSH_AUTH_SOCK: world.namedSocket,
    DBUS_SESSION_BUS_ADDRESS: `unix:path=${world.namedSocket}`,
    HTTPS_PROXY: "http://93.184.216.66:3128",
    https_proxy: "http://93.184.216.66:3128",
  };
  const as = (
    uid: number,
    gid: number,
    variables: { readonly [name: string]: string },
    argv: readonly string[],
  ): string[] => {
    const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    const become = ["setpriv", `--reuid=${uid}`, `--regid=${gid}`, "--clear-groups", "--"];
    return world.inside([...become, "env", "-i", "-C", workspace, ...settings, ...argv]);
  };
  return {
    ...who,
    workspace,
    environment,
    command(argv, extra = {}) {
      return as(who.uid, who.gid, { ...environment, ...extra }, argv);
    },
    afterwards(argv) {
      return as(who.owner, who.owner, { PATH: environment.PATH, HOME: "/nonexistent" }, argv);
    },
    leave() {
      if (who.name === "user") execFileSync("userdel", ["--force", who.login], { stdio: "ignore" });
    },
  };
}

function furnish(person: Person): void {
  for (const secret of secrets) {
    const file = path.join(person.home, secret);
    fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    fs.writeFileSync(file, `${planted} ${secret}\n`, { mode: 0o600 });
  }
  fs.mkdirSync(path.join(person.home, "tmp"));
  execFileSync("chown", ["-R", `${person.uid}:${person.gid}`, person.home]);
  placeWorkspace(person);
}

/** The working folder as it is before an agent had it in its hands: a repository, and the attacks' programs. */
export function placeWorkspace(person: Person): void {
  const { workspace } = person;
  fs.mkdirSync(workspace, { recursive: true, mode: 0o755 });
  for (const name of fs.readdirSync(workspace))
    if (name !== "attack") fs.rmSync(path.join(workspace, name), { recursive: true, force: true });
  const git = (...argv: string[]): unknown =>
    execFileSync("git", ["-C", workspace, "-c", "user.name=a", "-c", "user.email=a@example.com", ...argv], {
      stdio: "ignore",
      env: { ...process.env, HOME: "/nonexistent" },
    });
  execFileSync("chown", ["-R", "0:0", workspace]);
  git("init", "-q", "-b", "main");
  fs.writeFileSync(path.join(workspace, "readme"), "hello\n");
  fs.writeFileSync(path.join(workspace, ".gitignore"), "attack\n*.json\n");
  for (const file of [".envrc", ".mcp.json", ".vscode/tasks.json", ".github/workflows/ci.yml"]) {
    fs.mkdirSync(path.dirname(path.join(workspace, file)), { recursive: true });
    fs.writeFileSync(path.join(workspace, file), "{}\n");
  }
  fs.writeFileSync(path.join(workspace, "sallyport.policy.toml"), "# zero_trust.runtime.v1\n");
  git("add", "-f", ".envrc", ".mcp.json", ".vscode", ".github", "readme", ".gitignore");
  git("commit", "-q", "-m", "first");
  execFileSync("chown", ["-R", `${person.owner}:${person.owner}`, workspace]);
}

/** Users of runs that were killed before they could remove them. */
function removeForgotten(): void {
  for (const [, login, pid] of fs
    .readFileSync("/etc/passwd", "utf8")
    .matchAll(/^(attack(\d+)):[^\n]*\/sallyport-attack-/gm))
    if (login !== undefined && !fs.existsSync(`/proc/${pid}`))
      execFileSync("userdel", ["--force", login], { stdio: "ignore" });
}

/** Where a trap that goes off leaves its mark. */
export function trapFile(world: World, person: Person): string {
  const folder = path.join(world.folder, "traps");
  fs.mkdirSync(folder, { recursive: true });
  fs.chmodSync(folder, 0o1777);
  return path.join(folder, person.name);
}
