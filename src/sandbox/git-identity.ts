// What a cell's git knows of the person: name and address, as git on the host would take them in this folder, and some settings
// that are data. And what it says where it would need keys or passwords, none of which are in a cell.
// Rules: the host's files are read, never run; of them only the keys listed here pass, so no credential helper, alias or program
// does; conditions that are not about the folder (`onbranch:`, `hasconfig:`) count as not met.

import { lstatSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type Entry, parseGitConfig } from "./git-config.ts";

/** In the cell: programs that git asks for a password, and to reach a host by SSH. */
export const gitPrograms = { askpass: "/run/sallyport-git/askpass", ssh: "/run/sallyport-git/ssh" } as const;

/** Data to git, whatever the value. */
const kept = new Set([
  "user.name",
  "user.email",
  "init.defaultbranch",
  "core.autocrlf",
  "core.eol",
  "core.quotepath",
  "pull.rebase",
  "pull.ff",
  "push.default",
  "push.autosetupremote",
  "merge.conflictstyle",
  "diff.algorithm",
  "rebase.autosquash",
  "rerere.enabled",
  "fetch.prune",
]);
const deepest = 10;
const mostBytes = 2 ** 20;

export interface GitQuestion {
  /** Of the person, on the host. */
  readonly home: string;
  readonly workspace: string;
}

/** The text of /etc/gitconfig in the cell. */
export function gitSettings(question: GitQuestion): string {
  const found = new Map<string, string>();
  for (const [key, value] of personsSettings(question)) if (kept.has(key) && isOneLine(value)) found.set(key, value);
  let text = `[core]\n\taskPass = ${gitPrograms.askpass}\n\tsshCommand = ${gitPrograms.ssh}\n`;
  for (const [key, value] of found) {
    const [section, name] = key.split(".");
    text += `[${section}]\n\t${name} = "${value.replace(/["\\]/g, "\\$&")}"\n`;
  }
  return text;
}

/** A folder of the work tree from which git on the host runs hooks, because the person's own settings say so. */
export function personsHooks(question: GitQuestion): string | null {
  const value = personsSettings(question).findLast(([key]) => key === "core.hookspath")?.[1];
  if (!value) return null;
  return value.startsWith("~/") ? join(question.home, value.slice(2)) : resolve(question.workspace, value);
}

/** Keys without a subsection, and their values; the last of a key counts. */
function personsSettings(question: GitQuestion): [string, string][] {
  return ["/etc/gitconfig", join(question.home, ".config/git/config"), join(question.home, ".gitconfig")].flatMap(
    (file) => settingsOf(file, question, 0),
  );
}

function settingsOf(file: string, question: GitQuestion, depth: number): [string, string][] {
  const text = depth > deepest ? null : readSmall(file);
  const found: [string, string][] = [];
  for (const entry of text === null ? [] : (parseGitConfig(text, true) ?? [])) {
    const { section, subsection, key, value } = entry;
    if (key === "path" && includes(entry, file, question)) {
      const path = value.startsWith("~/") ? join(question.home, value.slice(2)) : value;
      found.push(...settingsOf(path.startsWith("/") ? path : join(dirname(file), path), question, depth + 1));
    } else if (subsection === null) found.push([`${section}.${key}`, value]);
  }
  return found;
}

function isOneLine(value: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a value with a line break could become another entry
  return !/[\0-\x1f\x7f]/.test(value);
}

/** `[include]`, and `[includeIf "gitdir:…"]` of a pattern that this folder matches (git-config(1), "Conditional includes"). */
function includes({ section, subsection }: Entry, file: string, { home, workspace }: GitQuestion): boolean {
  if (section === "include") return subsection === null;
  const condition = section === "includeif" ? /^gitdir(\/i)?:(.+)$/s.exec(subsection ?? "") : null;
  if (condition === null) return false;
  let pattern = condition[2] ?? "";
  if (pattern.startsWith("~/")) pattern = join(home, pattern.slice(1));
  else if (pattern.startsWith("./")) pattern = join(dirname(file), pattern.slice(1));
  else if (!pattern.startsWith("/")) pattern = `**/${pattern}`;
  if ((condition[2] ?? "").endsWith("/")) pattern = `${pattern.replace(/\/$/, "")}/**`;
  const source = pattern
    .split(/(\*\*\/|\/\*\*$|\*|\?)/)
    .map((part) => wildcards[part] ?? part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
    .join("");
  const matches = new RegExp(`^${source}$`, condition[1] === undefined ? "s" : "si");
  return gitFolders(workspace).some((folder) => matches.test(folder));
}

const wildcards: { readonly [part: string]: string } = { "**/": "(?:.*/)?", "/**": "/.*", "*": "[^/]*", "?": "[^/]" };

/** The folder of git, and where it is a worktree's, the one that its file names. */
function gitFolders(workspace: string): string[] {
  const git = join(workspace, ".git");
  const named = lstatSync(git, { throwIfNoEntry: false })?.isFile() ? readSmall(git) : null;
  const path = /^gitdir: ([^\n]+)\n?$/.exec(named ?? "")?.[1];
  return path === undefined ? [git] : [git, path];
}

function readSmall(path: string): string | null {
  try {
    const facts = statSync(path, { throwIfNoEntry: false });
    return facts?.isFile() && facts.size <= mostBytes ? readFileSync(path, "utf8") : null;
  } catch {
    return null; // what git on the host could not read either
  }
}

/** Programs as text, for a shell: they say what a cell lacks, where git would only say that it failed. */
export const gitProgramTexts: { readonly [path: string]: string } = {
  [gitPrograms.askpass]: `#!/bin/sh
echo "sallyport: git asks: $1" >&2
echo "sallyport: a cell has none of your passwords and credential helpers. Push from outside when the run is over, or give the agent a token of its own (sallyport run --env GH_TOKEN ...)." >&2
exit 1
`,
  [gitPrograms.ssh]: `#!/bin/sh
ssh "$@"
code=$?
if [ $code -eq 255 ] || [ $code -eq 127 ]; then
  echo "sallyport: a cell has none of your SSH keys and no SSH agent. Use an https remote, or push from outside when the run is over." >&2
fi
exit $code
`,
};
