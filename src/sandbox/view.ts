// What the agent sees of the file system: an allow list, never the host's root minus something.
// Order matters to bubblewrap (later mounts lie over earlier ones): system, trust, home, toolchains, workspace, guard.
// Rules: a fixed number of paths is looked at, no folder is walked; the root and /dev are read-only in the end, because
// they are memory of no fixed size until then.

import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, resolve } from "node:path";
import { isWithin } from "#lib/file-path.ts";
import type { AgentView } from "./agent-state.ts";
import type { Files } from "./files.ts";
import { gitPrograms, gitProgramTexts, gitSettings } from "./git-identity.ts";
import { components, type Guarded } from "./guard.ts";
import type { Shim } from "./inner-shim.ts";
import type { Limits } from "./limits.ts";
import { nameServers } from "./network.ts";
import { findProgram } from "./program.ts";
import { clearWay } from "./put-right.ts";
import type { Staging } from "./staging.ts";
import { systemFolders, visibleHome } from "./toolchains.ts";
import { bundlePaths, type Trust, trustPaths } from "./trust.ts";
import type { HostUser } from "./user.ts";

export interface View {
  /** Writable, at the same path as on the host; what `checkWorkspace` gave. */
  readonly workspace: string;
  /** HOME: the path in the cell, and the host's folder that is shown there, kept for the agent. */
  readonly home: { readonly path: string; readonly folder: string };
  /** The home of sallyport: nothing of it is shown. */
  readonly sallyportHome: string;
  /** A folder of this run on the host, for private copies (git configurations). */
  readonly scratch: string;
  /** A file that says what is to be put right, while this run has not done so; see interrupted.ts. */
  readonly note: string;
  /** Files of the workspace to keep read-only, such as the policy. */
  readonly readOnly: readonly string[];
  /** What the policy's `[filesystem]` says; null: nothing. */
  readonly files: Files | null;
  readonly trust: Trust | null;
  /** Files that are shown as they were measured, by their paths; null: none. */
  readonly measured: ReadonlyMap<string, string> | null;
  /** The `sallyport` command inside; null: none. */
  readonly shim: Shim | null;
  /** What the agent's profile shows of its state; null: nothing. */
  readonly agent: AgentView | null;
}

export interface ViewArguments {
  /** Numbers stand for the descriptor of `data` at that index. */
  readonly args: (string | number)[];
  /** Files for bubblewrap. */
  readonly data: Buffer[];
  /** What is searched, in order: the first word of the command, in PATH. */
  readonly program: string | null;
}

/** Files of /etc, copied: a mount each would cost more than reading them. */
const etcFiles =
  /^(ca-certificates\.conf|ld\.so\.(cache|conf)|ld-musl-.*\.path|localtime|timezone|mime\.types|protocols|services|networks|host\.conf|gai\.conf|inputrc|profile|bash\.bashrc|bashrc|debian_version|os-release|lsb-release|redhat-release|system-release|alpine-release|fedora-release|SuSE-release|arch-release|issue|magic|magic\.mime|login\.defs|shells|locale\.alias|locale\.conf|rpc|ethertypes|nanorc|netconfig|odbc.*\.ini)$/;
const etcFolders =
  /^(alternatives|profile\.d|terminfo|fonts|java.*|perl|python3?(\.\d+)?|ImageMagick.*|pki|crypto-policies|php|R|xml|zsh|fish|maven)$/;
const largestCopy = 32 * 1024; // bytes

/** In the cell: the private copies. */
const scratchPath = "/run/sallyport";

export interface ViewQuestion {
  readonly view: View;
  readonly command: readonly string[];
  readonly cwd: string;
  readonly path: string;
  readonly user: HostUser;
  readonly limits: Limits;
  readonly guarded: readonly Guarded[];
  readonly staging: Staging;
}

