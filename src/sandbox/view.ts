// What the agent sees of the file system: an allow list, never the host's root minus something.
// Order matters to bubblewrap (later mounts lie over earlier ones): system, home, toolchains, workspace, protection.

import { existsSync, lstatSync, readdirSync, readlinkSync, realpathSync } from "node:fs";
import type { Limits } from "./limits.ts";
import { nameServers } from "./network.ts";
import type { HostUser } from "./user.ts";

export interface View {
  /** Writable, at the same path as on the host. */
  readonly workspace: string;
  /** HOME: the path in the cell, and the host's folder that is shown there. */
  readonly home: { readonly path: string; readonly folder: string };
  /** Shown read-only at their own paths: toolchains, the program's own folder. */
  readonly readOnly: readonly string[];
  /** A PEM file of the host: its own authorities and sallyport's. */
  readonly caBundle: string | null;
}

export interface ViewArguments {
  /** Numbers stand for the descriptor of `data` at that index. */
  readonly args: readonly (string | number)[];
  /** base64 */
  readonly data: readonly string[];
}

const systemFolders = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt"];

const etcEntries =
  /^(alternatives|ca-certificates\.conf|ca-certificates|ld\.so\..*|ld-musl-.*\.path|localtime|timezone|mime\.types|protocols|services|networks|host\.conf|gai\.conf|inputrc|profile|profile\.d|bash\.bashrc|bashrc|bash_completion\.d|skel|terminfo|debian_version|os-release|lsb-release|redhat-release|system-release|alpine-release|fedora-release|SuSE-release|arch-release|issue|fonts|xdg|magic|magic\.mime|java.*|perl|python3?(\.\d+)?|ImageMagick.*|pki|crypto-policies|gitconfig|login\.defs|shells|locale\.alias|locale\.conf|rpc|ethertypes|vim|nanorc|manpath\.config|papersize|sgml|xml|php|R|emacs|groff|texmf|maven|gtk-[23]\.0|glvnd|OpenCL|netconfig|odbc.*\.ini|zsh|fish)$/;

/** Where programs look for the system's authorities: Debian, Red Hat, SUSE, Alpine, and what Go tries besides. */
export const caBundlePaths = [
  "/etc/ssl/certs/ca-certificates.crt",
  "/etc/pki/tls/certs/ca-bundle.crt",
  "/etc/pki/tls/certs/ca-bundle.trust.crt",
  "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
  "/etc/ssl/ca-bundle.pem",
  "/etc/pki/tls/cacert.pem",
  "/etc/ssl/cert.pem",
  "/var/lib/ca-certificates/ca-bundle.pem",
  "/usr/local/share/certs/ca-root-nss.crt",
  "/usr/lib/ssl/cert.pem",
] as const;

export function viewArguments(view: View, user: HostUser, limits: Limits): ViewArguments {
  const args: (string | number)[] = [];
  const data: string[] = [];
  const file = (path: string, text: string) => {
    args.push("--perms", "0644", "--ro-bind-data", data.length, path);
    data.push(Buffer.from(text).toString("base64"));
  };
  for (const folder of systemFolders) {
    const kind = lstatSync(folder, { throwIfNoEntry: false });
    if (kind?.isSymbolicLink()) args.push("--symlink", readlinkSync(folder), folder);
    else if (kind?.isDirectory()) args.push("--ro-bind", folder, folder);
  }
  args.push("--dev", "/dev", "--proc", "/proc");
  args.push("--perms", "1777", "--size", String(limits.temporary), "--tmpfs", "/tmp");
  args.push("--perms", "1777", "--size", String(limits.temporary), "--tmpfs", "/dev/shm");
  for (const folder of ["/etc", "/run", "/var"]) args.push("--perms", "0755", "--dir", folder);
  args.push("--symlink", "../tmp", "/var/tmp", "--symlink", "../run", "/var/run");
  for (const name of readdirSync("/etc")) {
    if (!etcEntries.test(name)) continue;
    const path = `/etc/${name}`;
    if (lstatSync(path).isSymbolicLink()) args.push("--symlink", readlinkSync(path), path);
    else args.push("--ro-bind-try", path, path);
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
  trustArguments(view.caBundle, args);
  args.push("--bind", view.home.folder, home);
  for (const path of view.readOnly) args.push("--ro-bind-try", path, path);
  args.push("--bind", view.workspace, view.workspace);
  // The root and /dev are memory of no fixed size until they are read-only.
  args.push("--remount-ro", "/dev", "--remount-ro", "/");
  return { args, data };
}

/** /etc/ssl is built of its own entries, so that `cert.pem`, which OpenSSL's own default names, can stand among them. */
function trustArguments(bundle: string | null, args: (string | number)[]): void {
  args.push("--perms", "0755", "--dir", "/etc/ssl");
  const entries = existsSync("/etc/ssl") ? readdirSync("/etc/ssl") : [];
  for (const name of entries)
    if (name !== "private" && name !== "cert.pem") args.push("--ro-bind-try", `/etc/ssl/${name}`, `/etc/ssl/${name}`);
  if (!entries.includes("certs")) args.push("--perms", "0755", "--dir", "/etc/ssl/certs");
  if (bundle === null) return;
  const bound = new Set<string>();
  for (const path of caBundlePaths) {
    if (!existsSync(path)) continue;
    const real = realpathSync(path);
    if (!bound.has(real) && real !== "/etc/ssl/cert.pem") args.push("--ro-bind", bundle, real);
    bound.add(real);
  }
  args.push("--ro-bind", bundle, "/etc/ssl/cert.pem");
  if (!entries.includes("certs")) args.push("--ro-bind", bundle, "/etc/ssl/certs/ca-certificates.crt");
}
