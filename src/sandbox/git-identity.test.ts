import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { gitSettings } from "./git-identity.ts";

const base = mkdtempSync(join(tmpdir(), "git-identity-"));
after(() => rmSync(base, { recursive: true, force: true }));

let count = 0;
/** A home with these files, and a repository in it at `work/project`. */
function lay(files: { readonly [path: string]: string }): { home: string; workspace: string } {
  const home = join(base, String(count++));
  const workspace = join(home, "work/project");
  mkdirSync(workspace, { recursive: true });
  execFileSync("git", ["init", "-q", workspace]);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), text.replaceAll("HOME", home));
  }
  return { home, workspace };
}

/** What git itself says, from these files alone. */
function asGit({ home, workspace }: { home: string; workspace: string }, key: string): string {
  try {
    const env = { PATH: process.env.PATH, HOME: home, GIT_CONFIG_NOSYSTEM: "1" };
    return execFileSync("git", ["-C", workspace, "config", key], { env, encoding: "utf8" }).trimEnd();
  } catch {
    return "";
  }
}

/** What git reads in the cell. */
function inCell(text: string, key: string): string {
  const file = join(base, "cell.config");
  writeFileSync(file, text);
  try {
    return execFileSync("git", ["config", "--file", file, key], { encoding: "utf8" }).trimEnd();
  } catch {
    return "";
  }
}

const cases: readonly [about: string, files: { readonly [path: string]: string }][] = [
  ["nothing is set", {}],
  ["both are set", { ".gitconfig": "[user]\n\tname = Ada\n\temail = a@x\n" }],
  [
    "on the header's line, quoted, with a comment",
    { ".gitconfig": '[user] name = "A \\"B\\" ; C" # no\n[user]\nemail=a@x ; no\n' },
  ],
  [
    "in the XDG file, and in the other one over it",
    { ".config/git/config": "[user]\n\tname = X\n\temail = x@x\n", ".gitconfig": "[user]\n\temail = home@x\n" },
  ],
  [
    "in a file that is included",
    { ".gitconfig": "[include]\n\tpath = more\n", more: "[user]\n\tname = M\n\temail = m@x\n" },
  ],
  [
    "in one below the home",
    { ".gitconfig": "[include]\n\tpath = ~/a/b\n", "a/b": "[user]\n\tname = M\n\temail = m@x\n" },
  ],
  [
    "for a folder above",
    {
      ".gitconfig": '[user]\n\tname=H\n\temail = h@x\n[includeIf "gitdir:~/work/"]\n\tpath = work.config\n',
      "work.config": "[user]\n\temail = work@x\n",
    },
  ],
  [
    "for another folder",
    {
      ".gitconfig": '[user]\n\tname=H\n\temail = h@x\n[includeIf "gitdir:~/play/"]\n\tpath = work.config\n',
      "work.config": "[user]\n\temail = work@x\n",
    },
  ],
  [
    "for a folder of any place",
    {
      ".gitconfig": '[user]\n\tname=H\n\temail = h@x\n[includeIf "gitdir:project/"]\n\tpath = work.config\n',
      "work.config": "[user]\n\temail = work@x\n",
    },
  ],
  [
    "for a folder in another case",
    {
      ".gitconfig": '[user]\n\tname=H\n\temail = h@x\n[includeIf "gitdir/i:~/WORK/"]\n\tpath = work.config\n',
      "work.config": "[user]\n\temail = work@x\n",
    },
  ],
  [
    "in a file that is not there",
    { ".gitconfig": "[user]\n\tname = Ada\n\temail = a@x\n[include]\n\tpath = nowhere\n" },
  ],
  [
    "in a file that includes itself",
    { ".gitconfig": "[user]\n\tname = Ada\n\temail = a@x\n", more: "[include]\n\tpath = more\n" },
  ],
];
for (const [about, files] of cases)
  test(`a cell's git is told what git would be told: ${about}`, () => {
    const place = lay(files);
    const text = gitSettings(place);
    for (const key of ["user.name", "user.email"]) assert.equal(inCell(text, key), asGit(place, key), key);
  });

test("nothing comes along that could run, or that is a key", () => {
  const text = gitSettings(
    lay({
      ".gitconfig":
        '[user]\n\tname = A\n\temail = a@x\n\tsigningkey = K\n[credential]\n\thelper = store\n[credential "https://x"]\n\thelper = !evil\n[alias]\n\tst = !evil\n[core]\n\tpager = evil\n\tfsmonitor = evil\n\tsshCommand = evil\n\tautocrlf = input\n[url "https://token@x/"]\n\tinsteadOf = https://x/\n[http]\n\textraHeader = Authorization: x\n[init]\n\tdefaultBranch = trunk\n',
    }),
  );
  assert.doesNotMatch(text, /evil|store|token|Authorization|signing/i);
  assert.equal(inCell(text, "core.autocrlf"), "input");
  assert.equal(inCell(text, "init.defaultBranch"), "trunk");
});

test("files that include each other in a ring end", () => {
  const place = lay({
    ".gitconfig": "[include]\n\tpath = a\n",
    a: "[include]\n\tpath = .gitconfig\n[user]\n\tname = Ring\n",
  });
  assert.equal(inCell(gitSettings(place), "user.name"), "Ring");
});