export function viewArguments({
  view,
  command,
  cwd,
  path,
  user,
  limits,
  guarded,
  staging,
}: ViewQuestion): ViewArguments {
  const args: (string | number)[] = [];
  const data: Buffer[] = [];
  const file = (target: string, text: string, perms = "0644") => {
    args.push("--perms", perms, "--file", data.length, target);
    data.push(Buffer.from(text));
  };
  const folder = (target: string) => args.push("--perms", "0755", "--dir", target);
  const parents = (target: string) => {
    const above: string[] = [];
    for (let at = dirname(target); at !== "/"; at = dirname(at)) above.unshift(at);
    for (const at of above)
      if (![...systemFolders, "/tmp", "/dev", "/proc"].some((shown) => isWithin(at, shown))) folder(at);
  };

  const deny = view.files?.deny ?? [];
  const isDenied = (path: string) => deny.some((at) => isWithin(path, at));
  for (const at of systemFolders) {
    if (isDenied(at)) continue;
    const kind = lstatSync(at, { throwIfNoEntry: false });
    if (kind?.isSymbolicLink()) args.push("--symlink", readlinkSync(at), at);
    else if (kind?.isDirectory()) args.push("--ro-bind", at, at);
  }
  args.push("--dev", "/dev", "--proc", "/proc");
  // Names of the caller's keys are there to be read by the same user, whatever the session keyring is.
  for (const path of ["/proc/keys", "/proc/key-users"]) if (existsSync(path)) args.push("--ro-bind", "/dev/null", path);
  for (const at of ["/tmp", "/dev/shm"])
    args.push("--perms", "1777", "--size", String(limits.temporary), "--tmpfs", at);
  for (const at of ["/etc", "/run", "/var"]) folder(at);
  args.push("--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run");
  for (const entry of readdirSync("/etc", { withFileTypes: true })) {
    const at = `/etc/${entry.name}`;
    const isFile = etcFiles.test(entry.name);
    if ((!isFile && !etcFolders.test(entry.name)) || isDenied(at)) continue;
    if (entry.isSymbolicLink()) args.push("--symlink", readlinkSync(at), at);
    else if (entry.isDirectory()) args.push("--ro-bind-try", at, at);
    else if (isFile && entry.isFile()) copyFile(at, args, data);
  }
  const home = view.home.path;
  file(
    "/etc/passwd",
    `root:x:0:0:root:/root:/bin/sh\n${user.name}:x:${user.uid}:${user.gid}::${home}:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n`,
  );
  file("/etc/group", `root:x:0:\n${user.name}:x:${user.gid}:\nnogroup:x:65534:\n`);
  file("/etc/hosts", "127.0.0.1 localhost cell\n::1 localhost ip6-localhost ip6-loopback\n");
  file("/etc/hostname", "cell\n");
  file(
    "/etc/resolv.conf",
    `${nameServers.map((address) => `nameserver ${address}\n`).join("")}options timeout:2 attempts:1\n`,
  );
  file(
    "/etc/nsswitch.conf",
    "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\nethers: files\nrpc: files\n",
  );
  file("/etc/machine-id", `${"0".repeat(31)}1\n`);
  file("/etc/gitconfig", gitSettings({ home, workspace: view.workspace }));
  folder(dirname(gitPrograms.askpass));
  for (const [path, text] of Object.entries(gitProgramTexts)) file(path, text, "0755");
  for (const [path, source] of Object.entries(view.shim?.binds ?? {})) {
    parents(path);
    args.push("--ro-bind", source, path);
  }
  for (const [path, text] of Object.entries(view.shim?.files ?? {})) {
    parents(path);
    file(path, text, "0755");
  }
  trustArguments(view.trust, staging, args, data);

  parents(home);
  args.push("--bind", staging.source(view.home.folder), home);
  const first = command[0] ?? "";
  const asked = first.includes("/") ? resolve(cwd, first) : first;
  // PATH may name folders from where one stands.
  const folders = path.split(":").map((at) => resolve(cwd, at));
  const program = findProgram(asked, folders.join(":"));
  const { show, hide, own } = visibleHome({ home, path, program, never: [view.sallyportHome, view.workspace] });
  // One may lie in another: the wider first.
  const named = [...(view.files?.read ?? []), ...(view.files?.write ?? [])].sort((a, b) => a.length - b.length);
  const state = (view.agent?.show ?? []).filter(({ path }) => !isDenied(path));
  for (const at of [...show, ...state.map(({ path }) => path), ...named, view.workspace])
    if (isWithin(at, home) && at !== home) clearWay(view.home.folder, join(view.home.folder, at.slice(home.length)));
  for (const at of show)
    if (!isDenied(at)) {
      parents(at);
      args.push("--ro-bind-try", staging.source(at), at);
    }
  close(hide, args);
  for (const at of own) {
    const inside = join(view.home.folder, at.slice(home.length));
    clearWay(view.home.folder, inside);
    mkdirSync(inside, { recursive: true });
    args.push("--bind", join(staging.source(view.home.folder), at.slice(home.length)), at);
  }
  for (const { path, source, writable } of state) {
    parents(path);
    args.push(writable ? "--bind" : "--ro-bind", staging.source(source), path);
  }
  for (const { path, text } of view.agent?.files ?? []) {
    parents(path);
    file(path, text);
  }

  const writable = view.files?.write ?? [];
  const bind = (at: string) => {
    parents(at);
    args.push(writable.includes(at) ? "--bind" : "--ro-bind", staging.source(at), at);
  };
  for (const at of named) if (!isWithin(at, view.workspace)) bind(at);
  parents(view.workspace);
  const workspace = staging.source(view.workspace);
  args.push(view.files?.workspace === "read" ? "--ro-bind" : "--bind", workspace, view.workspace);
  for (const at of named)
    if (isWithin(at, view.workspace)) args.push("--bind", workspace + at.slice(view.workspace.length), at);
  const shared = guarded.filter((one) => one.outside && !writable.includes(one.workspace));
  for (const { workspace: at } of shared) {
    parents(at);
    args.push("--bind", staging.source(at), at);
  }
  const open = [...(view.files?.workspace === "read" ? [] : [view.workspace]), ...writable];
  guardArguments(guarded, waysTo(deny, [...open, ...shared.map((one) => one.workspace)]), view.scratch, staging, args);
  for (const [path, kept] of view.measured ?? []) {
    parents(path);
    args.push("--ro-bind", staging.source(kept), path);
  }
  const shown = [...systemFolders, "/etc", ...show, ...named, ...shared.map((one) => one.workspace), view.workspace];
  close(
    deny.filter((at) => !hide.includes(at) && shown.some((folder) => at !== folder && isWithin(at, folder))),
    args,
  );
  args.push("--remount-ro", "/dev", "--remount-ro", "/");
  return { args, data, program };
}

/** A folder is empty from here on, a file cannot be opened. */
function close(paths: readonly string[], args: (string | number)[]): void {
  for (const at of paths)
    args.push(
      ...(lstatSync(at).isDirectory()
        ? ["--perms", "0555", "--tmpfs", at, "--remount-ro", at]
        : ["--ro-bind", "/dev/null", at]),
    );
}

/** What the cell's user may not read is not there. */
function copyFile(path: string, args: (string | number)[], data: Buffer[]): void {
  const { size, mode } = statSync(path);
  if ((mode & 0o004) === 0) return;
  if (size > largestCopy) return void args.push("--ro-bind-try", path, path);
  args.push("--perms", "0644", "--file", data.length, path);
  data.push(readFileSync(path));
}

/** /etc/ssl is built of its own entries, so that `cert.pem`, which OpenSSL's default names, can stand among them. */
function trustArguments(trust: Trust | null, staging: Staging, args: (string | number)[], data: Buffer[]): void {
  args.push("--perms", "0755", "--dir", "/etc/ssl");
  const entries = existsSync("/etc/ssl") ? readdirSync("/etc/ssl") : [];
  for (const name of entries)
    if (!["private", "cert.pem", "sallyport.pem", ...(trust === null ? [] : ["certs"])].includes(name)) {
      const at = `/etc/ssl/${name}`;
      const kind = lstatSync(at);
      if (kind.isSymbolicLink()) args.push("--symlink", readlinkSync(at), at);
      else if (kind.isFile()) copyFile(at, args, data);
      else args.push("--ro-bind-try", at, at);
    }
  if (trust === null) return;
  const folder = staging.source(trust.folder);
  const [bundle, authority, certs, store] = [
    `${folder}/bundle.pem`,
    `${folder}/authority.pem`,
    `${folder}/certs`,
    `${folder}/cacerts`,
  ] as const;
  args.push(
    "--ro-bind",
    certs,
    trustPaths.folder,
    "--ro-bind",
    bundle,
    trustPaths.bundle,
    "--ro-bind",
    authority,
    trustPaths.authority,
  );
  const bound = new Set<string>();
  const over = (paths: readonly string[], source: string) => {
    for (const path of paths) {
      if (path.startsWith("/etc/ssl/") || !existsSync(path)) continue;
      const real = realpathSync(path);
      if (!bound.has(real) && !real.startsWith("/etc/ssl/")) args.push("--ro-bind", source, real);
      bound.add(real);
    }
  };
  over(bundlePaths, bundle);
  const machines = existsSync("/usr/lib/jvm")
    ? readdirSync("/usr/lib/jvm").map((name) => `/usr/lib/jvm/${name}/lib/security/cacerts`)
    : [];
  over(["/etc/pki/java/cacerts", "/etc/pki/ca-trust/extracted/java/cacerts", ...machines], store);
}

/** Folders of `open` on the way to what is closed: renamed, they would take it to where a later run does not close it. */
function waysTo(closed: readonly string[], open: readonly string[]): string[] {
  const ways = closed.flatMap((at) =>
    open.filter((top) => isWithin(at, top)).flatMap((top) => components(top, dirname(at))),
  );
  return [...new Set(ways)];
}

/** Mounts that keep what runs on the host later; their parents are mounts too, or they could be renamed away. */
function guardArguments(
  guarded: readonly Guarded[],
  ways: readonly string[],
  scratch: string,
  staging: Staging,
  args: (string | number)[],
): void {
  let copies = 0;
  for (const { workspace, around, readOnly, gitConfigs } of guarded) {
    const source = (path: string) => staging.source(workspace) + path.slice(workspace.length);
    const kept = new Set([...around, ...ways.filter((path) => isWithin(path, workspace) && path !== workspace)]);
    for (const path of [...kept].sort((a, b) => a.length - b.length)) args.push("--bind", source(path), path);
    for (const path of readOnly) args.push("--ro-bind", source(path), path);
    for (const path of gitConfigs) {
      const at = copies++;
      mkdirSync(privateCopy(scratch, at, ""), { recursive: true });
      writeFileSync(privateCopy(scratch, at), readFileSync(path));
      writeFileSync(join(scratch, `git-config-${at}`), readFileSync(path));
      staging.link(source(path), `${scratchPath}/${at}/config`);
    }
  }
  if (copies > 0)
    args.push("--perms", "0755", "--dir", scratchPath, "--bind", staging.source(join(scratch, "git")), scratchPath);
}

/** On the host: the copy of the nth git configuration that the agent writes. */
export function privateCopy(scratch: string, at: number, name = "config"): string {
  return join(scratch, "git", String(at), name);
}
